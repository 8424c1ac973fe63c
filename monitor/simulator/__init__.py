"""A labelled, synthetic market and router for the demo, the benches and the tests."""

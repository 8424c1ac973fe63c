"""One file per rule, each with its own examples."""

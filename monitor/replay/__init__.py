"""A past day from files through the same engine."""

"""Quote sources: one file per feed, one publisher of blocks."""

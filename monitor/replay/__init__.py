"""A past day from files through the same engine: what `sorwatch watch` would have found."""

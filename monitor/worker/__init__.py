"""The Faust worker round the engine: partitions, checkpoints, recovery, and what it sends."""

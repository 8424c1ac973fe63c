"""The Faust worker round the engine: partitions, checkpoints, recovery, and what it sends.

`faust_app` is the process, `worker` takes messages and acknowledges them, `partition` is one engine with its offsets,
`deduplicator` lets each report in once, `checkpoint` and `recovery` survive a kill, `sender` writes to Kafka.
"""

__all__ = ["engines"]

"""Connections to Kafka: settings of the clients, topics, the producer of the threads, readers of ranges.

`embedded` is Apache Kafka itself, started where no broker is named.
"""

__all__ = ["connection", "producer", "range_reader", "readback", "topics", "unacknowledged"]

"""Apache Kafka itself on loopback, for who names no broker: Java, jars, configuration, process."""

__all__ = ["broker", "jars", "java", "properties"]

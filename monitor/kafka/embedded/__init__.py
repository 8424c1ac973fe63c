"""Apache Kafka itself on loopback, for who names no broker: Java, jars, configuration, process."""

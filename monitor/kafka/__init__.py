"""Connections to Kafka: settings of the clients, topics, the producer of threads, readers of ranges."""

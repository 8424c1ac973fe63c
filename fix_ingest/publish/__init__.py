"""From the journal to the topic reports: decoded, numbered, and never beyond what Kafka has acknowledged."""

"""From the journal to the topic reports."""

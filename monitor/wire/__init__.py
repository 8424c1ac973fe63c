"""What stands on the topics: types of events and findings, lines of JSON, blocks of quotes. Pure."""

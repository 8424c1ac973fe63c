"""FIX logs of many shapes as a source of messages."""

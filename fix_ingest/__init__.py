"""Turns drop-copy bytes into events. A message passes through the rooms in this order:

`session` takes it off the connection, `journal` keeps its bytes, `decode` reads it as the dialect says, `publish`
sends the events to Kafka; `logs` reads FIX log files instead of a session.
"""

"""What stands on the topics: types of events and findings, lines of JSON, blocks of quotes. Pure.

`events` are the types, `codec` turns them into lines and says which partition a symbol has, `blocks` are quotes as
Arrow batches, `formats` writes money and time for people. A new event or field begins here.
"""

__all__ = ["blocks", "codec", "events", "formats"]

"""FIX sessions over TCP, and every message written to the journal before it is acknowledged.

`listener` is the process, `quickfix_engine` the only user of QuickFIX, `delivery` decides what is taken.
"""

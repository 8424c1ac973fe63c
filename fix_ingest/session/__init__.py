"""FIX sessions over TCP, and every message written to the journal before it is acknowledged."""

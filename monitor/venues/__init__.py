"""Which venue a code means: ISO 10383 MICs and the dated letters of the tapes."""

__all__ = ["shipped", "table"]

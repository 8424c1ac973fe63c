"""FIX logs of many shapes as a source of messages; a new shape goes into `shapes`."""

__all__ = ["reader"]

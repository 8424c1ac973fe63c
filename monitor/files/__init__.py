"""Files as they come: compressed, in archives, larger than memory."""

__all__ = ["archives", "compression", "external_sort"]

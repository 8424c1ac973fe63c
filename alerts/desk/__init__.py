"""The desk page: incidents, findings with their evidence, the state of the line, one order beside the NBBO."""

__all__ = ["markup"]

"""One machine: the whole line under a supervisor (`line`), what is missing for it (`doctor`), checks of a policy."""

__all__ = ["line"]

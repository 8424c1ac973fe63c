"""Reading a policy: every threshold, from when, for what, on whose authority.

`parse` checks the text against the rules' limits, `file` finds the text; the shipped policy lies here.
"""

__all__ = ["file"]

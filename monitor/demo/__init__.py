"""The demo and its equipment: a router with planted faults, a drop-copy source, receivers of notices, a scorecard.

Nothing of the product imports it.
"""

"""One file per rule, each with its own examples; this is their register."""

from monitor.engine.rule import Rule
from rules import poor_fill, slow_order, unexpected_venue

RULES: tuple[Rule, ...] = (slow_order.RULE, poor_fill.RULE, unexpected_venue.RULE)
"""Every rule, in the order in which they are asked."""

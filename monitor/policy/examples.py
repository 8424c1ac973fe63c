"""Running the examples of rules: each on a policy made of defaults and of its own limits."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.engine import tape
from monitor.engine.engine import EngineConfig
from monitor.engine.policy import Policy
from monitor.engine.rule import Example, Rule
from monitor.policy.parse import parse
from monitor.wire.events import Finding

CLOCKS = """
version = "example"
[clocks]
"*" = 50.0
quotes = 0.1
exact = 0.0
"""
"""Clocks of the examples: ``exact`` is one without error."""

ENTRY = """
[[rules.{name}]]
effective = 2026-01-01
reason = "example"
approved_by = "example"
[rules.{name}.limits]
{limits}
"""


def policy_of(rule: Rule, limits: str = "", others: Sequence[Rule] = ()) -> Policy:
    """A policy of one rule: its defaults, and over them the ``limits`` (TOML); and of others at their defaults."""
    rules = [rule, *(other for other in others if other is not rule)]
    entries = [ENTRY.format(name=each.name, limits=limits if each is rule else "") for each in rules]
    return parse(CLOCKS + "".join(entries), f"example of {rule.name}", rules)


def findings_of(rule: Rule, example: Example) -> Sequence[Finding]:
    """Every finding the example's tape leads to, revisions and withdrawals included."""
    return tape.run_tape(example.tape, [rule], policy_of(rule, example.limits), EngineConfig()).findings


def shown(findings: Sequence[Finding]) -> tuple[str, ...]:
    """Findings that stand, as examples write them: ``subject certainty``, sorted."""
    return tuple(sorted(f"{f.subject} {f.certainty}" for f in tape.standing(findings)))

"""A policy from TOML text: every mistake with its line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from monitor.config.toml import Located, Mistake, Mistaken, Path
from monitor.engine.certainty import ANY_CLOCK
from monitor.engine.policy import Entry, File, Policy
from monitor.engine.rule import Rule


def parse(text: str, name: str, rules: Iterable[Rule]) -> Policy:
    """Policy from TOML text; raises `Mistaken` with every mistake and its line."""
    rules = tuple(rules)
    located = Located(text, name)
    mistakes: list[Mistake] = []
    file = located.read((), File, mistakes)
    known = {rule.name: rule for rule in rules}
    mistakes.extend(_mistaken_clocks(located))
    mistakes.extend(_mistaken_rules(located, known))
    if file is not None:
        for rule_name, entries in file.rules.items():
            mistakes.extend(_mistaken_dates(located, rule_name, entries))
    if mistakes or file is None:
        raise Mistaken(name, sorted(set(mistakes), key=lambda m: m.line or 0))
    return Policy(file, rules)


def _mistaken_clocks(located: Located) -> list[Mistake]:
    clocks = located.data.get("clocks")
    if isinstance(clocks, dict) and ANY_CLOCK not in clocks:
        return [located.mistake(("clocks",), 'clocks."*": missing: the budget of every clock that is not named')]
    return []


def _mistaken_rules(located: Located, known: Mapping[str, Rule]) -> list[Mistake]:
    tables = located.data.get("rules")
    if not isinstance(tables, dict):
        return []
    wrong = [
        located.mistake(("rules", name), f"rules.{name}: no such rule; known: {', '.join(sorted(known))}")
        for name in tables
        if name not in known
    ]
    for name, rule in known.items():
        entries = tables.get(name)
        if entries is None or entries == []:
            wrong.append(located.mistake(("rules",), f"rules.{name}: missing: every rule needs an entry"))
        elif isinstance(entries, list):
            wrong.extend(m for i, e in enumerate(entries) for m in _mistaken_limits(located, rule, i, e))
    return wrong


def _mistaken_limits(located: Located, rule: Rule, i: int, entry: Any) -> list[Mistake]:
    """The limits of an entry and of its overrides, which are the rule's own kind."""
    wrong: list[Mistake] = []
    place: Path = ("rules", rule.name, i)
    if not isinstance(entry, dict):
        return wrong
    if isinstance(entry.get("limits"), dict):
        located.read((*place, "limits"), rule.limits, wrong)
    overrides = entry.get("override")
    for j, override in enumerate(overrides if isinstance(overrides, list) else ()):
        if not isinstance(override, dict):
            continue
        here = (*place, "override", j)
        if not {"order_class", "venue", "vendor", "symbols"} & set(override):
            what = "names none of order_class, venue, vendor, symbols: it would apply to everything"
            wrong.append(located.mistake(here, f"rules.{rule.name}.override: {what}"))
        if isinstance(override.get("limits"), dict):
            located.read((*here, "limits"), rule.limits, wrong)
    return wrong


def _mistaken_dates(located: Located, name: str, entries: tuple[Entry, ...]) -> list[Mistake]:
    seen: set[date] = set()
    wrong = []
    for i, entry in enumerate(entries):
        if entry.effective in seen:
            what = f"rules.{name}: two entries take effect on {entry.effective}"
            wrong.append(located.mistake(("rules", name, i, "effective"), what))
        seen.add(entry.effective)
    return wrong

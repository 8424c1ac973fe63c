"""Writes docs/rules/*.md from the rules themselves: ``python -m docs.generate``.

The rule is the truth; a test fails when a page is not what this module would write.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from docs.generate.docstrings import field_docstrings
from monitor.engine import tape
from monitor.engine.rule import Example, Rule
from monitor.policy.examples import findings_of
from monitor.wire.events import Finding
from monitor.wire.formats import dollars, duration
from rules import RULES

ROOT = Path(__file__).parent.parent / "rules"

INTRODUCTION = """\
# Rules

What sorwatch looks for. Each page is generated from the rule's own file by `python -m docs.generate`, its examples
run, and held current by a test. Thresholds are those of the [policy](../policy.md).

| rule | what it finds | severity | FINRA review factor |
|---|---|---|---|
"""


def pages(rules: Iterable[Rule] = RULES) -> dict[Path, str]:
    """Every generated page by its path."""
    rules = tuple(rules)
    index = INTRODUCTION + "".join(
        f"| [{rule.name}]({rule.name}.md) | {rule.title} | {rule.severity} | {rule.factor} |\n" for rule in rules
    )
    return {ROOT / "README.md": index} | {ROOT / f"{rule.name}.md": page(rule) for rule in rules}


def page(rule: Rule) -> str:
    """One rule's page."""
    parts = [
        f"# {rule.title}",
        f"`{rule.name}`, version {rule.version}. Severity {rule.severity}. Evidence for: {rule.factor}.",
        "\n".join(textwrap.wrap(rule.describe, 118)),
        "## What to do",
        rule.runbook,
        "## What it cannot see",
        "\n".join(textwrap.wrap(rule.blind_to, 118)),
        "## Limits",
        f"Set in the policy under `[[rules.{rule.name}]]`; these are the rule's own defaults.",
        _limits(rule),
        "## Examples",
        "Times are of one day, `+` is after the line before; the notation is that of `monitor/engine/tape.py`.",
        *(_example(rule, example) for example in rule.examples),
    ]
    return "\n\n".join(parts) + "\n"


def _limits(rule: Rule) -> str:
    module = inspect.getmodule(rule.limits)
    said = {} if module is None else field_docstrings(module)[rule.limits.__name__]
    defaults: dict[str, Any] = msgspec.to_builtins(rule.limits())
    rows = [f"| `{name}` | {_toml(value)} | {said.get(name, '')} |" for name, value in defaults.items()]
    return "\n".join(["| limit | default | meaning |", "|---|---|---|", *rows])


def _toml(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " ".join(f"`{each}`" for each in value) or "none"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _example(rule: Rule, example: Example) -> str:
    findings = tape.standing(findings_of(rule, example))
    limits = f"With `{example.limits}` in the policy:\n\n" if example.limits else ""
    told = "\n".join(_told(finding) for finding in findings) or "Silent."
    title = f"### {example.name[0].upper()}{example.name[1:]}"
    return f"{title}\n\n{limits}```\n{textwrap.dedent(example.tape).strip()}\n```\n\n{told}"


def _told(finding: Finding) -> str:
    evidence = ", ".join(f"{_name(k)} {_amount(k, v)}" for k, v in finding.evidence.items() if _worth_telling(k, v))
    certainty = finding.certainty.replace("_", " ")
    return f"- `{finding.subject}` **{certainty}**: {finding.title}; {finding.reason}.\n  Evidence: {evidence}."


def _worth_telling(name: str, value: Any) -> bool:
    return value is not None and not name.endswith("_at_ns")


def _name(name: str) -> str:
    for unit in ("_ns", "_nano", "_shares"):
        name = name.removesuffix(unit)
    return name.replace("_", " ")


def _amount(name: str, value: Any) -> str:
    if name.endswith("_ns"):
        return duration(value)
    if name.endswith("_nano"):
        return dollars(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def main() -> None:
    """Write every page."""
    for path, text in pages().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


if __name__ == "__main__":
    main()

"""The four groups of golden answers: what is asked in each, and the rows and the line that are kept of an answer."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from tests.golden import answers, days, real
from tests.golden.answers import Told
from tests.golden.projection import Projected, evidence_of, execution_of, last_of, projected

HERE = Path(__file__).parent
PARTS = ("executions", "findings", "withdrawn", "evidence")
"""Each has a digest of its own, so that findings can be the same where their evidence is not."""

Rows = dict[str, list[Projected]]
"""The rows of each part of an answer, in an order that does not depend on who told them when."""
Line = dict[str, Any]
"""Counts and digests of an answer."""


class Group(NamedTuple):
    """Questions of one kind, by name."""

    name: str
    items: dict[str, Callable[[], Told]]
    rows_in: str | None
    """The file in which the rows of the answers are kept beside the digests; ``None`` where they may not be."""

    @property
    def lines_path(self) -> Path:
        """Counts and digests, a line an item."""
        return HERE / f"{self.name}.jsonl"


def groups() -> list[Group]:
    """All of them; the real days have no items where their data is not."""
    kept = [json.loads(line) for line in (HERE / "tapes.jsonl").read_text("utf-8").splitlines()]
    tapes = {f"{t['rule']}: {t['name']}": partial(answers.of_tape, t["rule"], t["limits"], t["tape"]) for t in kept}
    return [
        Group("examples", dict(tapes), "examples.rows.jsonl"),
        Group("days", {f"day {seed}": partial(_day, seed) for seed in range(days.COUNT)}, "days.rows.jsonl.xz"),
        Group("demo", {"demo": answers.of_demo}, "demo.rows.jsonl.xz"),
        Group("real", real.items() if real.DATA.exists() else {}, None),
    ]


def _day(seed: int) -> Told:
    return answers.of_day(days.day(seed))


def rows_of(told: Told) -> Rows:
    """The last revision of everything told, projected."""
    executions = last_of(told.executions, lambda e: (e.session, e.symbol, e.route_id, e.exec_id))
    findings = last_of(told.findings, lambda f: f.id)
    standing = [finding for finding in findings if finding.state != "withdrawn"]
    rows = {
        "executions": map(execution_of, executions),
        "findings": map(projected, standing),
        "withdrawn": map(projected, (finding for finding in findings if finding.state == "withdrawn")),
        "evidence": map(evidence_of, standing),
    }
    return {part: sorted(rows[part], key=_canonical) for part in PARTS}


def line_of(item: str, rows: Rows) -> Line:
    """Counts and digests of an answer's rows."""
    rules = Counter(f"{row['name'].split()[0]} {row['certainty']}" for row in rows["findings"])
    counts = {part: len(rows[part]) for part in PARTS[:3]}
    return {"item": item, **counts, "rules": dict(sorted(rules.items())), "digests": _digests(rows)}


def _digests(rows: Rows) -> dict[str, str]:
    return {part: _digest("\n".join(map(_canonical, rows[part]))) for part in PARTS}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _canonical(row: Projected) -> str:
    return json.dumps(row, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def text_of(value: object) -> str:
    """JSON of one line, with its fields in the order in which they stand."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

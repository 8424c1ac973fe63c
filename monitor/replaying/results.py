"""What a replay found, as files: one JSON object a line, of each execution and finding only its last revision.

Lines are written as they are told, in the order of events; where a later revision came, the earlier line is left out
when the file is finished. The file appears under its name when it is whole.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Hashable
from pathlib import Path
from typing import Any

from monitor import wire
from monitor.events import Execution, Finding
from monitor.located import Mistake, Mistaken


class Latest:
    """A file of lines in which a later line of the same key replaces the earlier one."""

    def __init__(self, path: str) -> None:
        self._path = Path(path).expanduser()
        self._draft = self._path.with_name(f".{self._path.name}.{os.getpid()}.part")
        self._line_of: dict[Hashable, int] = {}
        self._replaced: set[int] = set()
        self._written = 0
        try:
            self._file = self._draft.open("wb")
        except OSError as error:
            raise Mistaken(path, [Mistake(None, f"cannot be written: {error.strerror}")]) from None

    def write(self, key: Hashable, line: bytes) -> None:
        """The newest line of ``key``."""
        before = self._line_of.get(key)
        if before is not None:
            self._replaced.add(before)
        self._line_of[key] = self._written
        self._written += 1
        self._file.write(line)

    def finish(self) -> None:
        """Leave out what was replaced, and give the file its name."""
        self._file.close()
        if self._replaced:
            whole = self._draft.with_suffix(".whole")
            with self._draft.open("rb") as lines, whole.open("wb") as kept:
                kept.writelines(line for number, line in enumerate(lines) if number not in self._replaced)
            whole.replace(self._draft)
        self._draft.replace(self._path)

    def discard(self) -> None:
        """Leave nothing behind."""
        self._file.close()
        self._draft.unlink(missing_ok=True)


class Results:
    """Both files, and the tallies of the summary: of last revisions only."""

    def __init__(self, executions: str | None, findings: str | None) -> None:
        self._executions = None if executions is None else Latest(executions)
        self._findings = None if findings is None else Latest(findings)
        self._states: dict[Hashable, tuple[str, str]] = {}
        self._verdicts: dict[str, tuple[str, str, str]] = {}

    def execution(self, execution: Execution) -> None:
        """An execution, or a later revision of one."""
        key = (execution.session, execution.symbol, execution.route_id, execution.exec_id)
        self._states[key] = (execution.quote_state, execution.state)
        if self._executions is not None:
            self._executions.write(key, wire.encode_lines([execution]))

    def finding(self, finding: Finding) -> None:
        """A finding, or a later revision of one."""
        self._verdicts[finding.id] = (finding.rule, finding.certainty, finding.state)
        if self._findings is not None:
            self._findings.write(finding.id, wire.encode_lines([finding]))

    def finish(self) -> None:
        """Make both files whole."""
        for file in (self._executions, self._findings):
            if file is not None:
                file.finish()

    def discard(self) -> None:
        """Leave no half files behind."""
        for file in (self._executions, self._findings):
            if file is not None:
                file.discard()

    def summary(self) -> dict[str, Any]:
        """Executions by state of their quote, findings by rule and certainty."""
        rules: dict[str, Counter[str]] = {}
        for rule, certainty, state in self._verdicts.values():
            rules.setdefault(rule, Counter())["withdrawn" if state == "withdrawn" else certainty] += 1
        states = Counter(quote for quote, _ in self._states.values())
        return {
            "executions": len(self._states),
            "busted": sum(state == "busted" for _, state in self._states.values()),
            "quote_states": dict(sorted(states.items())),
            "findings": {rule: dict(sorted(counts.items())) for rule, counts in sorted(rules.items())},
        }

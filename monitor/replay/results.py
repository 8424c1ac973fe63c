"""What a replay found, as files: one JSON object a line, of each execution and finding only its last revision.

Lines are written as they are told, in the order of events; where a later revision came, the earlier line is left out
when the file is finished. The file appears under its name when it is whole.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from monitor.config.toml import Mistake, Mistaken
from monitor.replay import outputs
from monitor.replay.outputs import STANDARD_OUTPUT
from monitor.wire import codec
from monitor.wire.events import Execution, Finding


class Latest:
    """A file of lines in which a later line of the same key replaces the earlier one.

    ``-`` is standard output; a device or pipe is written to when everything is known, and stays what it is.
    """

    def __init__(self, path: str) -> None:
        self._path = outputs.real(path)
        self._draft = None if self._path is None else self._path.with_name(f".{self._path.name}.{os.getpid()}.part")
        self._sink = path
        self._line_of: dict[Hashable, int] = {}
        self._replaced: set[int] = set()
        self._written = 0
        try:
            self._file: IO[bytes] = tempfile.TemporaryFile() if self._draft is None else self._draft.open("w+b")  # noqa: SIM115 - closed by finish or discard
        except OSError as error:
            raise Mistaken(path, [Mistake(None, f"cannot be written: {error.strerror}")]) from None

    def write(self, key: Hashable, line: bytes) -> None:
        """The newest line of ``key``."""
        before = self._line_of.get(key)
        if before is not None:
            self._replaced.add(before)
        self._line_of[key] = self._written
        self._written += 1
        with self._located():
            self._file.write(line)

    def finish(self) -> None:
        """Leave out what was replaced, and give the file its name."""
        with self._located():
            self._finish()

    @contextmanager
    def _located(self) -> Iterator[None]:
        """A full disk, a pipe that nobody reads any more."""
        try:
            yield
        except OSError as error:
            raise Mistaken(self._sink, [Mistake(None, f"cannot be written: {error.strerror}")]) from None

    def _finish(self) -> None:
        if self._path is None or self._draft is None:
            self._pour()
        elif self._replaced:
            whole = self._draft.with_suffix(".whole")
            with whole.open("wb") as kept:
                kept.writelines(self._kept())
            self._file.close()
            whole.replace(self._path)
            self._draft.unlink()
        else:
            self._file.close()
            self._draft.replace(self._path)

    def discard(self) -> None:
        """Leave nothing behind."""
        with suppress(OSError):  # what it still held finds no room either
            self._file.close()
        if self._draft is not None:
            self._draft.unlink(missing_ok=True)
            self._draft.with_suffix(".whole").unlink(missing_ok=True)

    def _pour(self) -> None:
        if self._sink == STANDARD_OUTPUT:
            _say(self._kept())
        else:
            with Path(self._sink).expanduser().open("wb") as sink:
                sink.writelines(self._kept())
        self._file.close()

    def _kept(self) -> Iterator[bytes]:
        self._file.seek(0)
        return (line for number, line in enumerate(self._file) if number not in self._replaced)


def _say(lines: Iterable[bytes]) -> None:
    """To standard output, until whoever reads it has heard enough."""
    try:
        sys.stdout.buffer.writelines(lines)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())  # or the interpreter complains of the pipe when it ends
        os.close(nowhere)


class Results:
    """Both files, and the tallies of the summary: of last revisions only."""

    def __init__(self, executions: str | None, findings: str | None) -> None:
        if executions is not None and findings is not None and outputs.same(executions, findings):
            raise Mistaken(findings, [Mistake(None, "executions and findings cannot go to the same place")])
        self._executions = None if executions is None else Latest(executions)
        try:
            self._findings = None if findings is None else Latest(findings)
        except Mistaken:
            if self._executions is not None:
                self._executions.discard()
            raise
        self._states: dict[Hashable, tuple[str, str]] = {}
        self._verdicts: dict[str, tuple[str, str, str]] = {}

    def execution(self, execution: Execution) -> None:
        """An execution, or a later revision of one."""
        self._states[execution.id] = (execution.quote_state, execution.state)
        if self._executions is not None:
            self._executions.write(execution.id, codec.encode_lines([execution]))

    def finding(self, finding: Finding) -> None:
        """A finding, or a later revision of one."""
        self._verdicts[finding.id] = (finding.rule, finding.certainty, finding.state)
        if self._findings is not None:
            self._findings.write(finding.id, codec.encode_lines([finding]))

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

"""Calls ``sorwatch replay`` as a stranger does, and reads what it wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from monitor import cli
from tests.black_box import reference


class ReplayCli:
    """A folder with quotes and reports, and the command run on them."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str] | None = None) -> None:
        self.folder = folder
        self.executions = folder / "executions.jsonl"
        self.findings = folder / "findings.jsonl"
        self.said = ""
        self.summary: dict[str, Any] = {}
        self._capsys = capsys

    def write(self, name: str, text: str | bytes) -> Path:
        """A file in the folder."""
        path = self.folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def quotes(self, rows: list[reference.Row], name: str = "quotes.csv") -> str:
        """The quotes as plain CSV; answers the notation."""
        lines = (f"{r.time},{r.symbol},{reference.money(r.bid)},{reference.money(r.ask)}\n" for r in rows)
        return f"csv:{self.write(name, 'time,symbol,bid,ask' + chr(10) + ''.join(lines))}"

    def log(self, lines: list[str], name: str = "fix.log") -> str:
        """A FIX log; answers its path."""
        return str(self.write(name, "\n".join(lines) + "\n"))

    def replay(self, *args: str) -> int:
        """Run it; summary and standard error are kept."""
        self.executions.unlink(missing_ok=True)
        self.findings.unlink(missing_ok=True)
        outputs = ["--executions", str(self.executions), "--findings", str(self.findings)]
        code = cli.main(["replay", *args, *outputs])
        assert self._capsys is not None
        caught = self._capsys.readouterr()
        self.said = caught.err
        self.summary = json.loads(caught.out) if caught.out else {}
        return code

    def wrong(self, wanted: dict[str, dict[str, Any]], but: tuple[str, ...] = ()) -> list[str]:
        """What differs from the truth, in executions and in the findings of fills outside the NBBO."""
        differences = reference.differences(self.executions, wanted, but)
        accused = {
            f["exec_id"]
            for f in reference.told(self.findings)
            if f["subject"].startswith("outside:") and f["certainty"] != "cannot_tell" and f["state"] != "withdrawn"
        }
        return differences + [f"outside: {e}" for e in sorted(accused ^ reference.outside(wanted))]

    def bytes(self) -> tuple[bytes, bytes]:
        """What was written."""
        return self.executions.read_bytes(), self.findings.read_bytes()

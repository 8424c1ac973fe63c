"""``sorwatch replay`` as its users meet it."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from monitor import cli
from monitor.engine import tape
from monitor.process import command_line
from monitor.replay.reports import in_order
from monitor.wire import codec
from monitor.wire.events import Filled

QUOTES = "time,symbol,bid,ask\n"
DAY = """
    09:30:00.010 received id=A symbol=IBM side=buy qty=100 type=market
    +2ms         routed id=A1 parent=A venue=ARCX qty=100
    +3ms         acked id=A1
    +5ms         filled id=A1 exec=E1 qty=60 price=100.09 venue=ARCX
    +5ms         filled id=A1 exec=E2 qty=40 price=100.01 venue=ARCX
    +1s          busted id=A1 ref=E1
    +1ms         routed id=A2 parent=A venue=ARCX qty=60
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    at = tape.DAY + 34_200 * 10**9
    (tmp_path / "q.csv").write_text(QUOTES + f"{at},IBM,100.00,100.02\n{at + 3600 * 10**9},IBM,100.00,100.02\n")
    (tmp_path / "r.jsonl").write_bytes(codec.encode_lines(tape.read(DAY).reports))
    return tmp_path


def replay(files: Path, *more: str, reports: str = "r.jsonl") -> int:
    args = ["--quotes", f"csv:{files / 'q.csv'}", "--reports", str(files / reports)]
    args += ["--executions", str(files / "e.jsonl"), "--findings", str(files / "f.jsonl"), *more]
    return cli.main(["replay", *args])


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_last_revision_of_each_is_written(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert replay(files) == command_line.OK
    summary = json.loads(capsys.readouterr().out)
    executions = {e["exec_id"]: e for e in lines(files / "e.jsonl")}
    wanted = {"exec_id", "order_id", "symbol", "side", "qty", "price", "venue", "at", "quote_at", "bid", "ask"}
    assert wanted | {"quote_state"} <= set(executions["E1"])
    assert (executions["E1"]["state"], executions["E1"]["revision"]) == ("busted", 1)
    assert executions["E2"]["order_id"] == "A"
    findings = {f["subject"]: f for f in lines(files / "f.jsonl")}
    assert findings["outside:E1"]["state"] == "withdrawn"
    waiting = next(f for s, f in findings.items() if s.startswith("route->ack"))
    assert waiting["certainty"] == "possible", "the reports end before the deadline"
    assert summary["executions"] == 2
    assert summary["busted"] == 1
    assert summary["quote_states"] == {"ok": 2}
    assert sorted(p.name for p in files.iterdir()) == ["e.jsonl", "f.jsonl", "q.csv", "r.jsonl"]


def test_the_order_of_the_lines_and_how_they_are_packed_do_not_matter(files: Path) -> None:
    assert replay(files) == command_line.OK
    expected = (files / "e.jsonl").read_bytes(), (files / "f.jsonl").read_bytes()
    shuffled = (files / "r.jsonl").read_bytes().splitlines(keepends=True)
    Random(1).shuffle(shuffled)  # noqa: S311 - any other order will do
    (files / "other.gz").write_bytes(gzip.compress(b"".join(shuffled + shuffled[:2])))
    assert replay(files, reports="other.gz") == command_line.OK
    assert ((files / "e.jsonl").read_bytes(), (files / "f.jsonl").read_bytes()) == expected


def test_lines_that_cannot_be_read_are_located_and_the_rest_is_judged(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = (files / "r.jsonl").read_bytes()
    (files / "bad.jsonl").write_bytes(b"\n{oops\n" + good + b'{"kind":"unheard of"}\n\xff\xfe\n')
    assert replay(files, reports="bad.jsonl") == command_line.OK
    summary = json.loads(capsys.readouterr().out)
    assert summary["executions"] == 2
    assert summary["unreadable_reports"] == 3
    assert summary["places"][0].startswith(f"{files / 'bad.jsonl'}:2: ")


def test_nothing_that_can_be_read_is_a_failure(files: Path) -> None:
    (files / "none.jsonl").write_text("nonsense\n")
    assert replay(files, reports="none.jsonl") == command_line.FAILED


@pytest.mark.parametrize(
    "more", [("--reports", "missing.jsonl"), ("--policy", "missing.toml"), ("--fix-log", "x", "--dialect", "missing")]
)
def test_a_wrong_name_is_told_and_leaves_no_files(
    files: Path, more: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert replay(files, *more) == command_line.USAGE
    assert "missing" in capsys.readouterr().err
    assert not list(files.glob("*e.jsonl*"))


def test_reports_must_be_named(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["replay", "--quotes", f"csv:{files / 'q.csv'}"]) == command_line.USAGE
    assert "--fix-log" in capsys.readouterr().err


def test_a_fix_log_gives_the_same_kind_of_lines(files: Path) -> None:
    def fix(seq: int, kind: str, at: str, rest: str) -> str:
        return f"8=FIX.4.4|9=1|35={kind}|49=SOR|56=US|34={seq}|52={at}|60={at}|55=IBM|54=1|{rest}10=000|\n"

    (files / "fix.log").write_text(
        fix(1, "D", "20260601-09:30:00.010", "11=A|38=100|40=1|")
        + fix(2, "8", "20260601-09:30:00.020", "11=A|37=X|17=E1|150=F|39=2|32=100|31=100.05|30=ARCX|151=0|14=100|")
    )
    args = ["--quotes", f"csv:{files / 'q.csv'}", "--fix-log", str(files / "fix.log")]
    args += ["--executions", str(files / "e.jsonl")]
    assert cli.main(["replay", *args]) == command_line.OK
    (execution,) = lines(files / "e.jsonl")
    assert (execution["order_id"], execution["venue"], execution["quote_state"]) == ("A", "ARCX", "ok")


def test_more_reports_than_fit_in_a_run_are_sorted_all_the_same() -> None:
    (event,) = [e for e in tape.read(DAY).reports if isinstance(e, Filled) and e.exec_id == "E1"]
    events = [msgspec.structs.replace(event, n=n, at=event.at + 7919 * n % 101) for n in range(100)]
    ordered = sorted(events, key=lambda e: (e.at, e.source, e.n, e.part))
    assert list(in_order(events, run=9)) == ordered == list(in_order(events))

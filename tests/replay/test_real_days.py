"""Two real days of IBM: every fill must get exactly the quote an independent offline as-of join gives it."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from monitor import cli
from monitor.feeds.notation import read_blocks
from monitor.process import command_line
from monitor.wire import codec
from monitor.wire.events import Acked, Filled, Received, ReportLine, Routed
from tests import SHARED
from tests.lean_tape import TRADE, lines

DATA = SHARED / "data/quotes-lean-algoseek/ibm"
DAYS = ("20131007", "20131008")
MS = 1_000_000

pytestmark = pytest.mark.skipif(not DATA.exists(), reason="the real quotes are not on this machine")


def reports(day: str, most: int = 4000) -> list[ReportLine]:
    """Trades of regular hours as orders, fixed milliseconds before: buys and sells in turn."""
    trades = lines(DATA / f"{day}_trade.zip", TRADE)
    events: list[ReportLine] = []
    some = trades.gather_every(max(1, len(trades) // most))
    for n, (at, size, price) in enumerate(some.select("at", "size", "price").iter_rows()):
        side, qty = "buy" if n % 2 else "sell", Decimal(size)
        told: dict[str, Any] = {"source": day, "session": "S", "symbol": "IBM", "side": side, "clock": "tape"}
        root, route = f"{day}-{n}", f"{day}-{n}-1"
        times = {k: {"at": at - ms * MS, "seen": at - ms * MS} for k, ms in (("d", 5), ("r", 3), ("a", 1), ("f", 0))}
        child = told | {"order_id": route, "parent_id": root}
        events += [
            Received(n=4 * n, order_id=root, qty=qty, ord_type="market", **told, **times["d"]),
            Routed(n=4 * n + 1, qty=qty, venue="ARCX", **child, **times["r"]),
            Acked(n=4 * n + 2, **child, **times["a"]),
            Filled(n=4 * n + 3, exec_id=f"E{n}", qty=qty, price=price, venue="ARCX", **child, **times["f"]),
        ]
    return events


def offline(day: str, fills: list[Filled], *, strict: bool) -> pl.DataFrame:
    quotes = [
        pl.DataFrame({"time": b.time, "row_bid": b.bid, "row_ask": b.ask})
        for b in read_blocks([f"lean:{DATA / f'{day}_quote.zip'}"], "q", 1 << 16)
        if len(b)
    ]
    table = pl.concat(quotes).with_columns(quote_at=pl.col("time")).unique("time", keep="last").sort("time")
    at = pl.DataFrame({"exec_id": [f.exec_id for f in fills], "time": [f.at for f in fills]}).sort("time")
    return at.join_asof(table, on="time", strategy="backward", allow_exact_matches=not strict)


def state(row: dict[str, Any]) -> str:
    if row["quote_at"] is None:
        return "none"
    if row["time"] - row["quote_at"] > 300_000 * MS:
        return "stale"
    if row["row_bid"] <= 0 or row["row_ask"] <= 0:
        return "one_sided"
    if row["row_bid"] > row["row_ask"]:
        return "crossed"
    return "locked" if row["row_bid"] == row["row_ask"] else "ok"


@pytest.mark.parametrize("ties", ["before", "at-or-before"])
@pytest.mark.parametrize("day", DAYS)
def test_every_fill_gets_the_quote_of_an_offline_join(
    day: str, ties: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    events = reports(day)
    (tmp_path / "reports.jsonl").write_bytes(codec.encode_lines(reversed(events)))
    executions, findings = tmp_path / "executions.jsonl", tmp_path / "findings.jsonl"
    args = ["--quotes", f"lean:{DATA / f'{day}_quote.zip'}", "--reports", str(tmp_path / "reports.jsonl")]
    args += ["--ties", ties, "--executions", str(executions), "--findings", str(findings)]
    assert cli.main(["replay", *args]) == command_line.OK
    summary = json.loads(capsys.readouterr().out)

    expected = {
        row["exec_id"]: row
        for row in offline(day, [e for e in events if isinstance(e, Filled)], strict=ties == "before").to_dicts()
    }
    told = [json.loads(line) for line in executions.read_text().splitlines()]
    assert len(told) == len(expected) == summary["executions"]
    for execution in told:
        row = expected[execution["exec_id"]]
        assert execution["quote_at"] == row["quote_at"]
        assert execution["quote_state"] == state(row)
        for side in ("bid", "ask"):
            price = row[f"row_{side}"]
            assert execution[side] == (price if price is not None and price > 0 else None)
    assert summary["quote_states"] == dict(sorted(Counter(state(row) for row in expected.values()).items()))
    assert findings.read_text().count("\n") == sum(sum(c.values()) for c in summary["findings"].values())

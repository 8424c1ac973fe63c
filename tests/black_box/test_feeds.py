"""Feeds of others, turned into our files by a few lines, against polars' as-of join of the same records."""

from __future__ import annotations

import csv
import gzip
import json
import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from monitor.process import command_line
from tests import SHARED
from tests.black_box import reference
from tests.black_box.replay_cli import ReplayCli

DATA = SHARED / "data"
SIDES = {"quote_at": pl.Int64, "bid": pl.Int64, "ask": pl.Int64}


def given(name: str) -> Path:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"real input is not on this machine: {path}")
    return path


def fill(n: int, at: int, symbol: str, exec_id: str, price: int, **more: Any) -> str:
    said = {"kind": "filled", "source": "s", "n": n, "at": at, "seen": at, "session": "S", "symbol": symbol}
    said |= {"order_id": f"C{exec_id}", "exec_id": exec_id, "side": "buy", "qty": 1, "price": price, "venue": "IEXG"}
    return json.dumps(said | more)


def messages(path: Path) -> Iterator[bytes]:
    """The messages of IEX TOPS in a packet capture; the last packet is cut short."""
    raw = gzip.decompress(path.read_bytes())
    at = 24
    while at + 16 <= len(raw):
        length = struct.unpack_from("<I", raw, at + 8)[0]
        packet, at = raw[at + 16 : at + 16 + length], at + 16 + length
        segment = packet[14 + (packet[14] & 15) * 4 + 8 :]
        place = 40
        for _ in range(struct.unpack_from("<H", segment, 14)[0]):
            size = struct.unpack_from("<H", segment, place)[0]
            if len(message := segment[place + 2 : place + 2 + size]) == size:
                yield message
            place += 2 + size


@pytest.mark.parametrize("tie", ["before", "at-or-before"])
def test_a_feed_of_one_exchange(stranger: ReplayCli, tie: str) -> None:
    """The certification feed of IEX: prices at random, sides at zero, trades that are broken later."""
    kinds: Counter[str] = Counter()
    quotes: list[tuple[int, str, int, int]] = []
    trades: dict[int, tuple[int, str, int]] = {}
    lines: list[str] = []
    broken: set[str] = set()
    for n, message in enumerate(messages(given("quotes-iex-tops-sample") / "TOPS16.pcap.gz"), 1):
        kinds[kind := chr(message[0])] += 1
        if kind == "Q":
            _, _, at, name, _, bid, ask, _ = struct.unpack_from("<BBq8sIqqI", message)
            quotes.append((at, name.decode().strip(), bid * 10**5, ask * 10**5))
        elif kind in "TB":
            _, _, at, name, _, price, trade = struct.unpack_from("<BBq8sIqq", message)
            symbol, exec_id = name.decode().strip(), str(trade)
            if kind == "T":
                trades[trade] = (at, symbol, price)
                lines.append(fill(n, at, symbol, exec_id, price * 10**5))
            else:
                broken.add(exec_id)
                said = {"kind": "busted", "source": "s", "n": n, "at": at, "seen": at, "session": "S", "symbol": symbol}
                lines.append(json.dumps(said | {"order_id": f"C{exec_id}", "exec_id": "B", "ref_exec_id": exec_id}))
    assert kinds == {"Q": 27217, "H": 7803, "P": 7802, "O": 7801, "T": 6390, "A": 642, "D": 10, "S": 6, "B": 3}
    rows = [f"{at},{symbol},{reference.money(bid)},{reference.money(ask)}" for at, symbol, bid, ask in quotes]
    text = stranger.write("q.csv", "\n".join(rows))
    reports = stranger.write("r.jsonl", "\n".join(lines))
    assert stranger.replay("--quotes", f"csv:{text}", "--reports", str(reports), "--ties", tie) == command_line.OK
    assert stranger.summary["quotes"] == len(quotes)
    book = pl.DataFrame(quotes, ["quote_at", "symbol", "bid", "ask"], orient="row").sort(
        "quote_at", maintain_order=True
    )
    told = pl.DataFrame([(at, s, str(i)) for i, (at, s, _) in trades.items()], ["at", "symbol", "id"], orient="row")
    joined = told.sort("at", maintain_order=True).join_asof(
        book.with_columns(pl.col("quote_at").alias("time")),
        left_on="at", right_on="time", by="symbol", allow_exact_matches=tie == "at-or-before", check_sortedness=False,
    )  # fmt: skip
    wanted = {r["id"]: (r["quote_at"], r["bid"] or None, r["ask"] or None) for r in joined.iter_rows(named=True)}
    executions = reference.told(stranger.executions)
    assert {e["exec_id"]: (e["quote_at"], e["bid"], e["ask"]) for e in executions} == wanted
    assert {e["exec_id"] for e in executions if e["state"] == "busted"} == broken & set(wanted)


def test_the_join_of_pandas_own_tests(stranger: ReplayCli) -> None:
    folder = given("asof-pandas")
    trades = list(csv.DictReader((folder / "trades.csv").read_text("utf-8").splitlines()))
    moments = pl.read_csv(folder / "trades.csv")["time"].str.to_datetime("%Y%m%d %H:%M:%S%.f", time_unit="ns")
    lines = [
        fill(n, at, t["ticker"], f"E{n}", int(float(t["price"]) * 100 + 0.5) * 10**7)
        for n, (at, t) in enumerate(zip(moments.dt.epoch("ns").to_list(), trades, strict=True), 1)
    ]
    reports = stranger.write("r.jsonl", "\n".join(lines))
    notation = f"csv:{folder / 'quotes.csv'}?symbol=ticker"
    assert stranger.replay("--quotes", notation, "--reports", str(reports), "--ties", "at-or-before") == command_line.OK
    got = {e["exec_id"]: (e["bid"], e["ask"]) for e in reference.told(stranger.executions)}
    wanted = list(csv.DictReader((folder / "asof.csv").read_text("utf-8").splitlines()))
    assert len(got) == len(wanted) == len(trades)
    for n, row in enumerate(wanted, 1):
        sides = tuple(None if row[side] == "" else round(float(row[side]) * 10**4) * 10**5 for side in ("bid", "ask"))
        assert got[f"E{n}"] == sides, row

"""Made-up tapes with many equal times, in several files, against polars' own as-of join, under both tie rules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from monitor.process import command_line
from tests.black_box import reference
from tests.black_box.replay_cli import ReplayCli

STALE = 300 * reference.NANO
Tapes = tuple[pl.DataFrame, pl.DataFrame, list[pl.DataFrame]]


def made(seed: int, rows: int, fills: int, symbols: int, instants: int, step: int) -> Tapes:
    """Fills, all quotes in the order that counts, and the files in which they stand."""
    random = np.random.default_rng(seed)
    at = reference.OPEN + np.sort(random.integers(0, instants, rows)) * step
    bid = random.integers(95_0000, 105_0000, rows) * 100_000
    quotes = pl.DataFrame(
        {
            "time": at,
            "symbol": np.char.add("S", random.integers(0, symbols, rows).astype(str)),
            "bid": np.where(random.random(rows) < 0.03, 0, bid),
            "ask": np.where(random.random(rows) < 0.03, 0, bid + random.integers(-1, 4, rows) * 5_000_000),
            "file": random.integers(0, 3, rows),
        }
    )
    parts = [quotes.filter(pl.col("file") == n).drop("file") for n in range(3)]
    parts[1] = parts[1].sample(fraction=1.0, shuffle=True, seed=seed)  # one file is not in order of time
    whole = pl.concat(parts).sort("time", maintain_order=True)
    times = np.concatenate(
        [random.choice(at, fills // 2), reference.OPEN + random.integers(-50, instants + 50, fills // 2) * step]
    )
    told = pl.DataFrame(
        {
            "at": np.sort(times),
            "symbol": np.char.add("S", random.integers(0, symbols + 2, len(times)).astype(str)),
            "exec_id": [f"E{n}" for n in range(len(times))],
        }
    )
    return told, whole, parts


def written(folder: Path, parts: list[pl.DataFrame]) -> list[str]:
    """A file of text without a header, one with times as text, and one in Parquet."""
    exact = [
        (pl.col(side).cast(pl.Decimal(30, 9)) / 10**9).cast(pl.Decimal(30, 9)).alias(side) for side in ("bid", "ask")
    ]
    ready = [part.with_columns(exact) for part in parts]
    ready[0].write_csv(folder / "a.csv", include_header=False)
    iso = pl.from_epoch("time", "ns").dt.strftime("%Y-%m-%dT%H:%M:%S%.9fZ")
    ready[1].with_columns(iso).write_csv(folder / "b.csv", separator=";")
    ready[2].write_parquet(folder / "c.parquet", row_group_size=1_000)
    return [f"csv:{folder / 'a.csv'}", f"csv:{folder / 'b.csv'}", f"parquet:{folder / 'c.parquet'}"]


def reports(told: pl.DataFrame) -> str:
    fill = {"kind": "filled", "source": "s", "session": "S", "side": "buy", "qty": 1, "price": 10**11, "venue": "XNYS"}
    lines = (
        json.dumps(fill | {"n": n, "at": at, "seen": at, "symbol": symbol, "order_id": f"C{n}", "exec_id": exec_id})
        for n, (at, symbol, exec_id) in enumerate(told.iter_rows(), 1)
    )
    return "\n".join(lines) + "\n"


def joined(told: pl.DataFrame, quotes: pl.DataFrame, tie: str) -> dict[str, tuple[Any, ...]]:
    """What polars says: when the quote was, its sides and its state."""
    found = told.join_asof(
        quotes.with_columns(pl.col("time").alias("quote_at")),
        left_on="at",
        right_on="time",
        by="symbol",
        strategy="backward",
        allow_exact_matches=tie == "at-or-before",
        check_sortedness=False,
    )
    answers: dict[str, tuple[Any, ...]] = {}
    for row in found.iter_rows(named=True):
        bid, ask = row["bid"] or None, row["ask"] or None
        if row["quote_at"] is None:
            state = "none"
        elif row["at"] - row["quote_at"] > STALE:
            state = "stale"
        elif bid is None or ask is None:
            state = "one_sided"
        else:
            state = "crossed" if bid > ask else "locked" if bid == ask else "ok"
        answers[row["exec_id"]] = (row["quote_at"], bid, ask, state)
    return answers


@pytest.mark.parametrize(
    ("seed", "rows", "symbols", "instants", "step"),
    [
        (1, 3_000, 3, 400, 1),  # several rows of a symbol in every ns
        (2, 3_000, 200, 3_000, 10**6),
        (3, 3_000, 40, 3_000, 10**9),  # and quotes that grow stale
        (4, 150_000, 25, 20_000, 10**6),  # more than one block
    ],
)
@pytest.mark.parametrize("tie", ["before", "at-or-before"])
def test_every_fill_has_the_quote_polars_gives_it(
    stranger: ReplayCli, seed: int, rows: int, symbols: int, instants: int, step: int, tie: str
) -> None:
    told, whole, parts = made(seed, rows, 1_000, symbols, instants, step)
    lines = stranger.write("r.jsonl", reports(told))
    quotes = written(stranger.folder, parts)
    assert stranger.replay("--quotes", *quotes, "--reports", str(lines), "--ties", tie) == command_line.OK
    wanted = joined(told, whole, tie)
    got = {
        e["exec_id"]: (e["quote_at"], e["bid"], e["ask"], e["quote_state"]) for e in reference.told(stranger.executions)
    }
    assert got == wanted
    assert {"ok", "locked", "crossed", "one_sided", "none"} <= {state for *_, state in wanted.values()}
    assert stranger.summary["quotes"] == rows

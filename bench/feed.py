"""Quote sources: rows a second read, split, encoded and published, beside polars reading the same files.

polars is asked for what the feed has to deliver: ns UTC, integer 1e-9 prices and the standing NBBO, in order of time.
It reads into memory with all cores; the feed streams blocks with one.
"""

from __future__ import annotations

import json
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl

from monitor.config import settings
from monitor.feeds.batches import Round
from monitor.feeds.block_sender import Outbox
from monitor.feeds.json_lines import heard
from monitor.feeds.metrics import Meters
from monitor.feeds.notation import read_blocks
from monitor.feeds.partitioner import Splitter
from monitor.feeds.synthetic_market import SECOND, SyntheticMarket
from monitor.kafka import topics
from monitor.kafka.embedded.broker import Broker
from monitor.kafka.producer import BoundedProducer
from monitor.wire import codec
from monitor.wire.blocks import encode

ROWS = 1_000_000
SYMBOLS = 12_000
PARTITIONS = 4
BLOCK_ROWS = 2048
START = 1_381_152_600 * SECOND


def run() -> dict[str, float]:
    """Measure; about half a minute."""
    with tempfile.TemporaryDirectory() as name, Broker(Path(name) / "kafka", progress=None) as broker:
        directory = Path(name)
        rounds, made = market()
        sent = published(settings.Kafka(bootstrap=(broker.bootstrap,)), rounds)
        files = {"lean": lean(directory), "csv": delimited(directory)}
        readers: dict[str, tuple[Callable[[Path], int], Callable[[Path], int]]] = {
            "lean": (ours("lean"), polars_lean),
            "csv": (ours("csv"), polars_csv),
        }
        told = {"market_rows_per_s": made, "split_and_encode_rows_per_s": encoded(rounds), **sent}
        for kind, (own, theirs) in readers.items():
            mine, other = best(own, files[kind]), best(theirs, files[kind])
            told |= {f"{kind}_rows_per_s": mine, f"{kind}_polars_rows_per_s": other}
            told[f"{kind}_ratio_to_polars"] = round(mine / other, 3)
    return told | lines()


def best(read: Callable[[Path], int], path: Path) -> float:
    """Rows a second, the better of two."""
    rates = []
    for _ in range(2):
        before = time.perf_counter()
        rows = read(path)
        rates.append(rows / (time.perf_counter() - before))
    return round(max(rates))


def market() -> tuple[list[Round], float]:
    """A second of the synthetic market at a million quotes a second, in steps of 20 ms."""
    made = SyntheticMarket(7, SYMBOLS, ROWS)
    before = time.perf_counter()
    steps = [START + i * SECOND // 50 for i in range(51)]
    rounds = [Round(rows=made.rows(a, b), through=b) for a, b in pairwise(steps)]
    return rounds, round(sum(len(r.rows) for r in rounds) / (time.perf_counter() - before))


def encoded(rounds: list[Round]) -> float:
    splitter = Splitter("nbbo", PARTITIONS, BLOCK_ROWS, 0)
    before, rows = time.perf_counter(), 0
    for this in rounds:
        for _, block in splitter.blocks(this):
            encode(block)
            rows += len(block)
    return round(rows / (time.perf_counter() - before))


def published(kafka: settings.Kafka, rounds: list[Round]) -> dict[str, float]:
    """Split, encoded, sent and acknowledged by a broker on the same cores."""
    if problems := topics.ensure(kafka):
        raise RuntimeError(problems)
    nbbo, dead = codec.topic(kafka.prefix, "nbbo"), codec.topic(kafka.prefix, "dead_letters")
    splitter, meters = Splitter("nbbo", PARTITIONS, BLOCK_ROWS, 0), Meters()
    with BoundedProducer(kafka, {nbbo: PARTITIONS, dead: 1}, name="bench-feed") as producer:
        outbox = Outbox(producer, nbbo, dead, meters, threading.Event())
        while not producer.state().connected:
            time.sleep(0.01)
        before, cpu = time.perf_counter(), time.process_time()
        for this in rounds * 3:
            for partition, block in splitter.blocks(this):
                outbox.send(partition, block)
        outbox.settle()
        seconds, cpu = time.perf_counter() - before, time.process_time() - cpu
    return {
        "published_rows_per_s": round(meters.rows / seconds),
        "published_mb_per_s": round(meters.bytes / seconds / 1e6, 1),
        "published_cpu_ns_per_row": round(cpu / meters.rows * 1e9),
    }


def lean(directory: Path) -> Path:
    """A made-up day in Lean's format, one side a line."""
    random = np.random.default_rng(1)
    millis = np.sort(random.integers(34_200_000, 57_600_000, ROWS)).tolist()
    bids = random.integers(1_800_000, 1_900_000, ROWS).tolist()
    sides = random.integers(0, 2, ROWS).tolist()
    lines = (
        f"{m},{b},100,0,0,P,1,0\n" if s else f"{m},0,0,{b + 100},200,P,1,0\n"
        for m, b, s in zip(millis, bids, sides, strict=True)
    )
    path = directory / "20240105_quote.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("20240105_abc_Quote_Tick.csv", "".join(lines))
    return path


def delimited(directory: Path) -> Path:
    """A million quotes of 3,000 symbols with ISO times."""
    random = np.random.default_rng(1)
    times = np.sort(random.integers(START, START + 3600 * SECOND, ROWS)).view("datetime64[ns]")
    bids, symbols = random.integers(100, 50_000, ROWS), random.integers(0, 3000, ROWS)
    path = directory / "quotes.csv"
    pl.DataFrame(
        {
            "time": [f"{t}Z" for t in times],
            "symbol": [f"S{s:04}" for s in symbols.tolist()],
            "bid": [f"{b / 100:.2f}" for b in bids.tolist()],
            "ask": [f"{(b + 1) / 100:.2f}" for b in bids.tolist()],
            "bid_size": [100] * ROWS,
            "ask_size": [200] * ROWS,
        }
    ).write_csv(path)
    return path


def ours(form: str) -> Callable[[Path], int]:
    return lambda path: sum(len(block) for block in read_blocks([f"{form}:{path}"], "nbbo", BLOCK_ROWS))


def polars_lean(path: Path) -> int:
    names = ["ms", "b", "bs", "a", "as", "x", "c", "s"]
    with zipfile.ZipFile(path) as archive:
        raw = pl.read_csv(archive.read(archive.namelist()[0]), has_header=False, new_columns=names)
    midnight = int(datetime(2024, 1, 5, 5, tzinfo=UTC).timestamp()) * SECOND
    bid, ask = pl.col("b") != 0, pl.col("a") != 0
    return len(
        raw.select(
            pl.col("ms") * 10**6 + midnight,
            pl.when(bid).then(pl.col("b") * 10**5).forward_fill(),
            pl.when(ask).then(pl.col("a") * 10**5).forward_fill(),
            pl.when(bid).then(pl.col("bs")).forward_fill(),
            pl.when(ask).then(pl.col("as")).forward_fill(),
        ).sort("ms", maintain_order=True)
    )


def polars_csv(path: Path) -> int:
    kinds = {"time": pl.String, "symbol": pl.Categorical, "bid": pl.Decimal(18, 9), "ask": pl.Decimal(18, 9)}
    scan = pl.scan_csv(path, schema_overrides=kinds)
    return len(
        scan.with_columns(pl.col("time").str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", time_unit="ns").to_physical())
        .sort("time", maintain_order=True)
        .collect()
    )


def lines() -> dict[str, float]:
    """Lines of JSON understood a second, beside json.loads alone."""
    texts = [
        f'{{"time":{START + i},"symbol":"S{i % 500}","bid":{i % 90}.25,"ask":99.5}}'.encode() for i in range(200_000)
    ]
    before = time.perf_counter()
    for text in texts:
        heard(text, 0)
    mine = len(texts) / (time.perf_counter() - before)
    before = time.perf_counter()
    for text in texts:
        json.loads(text)
    plain = len(texts) / (time.perf_counter() - before)
    return {
        "jsonl_lines_per_s": round(mine),
        "json_loads_per_s": round(plain),
        "jsonl_ratio_to_json_loads": round(mine / plain, 2),
    }


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))

"""Asking the product: the only module of the golden files that imports it, so that only this one follows a move."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from fix_ingest.decode import dialects
from fix_ingest.logs.reader import LogReader
from monitor import cli
from monitor.demo import router
from monitor.demo.fix_text import fix_time
from monitor.demo.stage import VENUES_DECLARED, VENUES_STRANGE
from monitor.engine import tape
from monitor.engine.engine import Engine, EngineConfig
from monitor.engine.policy import Policy
from monitor.feeds.synthetic_market import SyntheticMarket
from monitor.policy.examples import policy_of
from monitor.policy.file import load
from monitor.policy.parse import parse
from monitor.process import command_line
from monitor.wire.blocks import ABSENT, Block
from monitor.wire.events import Ended, Execution, Finding, ReportLine, Tick
from rules import RULES
from tests.golden.days import MS, Day, Record, Row

SECOND = 1000 * MS
POLICY: Policy = load(None, RULES)
DEMO_SEED = 5
DEMO_START = 1_780_320_600 * SECOND


class Told(NamedTuple):
    """Every revision of every execution and finding, in the order in which they were told."""

    executions: list[Any]
    findings: list[Any]


# --- examples ---


def of_tape(rule: str, limits: str, lines: Sequence[str]) -> Told:
    """What all rules say of a tape, under limits given for one rule of d21ec04 and the defaults of the others."""
    (meant,) = (each for each in RULES if each.name == rule)
    out = tape.run_tape("\n".join(lines), RULES, policy_of(meant, limits, others=RULES), EngineConfig())
    return Told(out.executions, out.findings)


# --- random days ---


def of_day(day: Day) -> Told:
    """What the shipped policy leads to on a random day, all of it judged to the end."""
    desk = _Desk(day, Engine(POLICY, RULES, EngineConfig(patience_ns=300 * MS)))
    desk.say(day.reports)
    if day.settled is not None:
        desk.vouch(day.settled)
    desk.say(day.late)
    desk.vouch(day.until)
    desk.end()
    return desk.told


class _Desk:
    def __init__(self, day: Day, engine: Engine) -> None:
        self.day, self.engine, self.told = day, engine, Told([], [])
        self._blocks = 0
        for source, rows in day.quotes.items():
            engine.block(_block(source, rows), self._next())

    def say(self, reports: Iterable[Record]) -> None:
        for record in reports:
            self.engine.report(event_of(record))

    def vouch(self, until: int) -> None:
        """Every source promises that all up to a time has come."""
        for source in self.day.quotes:
            n = self._next()
            self.engine.block(Block(source=source, n=n, through=until), n)
        for source in ("r1", "r2"):
            self.engine.report(Tick(source=source, n=0, at=until, seen=until))
        self._advance()

    def end(self) -> None:
        for source in ("r1", "r2"):
            self.engine.report(Ended(source=source, n=0, at=self.day.until, seen=self.day.until))
        for source in self.day.quotes:
            n = self._next()
            self.engine.block(Block(source=source, n=n, ended=True), n)
        self._advance()

    def _next(self) -> int:
        self._blocks += 1
        return self._blocks

    def _advance(self) -> None:
        out = self.engine.advance()
        self.told.executions.extend(out.executions)
        self.told.findings.extend(out.findings)


def event_of(record: Record) -> ReportLine:
    """A report from its fields on the wire."""
    event: ReportLine = msgspec.convert(record, ReportLine)
    return event


def _block(source: str, rows: list[Row]) -> Block:
    symbols = tuple(sorted({row.symbol for row in rows}))

    def column(values: Iterable[int | None]) -> Any:
        return np.array([ABSENT if value is None else value for value in values], np.int64)

    return Block(
        source=source,
        n=0,
        symbols=symbols,
        time=column(row.time for row in rows),
        symbol=np.array([symbols.index(row.symbol) for row in rows], np.int32),
        bid=column(row.bid for row in rows),
        ask=column(row.ask for row in rows),
        bid_size=column(100 for _ in rows),
        ask_size=column(200 for _ in rows),
    )


# --- the demo's market ---


def of_demo() -> Told:
    """A minute of the demo's market and router, as a FIX log beside the quotes, under the demo's policy."""
    market = SyntheticMarket(DEMO_SEED)
    until = DEMO_START + 70 * SECOND
    engine = Engine(_demo_policy(), RULES, EngineConfig())
    tables = (market.opening(DEMO_START - SECOND), market.rows(DEMO_START - SECOND, until))
    for n, table in enumerate(tables):
        columns = {name: getattr(table, name) for name in ("time", "symbol", "bid", "ask", "bid_size", "ask_size")}
        engine.block(Block(source="market", n=n, symbols=table.symbols, **columns), n)
    for event in events_of_fix(sent.fields for sent in _demo_messages(market)):
        engine.report(event)
    engine.block(Block(source="market", n=len(tables), through=until), len(tables))
    engine.report(Tick(source="router", n=0, at=until, seen=until))
    out = engine.advance()
    return Told(out.executions, out.findings)


def _demo_policy() -> Policy:
    return parse(resources.files("monitor.demo").joinpath("demo_policy.toml").read_text("utf-8"), "demo", RULES)


def _demo_messages(market: SyntheticMarket) -> Iterator[router.Sent]:
    plan = router.Plan(
        seed=DEMO_SEED,
        start=DEMO_START,
        end=DEMO_START + 60 * SECOND,
        orders_per_second=20,
        symbols=market.symbols,
        venues=VENUES_DECLARED,
        strange=VENUES_STRANGE,
        fault_every=5,
    )
    for sent, _ in router.messages(router.orders(plan, market.touch)):
        yield sent


def events_of_fix(messages: Iterable[Sequence[tuple[int, str]]]) -> list[ReportLine]:
    """The events of FIX messages by the default dialect."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "router.log"
        write_log(path, messages)
        return list(LogReader("router", dialects.load("default")).read(os.fspath(path)))


def write_log(path: Path, messages: Iterable[Sequence[tuple[int, str]]]) -> None:
    """A FIX log of messages, each sent at its TransactTime, which is its last field."""
    with path.open("w", encoding="utf-8") as log:
        for seq, fields in enumerate(messages, 1):
            head = ((8, "FIX.4.4"), fields[0], (49, "SIM"), (56, "SORWATCH"), (34, str(seq)), (52, fields[-1][1]))
            log.write("|".join(f"{tag}={value}" for tag, value in (*head, *fields[1:])) + "|\n")


def fix_time_of(at: int) -> str:
    """A time as FIX writes it."""
    return fix_time(at)


# --- real days ---


def of_files(quotes: str, reports: Path, ties: str) -> Told:
    """What ``sorwatch replay`` writes of quotes, in its notation, and of a file of reports or a FIX log."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()) as summary:
        executions, findings = Path(folder) / "executions.jsonl", Path(folder) / "findings.jsonl"
        args = ["--quotes", quotes, "--fix-log" if reports.suffix == ".log" else "--reports", os.fspath(reports)]
        args += ["--ties", ties, "--executions", os.fspath(executions), "--findings", os.fspath(findings)]
        if cli.main(["replay", *args]) != command_line.OK:
            raise RuntimeError(f"replay failed: {summary.getvalue()}")
        return Told(_decoded(executions, Execution), _decoded(findings, Finding))


def _decoded(path: Path, kind: Any) -> list[Any]:
    decoder = msgspec.json.Decoder(kind)
    return [decoder.decode(line) for line in path.read_bytes().splitlines()]

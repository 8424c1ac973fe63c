"""``sorwatch quotes SOURCE``: a quote source → blocks on ``nbbo``, with ticks on every partition.

Files are played as fast as possible, at their own pace or n times faster, end by saying so, and go on after a kill
where they stood. Live sources run at the time of day until told to stop.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from itertools import chain
from pathlib import Path

import msgspec
import structlog

from monitor.config import load
from monitor.config.settings import Settings
from monitor.config.toml import Mistake, Mistaken
from monitor.feeds import notation, playback
from monitor.feeds.batches import Round, by_rows, by_time
from monitor.feeds.block_sender import Outbox
from monitor.feeds.json_socket import Jsonl
from monitor.feeds.live import Live, LiveSource, Pending
from monitor.feeds.metrics import STALLED_S, Meters
from monitor.feeds.partitioner import Splitter
from monitor.feeds.playback import Pace, Played
from monitor.feeds.rejects import Rejects, Unreadable
from monitor.feeds.resume import Position, Standing, resumed
from monitor.feeds.synthetic import Demo, market
from monitor.kafka.producer import BoundedProducer
from monitor.process import command_line
from monitor.process.health_server import Health, HealthServer
from monitor.process.signals import stopping
from monitor.wire import codec

log = structlog.get_logger()

HOLD_ROWS = 2_000_000
"""Quotes of a live feed that are kept while Kafka is away: about 100 MB."""

_EPILOG = """sources:
  lean:PATH         tick files of QuantConnect Lean / AlgoSeek: a zip, a folder or a pattern
  csv:PATH          time,symbol,bid,ask[,bid_size,ask_size] with or without a header, also compressed
  parquet:PATH      the same columns in Parquet
  jsonl:-           lines of JSON on standard input
  jsonl:tcp://HOST:PORT  lines of JSON over TCP; sorwatch listens
  demo:             a synthetic market; demo:?seed=7&symbols=200&rate=2000
docs/feeds.md says what each may contain."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``sorwatch quotes``."""
    command_line.add_config(parser)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    parser.add_argument("quotes", nargs="+", metavar="SOURCE", help="FORMAT:PATH; several of files are merged by time")
    parser.add_argument("--speed", default="max", metavar="real|N|max", help="pace of files (max)")
    parser.add_argument(
        "--shift-to-now", action="store_true", help="move the times of files so that the first quote is now"
    )
    parser.add_argument("--columns", default="", metavar="time=ts,bid=px", help="what the columns are called")
    parser.add_argument("--source", metavar="NAME", help="name of the source in the blocks (quotes.source)")
    parser.add_argument("--from-start", action="store_true", help="play files anew, not from where a kill left off")
    parser.add_argument(
        "--hold-rows", type=int, default=HOLD_ROWS, metavar="N", help="quotes of a live feed kept while Kafka is away"
    )


def run(args: argparse.Namespace) -> int:
    """Play the source; 0 when it ended or was told to stop."""
    config = load.load(args.config)
    if args.source is not None:
        config = msgspec.structs.replace(config, quotes=msgspec.structs.replace(config.quotes, source=args.source))
    speed = _speed(args.speed)
    if args.hold_rows < 1:
        raise _mistaken(f"--hold-rows {args.hold_rows}", "write how many quotes are kept, 1 or more")
    parsed = [notation.parse(text) for text in args.quotes]
    with stopping() as stop:
        if all(p.format in notation.FILE_FORMATS for p in parsed):
            return _Feed(config, stop).files(args.quotes, notation.column_map(args.columns), speed, args)
        if len(parsed) > 1:
            raise _mistaken(" ".join(args.quotes), "a live source is played alone, in a process of its own")
        return _Feed(config, stop).live(parsed[0], args.hold_rows)


class _Feed:
    """One run of the command: what files and live sources share."""

    def __init__(self, config: Settings, stop: threading.Event) -> None:
        self._config = config
        self._source = config.quotes.source
        self._stop = stop
        self._begun = time.time_ns()
        self._meters = Meters()
        self._complaints = Rejects(self._unreadable)
        self._outbox: Outbox | None = None
        self._where = ""

    def files(
        self, notations: list[str], columns: Mapping[str, str], speed: float | None, args: argparse.Namespace
    ) -> int:
        """Play files to their end."""
        quotes, partitions = self._config.quotes, self._config.kafka.partitions
        how = {"columns": sorted(columns.items()), "speed": speed, "shift": args.shift_to_now}
        how |= {"tick_ms": quotes.tick_ms, "rows": quotes.block_rows, "partitions": partitions}
        play = playback.fingerprint(notations, **how, prefix=self._config.kafka.prefix)
        tables = notation.tables(notations, self._complaints, columns)
        rounds: Iterator[Round] = (
            by_rows(tables, quotes.block_rows * partitions)
            if speed is None
            else by_time(tables, int(quotes.tick_ms * 1e6 * speed))
        )
        standing = resumed(self._position_file(), play, self._begun, args.from_start)
        if args.shift_to_now:
            rounds, standing = _shifted(rounds, standing)
        if standing.done:
            log.info("going on where an earlier run was stopped", rounds_done=standing.done)
        splitter = Splitter(self._source, partitions, quotes.block_rows, standing.first)
        self._where = " ".join(notations)
        with self._sending() as outbox:
            position = Position(self._position_file(), standing)
            pace = Pace(speed=speed, begun=standing.begun)
            played = playback.play(rounds, splitter, outbox, position, pace, self._meters, self._stop)
        return self._told(played)

    def live(self, parsed: notation.Notation, hold_rows: int) -> int:
        """Play a live source until it ends or we are told to stop."""
        feed, position = self._open(parsed)
        self._where = feed.where
        quotes, partitions = self._config.quotes, self._config.kafka.partitions
        splitter = Splitter(self._source, partitions, quotes.block_rows, self._begun // 1000)
        pending = Pending(hold_rows)
        with closing(feed), self._sending() as outbox:
            line = Live(feed, splitter, outbox, position, pending, self._meters)
            whole = line.play(self._stop, quotes.tick_ms / 1000)
        return self._told(Played(whole=whole))

    def _open(self, parsed: notation.Notation) -> tuple[LiveSource, Position | None]:
        if parsed.format == "jsonl":
            return Jsonl(
                parsed.path, parsed.options, self._complaints, self._config.watch.patience_ms * 1_000_000
            ), None
        made = market(parsed.options)
        standing = resumed(self._position_file(), f"{parsed} {sorted(parsed.options.items())}", self._begun, False)
        return Demo(made, standing.done), Position(self._position_file(), standing)

    @contextmanager
    def _sending(self) -> Iterator[Outbox]:
        """An outbox to Kafka with the probe beside it."""
        kafka = self._config.kafka
        nbbo, dead = codec.topic(kafka.prefix, "nbbo"), codec.topic(kafka.prefix, "dead_letters")
        with BoundedProducer(kafka, {nbbo: kafka.partitions, dead: 1}, name="sorwatch-quotes") as producer:
            self._outbox = Outbox(producer, nbbo, dead, self._meters, self._stop)
            probe = _probe(self._config.quotes.probe, self._meters, lambda: self._health(producer))
            try:
                yield self._outbox
            finally:
                self._outbox = None
                probe.close()

    def _unreadable(self, row: Unreadable) -> None:
        self._meters.unreadable(row)
        if self._outbox is not None and row.detail is not None:
            self._outbox.bury(row, self._source)

    def _health(self, producer: BoundedProducer) -> Health:
        state, meters = producer.state(), self._meters
        well = state.connected and state.stalled_s < STALLED_S
        facts: dict[str, int | float | str | None] = {"source": self._source, "from": self._where}
        facts |= {"rows": meters.rows, "blocks": meters.blocks, "bytes": meters.bytes, "late_rows": meters.late}
        facts |= {"unreadable": self._complaints.total, "dropped_rows": meters.dropped}
        facts |= {"lag_s": round(meters.lag_s, 3), "in_flight_bytes": state.bytes}
        return Health(
            ok=well, why=state.why if not state.connected else "" if well else "Kafka does not answer", facts=facts
        )

    def _told(self, played: Played) -> int:
        """Print what was done, as one line of JSON on standard output."""
        seconds = (time.time_ns() - self._begun) / 1e9
        meters = self._meters
        summary = {
            "source": self._source,
            "rows": meters.rows,
            "blocks": meters.blocks,
            "bytes": meters.bytes,
            "first": played.first,
            "last": played.last,
            "unreadable": dict(self._complaints.counts),
            "late_rows": meters.late,
            "dropped_rows": meters.dropped,
            "ended": played.whole,
            "seconds": round(seconds, 3),
        }
        sys.stdout.write(json.dumps(summary) + "\n")
        return command_line.OK

    def _position_file(self) -> Path:
        safe = "".join(c if c.isalnum() or c in "-_." else "_" for c in self._source)
        return self._config.directory("quotes") / f"{safe}.json"


def _shifted(rounds: Iterator[Round], standing: Standing) -> tuple[Iterator[Round], Standing]:
    """Times moved so that the first row is when the play began; the same again after a kill."""
    first = next(rounds, None)
    if first is None or not len(first.rows):
        return iter(() if first is None else (first,)), standing
    shift = standing.begun - int(first.rows.time[0])
    return chain((first,), rounds), msgspec.structs.replace(standing, shift=shift)


def _probe(address: str, meters: Meters, health: Callable[[], Health]) -> HealthServer:
    return HealthServer(address, "quotes.probe", meters.registry, health)


def _speed(text: str) -> float | None:
    """``max`` is None, ``real`` is 1; raises `Mistaken`."""
    if text in ("max", "real"):
        return None if text == "max" else 1.0
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise _mistaken(f"--speed {text}", "write real, max or how many times faster, such as 10")
    return speed


def _mistaken(place: str, what: str) -> Mistaken:
    return Mistaken(place, [Mistake(None, what)])

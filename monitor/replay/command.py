"""``sorwatch replay``: the same engine over files, the shortest way from one's own data to findings.

Deterministic: the same files give the same bytes. Reports need not be in order; quotes are read as a stream. One line
of each execution and finding is written, its last revision; a finding that was withdrawn stays in the file and says
so. Silences are judged as far as the reports go; deadlines beyond the last one are at most ``possible``.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from monitor.config.toml import Mistake, Mistaken
from monitor.engine.engine import Engine, EngineConfig
from monitor.engine.joined import Output
from monitor.feeds.notation import files, parse, read_blocks
from monitor.feeds.rejects import Rejects
from monitor.policy import file
from monitor.process import command_line, gc_tuning
from monitor.process.signals import terminated
from monitor.replay.feeder import Feeder
from monitor.replay.outputs import STANDARD_OUTPUT, place, spare
from monitor.replay.reports import Happening, Reading, from_json, from_logs, in_order, there
from monitor.replay.results import Results
from monitor.replay.time_spans import Span, strangers
from monitor.wire.blocks import Block
from rules import RULES

BLOCK_ROWS = 1 << 16
QUOTES = "quotes"
"""Source of all quotes of a replay."""
_EPILOG = """\
example:
  sorwatch replay --quotes csv:nbbo.csv --fix-log dropcopy.log --executions executions.jsonl --findings findings.jsonl

--quotes takes FORMAT:PATH as sorwatch quotes does; PATH is a file, a folder or a pattern in quotation marks, and
'csv:nbbo.csv?time=ts&bid=bid_px' names columns that are called otherwise (docs/feeds.md). The summary is printed as
JSON on standard output, or on standard error when executions or findings go to standard output.

exit codes: 0 done; 1 none of the reports, or none of the quotes, could be read; 2 called wrongly, or a file or policy
that cannot be used."""
_EVERY = 0.5
"""Seconds between two lines of progress."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """What to read, how to judge, where to write."""
    several: dict[str, Any] = {"nargs": "+", "action": "extend", "default": []}
    parser.add_argument(
        "--quotes", metavar="FORMAT:PATH", required=True, help="lean:, csv: or parquet: files, folders", **several
    )
    parser.add_argument("--fix-log", metavar="PATH", help="FIX logs, also compressed", **several)
    parser.add_argument(
        "--reports", metavar="PATH", help="lines of JSON as on the reports topic, also compressed", **several
    )
    parser.add_argument("--dialect", metavar="NAME", default="default", help="dialect of the FIX logs, name or path")
    parser.add_argument("--policy", metavar="FILE", help="limits; the shipped policy without it")
    parser.add_argument(
        "--ties",
        choices=("before", "at-or-before"),
        default="before",
        help="whether a quote of the very instant of an event counts (default: before, it does not)",
    )
    parser.add_argument("--executions", metavar="FILE", help="write executions, a JSON object a line; - for here")
    parser.add_argument("--findings", metavar="FILE", help="write findings, a JSON object a line; - for here")
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG


def run(args: argparse.Namespace) -> int:
    """Replay, and print a summary as JSON; mistakes in files and options are told by the caller."""
    if not args.fix_log and not args.reports:
        sys.stderr.write("sorwatch replay: name reports: --fix-log PATH… or --reports PATH…\n")
        return command_line.USAGE
    gc_tuning.collect_rarely()
    config = EngineConfig(
        tie=args.ties, patience_ns=0, closed_kept=1_000_000, open_most=10_000_000, future_ns=None, held_most=sys.maxsize
    )
    engine = Engine(file.load(args.policy, RULES), RULES, config)
    reading, complaints = Reading(), Rejects()
    blocks = read_blocks(args.quotes, QUOTES, BLOCK_ROWS, complaints=complaints)
    outputs = [place(args.executions), place(args.findings)]
    spare(outputs, _inputs(args))
    there(args.fix_log, args.reports, args.dialect)
    quoted, reported = Span(), Span()
    with terminated():
        results = Results(*outputs)
        reports = _reports(args, reading)
        _whole(results, lambda: _replay(engine, reported.reports(in_order(reports)), quoted.blocks(blocks), results))
    for told in reading.places:
        sys.stderr.write(f"{told}\n")
    _warn(reading, quoted, reported)
    summary = _summary(engine, reading, complaints, results) | {"ties": args.ties, "policy": engine.policy.version}
    summary |= {"quotes_span": quoted.told(), "reports_span": reported.told()}
    (sys.stderr if STANDARD_OUTPUT in outputs else sys.stdout).write(json.dumps(summary, indent=2) + "\n")
    nothing = reading.events == 0 and reading.unreadable > 0
    return command_line.FAILED if nothing or (summary["quotes"] == 0 and complaints.total > 0) else command_line.OK


def _whole(results: Results, judge: Callable[[], None]) -> None:
    """Judge, and give the results their names; whatever ends it before leaves nothing behind."""
    try:
        judge()
        results.finish()
    except OSError as error:  # of temporary files: what is read and written tells its own
        results.discard()
        raise Mistaken(tempfile.gettempdir(), [Mistake(None, f"temporary files: {error.strerror}")]) from None
    except BaseException:  # also an interrupt leaves no half results behind: discarded, then raised again
        results.discard()
        raise


def _inputs(args: argparse.Namespace) -> Iterator[str | Path]:
    """Every file that is read."""
    for notation in args.quotes:
        yield from files(parse(notation))
    yield from (*args.fix_log, *args.reports, args.dialect, *([] if args.policy is None else [args.policy]))


def _reports(args: argparse.Namespace, reading: Reading) -> Iterator[Happening]:
    return chain(from_logs(args.fix_log, args.dialect, reading), from_json(args.reports, reading))


def _replay(engine: Engine, reports: Iterator[Happening], blocks: Iterator[Block], results: Results) -> None:
    progress = _Progress(engine)

    def hand_on(output: Output) -> None:
        for execution in output.executions:
            results.execution(execution)
        for finding in output.findings:
            results.finding(finding)
        for note in output.notes:
            sys.stderr.write(f"{note.source} {note.n}.{note.part}: {note.what}\n")
        progress.show()

    Feeder(engine, reports, hand_on).feed(blocks)
    progress.end()


def _warn(reading: Reading, quoted: Span, reported: Span) -> None:
    """What is no mistake, and yet hardly what was meant."""
    if reading.events == 0 and reading.unreadable == 0:
        sys.stderr.write("no reports: the files hold none\n")
    if (doubt := strangers(quoted, reported)) is not None:
        sys.stderr.write(f"{doubt}\n")


def _summary(engine: Engine, reading: Reading, complaints: Rejects, results: Results) -> dict[str, Any]:
    counts = engine.counts
    return {
        "reports": reading.events,
        "unreadable_reports": reading.unreadable,
        "quotes": counts["quotes"],
        "unreadable_quotes": dict(sorted(complaints.counts.items())),
        **results.summary(),
        "duplicates": counts["duplicates"] + reading.duplicates,
        "conflicts": counts["conflicts"],
        "garbled": counts["garbled"],
        "unlinked": counts["unlinked"],
        "unknown_busts": counts["unknown_busts"],
        "places": reading.places,
    }


class _Progress:
    """One line on a terminal, rewritten."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._shown = sys.stderr.isatty()
        self._due = 0.0

    def show(self) -> None:
        """Say how far it has come, not too often."""
        if self._shown and time.monotonic() >= self._due:
            self._due = time.monotonic() + _EVERY
            counts = self._engine.counts
            line = f"{counts['quotes']:,} quotes, {counts['reports']:,} reports, {counts['executions']:,} executions"
            sys.stderr.write(f"\r\x1b[K{line}")
            sys.stderr.flush()

    def end(self) -> None:
        """Leave the line."""
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

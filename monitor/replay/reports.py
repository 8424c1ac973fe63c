"""Reports from files: lines of the wire's JSON or FIX logs, read one by one and put in the order of their times.

What cannot be read is counted and located, and the reading goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

import msgspec
from msgspec import Struct, field

from fix_ingest.decode import dialects
from fix_ingest.logs.reader import LogReader
from monitor.config.toml import Mistaken, Several
from monitor.files import external_sort
from monitor.files.archives import DAMAGED, check, texts
from monitor.wire.events import Ended, OrderKind, ReportLine, SessionKind, Tick

LOG_SOURCE = "fix-log"
"""Journal that events of FIX logs belong to."""
RUN = 250_000
"""Events sorted at once; more are sorted in runs on disk and merged."""
TOLD = 20
"""Lines that cannot be used that are told one by one."""

_MARK = b"\xef\xbb\xbf"
"""Byte order mark of UTF-8."""

Happening = OrderKind | SessionKind


class Reading(Struct, kw_only=True):
    """What was read, and what could not be."""

    events: int = 0
    unreadable: int = 0
    """Lines of JSON that are not an event, and lines of logs without a FIX message."""
    garbled: int = 0
    """FIX messages that could not be used; they are told to the engine as events."""
    duplicates: int = 0
    """Messages that stood in the logs twice."""
    places: list[str] = field(default_factory=list)
    """The first of them, each as ``file:line: what``."""

    def complain(self, path: str, line: int, what: str) -> None:
        """A line that could not be read."""
        self.unreadable += 1
        self.name(path, line, what)

    def name(self, path: str, line: int, what: str) -> None:
        """Say where something was found; after the first few it is only counted."""
        if len(self.places) < TOLD:
            self.places.append(f"{path}:{line}: {what}")


def there(logs: Sequence[str], lines: Sequence[str], dialect: str) -> None:
    """Raises `Mistaken` naming everything that cannot be opened, before hours are spent on the rest."""
    tries: list[Callable[[], object]] = [partial(check, path, "log") for path in logs]
    tries += [partial(check, path, "file") for path in lines]
    tries += [partial(dialects.load, dialect)] if logs else []
    wrong = []
    for one in tries:
        try:
            one()
        except Mistaken as mistaken:
            wrong.append(mistaken)
    if wrong:
        raise Several(wrong) if len(wrong) > 1 else wrong[0]


def from_json(paths: Sequence[str], reading: Reading) -> Iterator[Happening]:
    """Events of files with one JSON object a line, as they stand on ``reports``; raises `Mistaken` for no file."""
    decoder = msgspec.json.Decoder(ReportLine)
    for path in paths:
        for name, number, line in _lines(path, reading):
            try:
                event = decoder.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                reading.complain(name, number, str(error))
                continue
            if not isinstance(event, Tick | Ended):
                reading.events += 1
                yield event


def from_logs(paths: Sequence[str], dialect: str, reading: Reading) -> Iterator[Happening]:
    """Events of FIX logs; raises `Mistaken` for no file and for no such dialect."""
    reader = LogReader(LOG_SOURCE, dialects.load(dialect))
    for event in reader.read_all(paths):
        if not isinstance(event, Tick | Ended):
            reading.events += 1
            yield event
    counts = reader.counts
    reading.unreadable += counts.rejected
    reading.garbled += counts.garbled
    reading.duplicates += counts.duplicates
    for place in counts.places:
        reading.name(place.path, place.line, place.what)


def in_order(events: Iterable[Happening], run: int = RUN) -> Iterator[Happening]:
    """The events by (time, source, number, part), in the memory of one run."""
    return external_sort.in_order(events, _order, Happening, run)


def _order(event: Happening) -> tuple[int, str, int, int]:
    return event.at, event.source, event.n, event.part


def _lines(path: str, reading: Reading) -> Iterator[tuple[str, int, bytes]]:
    """Lines that are not empty, with their places; a damaged file is read as far as it goes."""
    name, number = path, 0
    try:
        for name, text in texts(path, "file"):
            for number, line in enumerate(text, 1):
                if line.strip():
                    yield name, number, line.removeprefix(_MARK) if number == 1 else line
    except DAMAGED as error:
        reading.complain(name, number + 1, f"damaged from here on: {error}")

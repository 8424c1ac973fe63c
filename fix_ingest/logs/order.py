"""Messages of logs in the order in which they were sent, whatever order the lines and the files stand in.

What a message means may depend on those before it (a fill names the new id of an order that was replaced), so a log
that is not in order, logs given in the wrong order and one log for each direction are sorted before they are decoded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import attrgetter

from msgspec import Struct

from monitor.files import external_sort

RUN = 100_000
"""Messages sorted at once; more are sorted in runs on disk and merged."""

_BY_TIME = attrgetter("at", "n")


class Sent(Struct, frozen=True, array_like=True):
    """One message of a log."""

    at: int
    """When it was first sent, ns UTC; where it does not say, as the message before it."""
    n: int
    """Its place among all messages read."""
    sender: str
    seq: int | None
    """MsgSeqNum(34)."""
    body: str
    path: str
    line: int


def in_order(messages: Iterable[Sent], run: int = RUN) -> Iterator[Sent]:
    """By time; those of the same instant as they stand, but each sender's by sequence number."""
    for _, instant in groupby(external_sort.in_order(messages, _BY_TIME, Sent, run), key=attrgetter("at")):
        yield from _by_number(list(instant))


def _by_number(instant: list[Sent]) -> list[Sent]:
    """The places of each sender's numbered messages are taken by the same messages in the order of their numbers."""
    if len(instant) < 2:
        return instant
    places: dict[str, list[int]] = {}
    for place, message in enumerate(instant):
        if message.seq is not None:
            places.setdefault(message.sender, []).append(place)
    for own in places.values():
        for place, message in zip(own, sorted((instant[p] for p in own), key=_number), strict=True):
            instant[place] = message
    return instant


def _number(message: Sent) -> int:
    return message.seq or 0

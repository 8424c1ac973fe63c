"""Venue codes → market identifier codes (MIC): ISO 10383, and the one-letter participant codes of the US tapes.

A venue on a drop copy is a MIC, a tape letter or nothing. Letters are dated, for they have been handed on; D is no
venue at all but "reported to a FINRA facility", a class of its own.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from functools import lru_cache
from typing import Literal

from msgspec import Struct

from monitor.wire.events import DAY_NS

Kind = Literal["exchange", "ats", "dealer", "trf", "other"]
"""Regulated market; alternative trading system or MTF; dealer trading on own account; FINRA reporting facility."""
MicStatus = Literal["active", "updated", "expired"]
Status = Literal["active", "updated", "expired", "ambiguous", "unknown", "absent"]

_EPOCH = date(1970, 1, 1).toordinal()
_KINDS: dict[str, Kind] = {"RMKT": "exchange", "ATSS": "ats", "MLTF": "ats", "SINT": "dealer", "TRFS": "trf"}
_TRF = frozenset({"FINY", "FINN", "FINC", "FINO", "FINR", "XADF"})
"""FINRA's facilities; ISO 10383 puts some of them under "not specified"."""
_EXCHANGES = frozenset({
    "24EQ", "ARCX", "BATS", "BATY", "CBSX", "EDGA", "EDGX", "EPRL", "IEXG", "LTSE", "MEMX", "XASE", "XBOS", "XCBO",
    "XCHI", "XCIS", "XNAS", "XNCM", "XNGS", "XNMS", "XNYS", "XPHL", "XPSX",
})  # fmt: skip
"""National securities exchanges for equities, several of which ISO 10383 puts under "not specified"."""


class Venue(Struct, frozen=True):
    """One row of ISO 10383."""

    mic: str
    operating: str
    """MIC of the operator; its own for an operating MIC."""
    kind: Kind
    status: MicStatus
    expired: str | None = None
    """Date of expiry, YYYYMMDD."""


class Participant(Struct, frozen=True):
    """What a tape letter meant from one date to another."""

    letter: str
    mics: tuple[str, ...]
    """More than one: the letter does not say which."""
    operating: str | None = None
    """The operator at that time, where it was not today's."""
    since: str | None = None
    """First date, YYYYMMDD."""
    until: str | None = None
    """Last date, YYYYMMDD."""


class Resolution(Struct, frozen=True):
    """What a venue code means, or why that cannot be said."""

    mic: str | None
    operating: str | None
    off_exchange: bool
    """Printed through a trade reporting facility: where it was executed is not known."""
    status: Status
    reason: str
    kind: Kind | None = None


class Venues:
    """The table, asked by code and instant."""

    def __init__(self, venues: Iterable[Venue], participants: Iterable[Participant] = ()) -> None:
        self.by_mic: Mapping[str, Venue] = {venue.mic: venue for venue in venues}
        self._letters: dict[str, list[Participant]] = {}
        for participant in participants:
            self._letters.setdefault(participant.letter, []).append(participant)
        self._resolved = lru_cache(maxsize=4096)(self._resolve)

    @classmethod
    def from_csv(cls, text: str, participants: str = "") -> Venues:
        """Tables in sorwatch's own columns (monitor/venues.csv, monitor/participants.csv)."""
        return cls(map(_venue, _rows(text)), map(_participant, _rows(participants)))

    @classmethod
    def from_iso_csv(cls, text: str, participants: str = "") -> Venues:
        """The official ISO 10383 list as CSV, with the tape letters of ``participants``; raises `KeyError`.

        Both spellings of its headings are read (``OPERATING MIC`` and ``OPERATING_MIC``).
        """
        return cls(map(_iso_venue, _rows(text)), map(_participant, _rows(participants)))

    def resolve(self, sent: str | None, at_ns: int) -> Resolution:
        """What ``sent`` meant at an instant (ns UTC); never raises."""
        return self._resolved(sent, at_ns // DAY_NS)

    def operating(self, mic: str) -> str | None:
        """The MIC of the operator, None for an unknown MIC."""
        venue = self.by_mic.get(mic)
        return None if venue is None else venue.operating

    def covers(self, declared: str, resolution: Resolution) -> bool:
        """Whether a declared MIC covers a venue: it is that venue, or the operator of that segment."""
        return resolution.mic is not None and declared in (resolution.mic, resolution.operating)

    def _resolve(self, sent: str | None, day: int) -> Resolution:
        code = (sent or "").strip().upper()
        if not code:
            return Resolution(None, None, False, "absent", "no venue was sent")
        if (venue := self.by_mic.get(code)) is not None:
            return _of_mic(venue, day)
        if code in self._letters:
            return self._of_letter(code, day)
        return Resolution(None, None, False, "unknown", f"{code} is neither a MIC nor a tape letter known here")

    def _of_letter(self, code: str, day: int) -> Resolution:
        periods = self._letters[code]
        now = next((p for p in periods if _within(p, day)), None)
        period = now or periods[-1]
        if len(period.mics) > 1:
            kind: Kind = "trf"
            reason = f"{code} is a FINRA facility, one of {', '.join(period.mics)}"
            return Resolution(None, period.operating, True, "ambiguous", reason, kind)
        found = _of_mic(self.by_mic[period.mics[0]], day) if period.mics[0] in self.by_mic else None
        operating = period.operating or (found.operating if found is not None else None)
        if now is None:
            reason = f"{code} meant {period.mics[0]} from {period.since or 'the start'} to {period.until or 'now'}"
            return Resolution(period.mics[0], operating, False, "expired", reason)
        if found is None:
            return Resolution(period.mics[0], operating, False, "active", f"tape letter {code}")
        return Resolution(
            found.mic, operating, found.off_exchange, found.status, f"tape letter {code}; {found.reason}", found.kind
        )


def _of_mic(venue: Venue, day: int) -> Resolution:
    status: Status = venue.status
    reason = f"{venue.mic} is a segment of {venue.operating}" if venue.mic != venue.operating else f"{venue.mic}"
    if status == "expired":
        if venue.expired is not None and day < _day(venue.expired):
            status, reason = "active", f"{reason}, expired only later ({venue.expired})"
        else:
            reason = f"{reason}, expired {venue.expired or 'at an unknown date'}"
    return Resolution(venue.mic, venue.operating, venue.kind == "trf", status, reason, venue.kind)


def _within(period: Participant, day: int) -> bool:
    after = period.since is None or day >= _day(period.since)
    return after and (period.until is None or day <= _day(period.until))


def _day(text: str) -> int:
    """Days since 1970 of YYYYMMDD."""
    return date(int(text[:4]), int(text[4:6]), int(text[6:8])).toordinal() - _EPOCH


def _rows(text: str) -> Iterator[dict[str, str]]:
    lines = (line for line in text.lstrip("\ufeff").splitlines() if not line.startswith("#"))
    for row in csv.DictReader(lines):
        yield {(key or "").replace(" ", "_"): (value or "").strip() for key, value in row.items() if key is not None}


def _venue(row: dict[str, str]) -> Venue:
    return _made(row["mic"], row["operating"], row["category"], row["status"], row["expiry"])


def _iso_venue(row: dict[str, str]) -> Venue:
    return _made(
        row["MIC"], row["OPERATING_MIC"], row["MARKET_CATEGORY_CODE"], row["STATUS"], row.get("EXPIRY_DATE", "")
    )


def _made(mic: str, operating: str, category: str, status: str, expiry: str) -> Venue:
    kind = _kind(mic, category)
    states: dict[str, MicStatus] = {"EXPIRED": "expired", "UPDATED": "updated"}
    return Venue(mic, operating, kind, states.get(status.upper(), "active"), _date(expiry))


def _kind(mic: str, category: str) -> Kind:
    if mic in _TRF:
        return "trf"
    return "exchange" if mic in _EXCHANGES else _KINDS.get(category, "other")


def _date(text: str) -> str | None:
    """YYYYMMDD, None when absent or not a date (the list writes both 20210823 and 2021-08-23)."""
    digits = text.replace("-", "")
    try:
        _day(digits)
    except ValueError:
        return None
    return digits


def _participant(row: dict[str, str]) -> Participant:
    return Participant(
        row["letter"], tuple(row["mics"].split()), row["operating"] or None, _date(row["since"]), _date(row["until"])
    )

"""The policy: every threshold, from when, for what, why, and on whose authority.

A policy file is TOML. Each rule has one or more entries, each in force from its ``effective`` date (00:00 UTC, which
falls between two US trading days) until the next one's; an event is judged by the entry in force when it happened.
Events older than the first entry are judged by the first, so that a new policy can be tried on old days; the
finding's authority says so. Within an entry, overrides that match an event's order class, venue, vendor and symbol
are laid over the entry's limits field by field, those that name more of the four over those that name fewer, and
among equals the later in the file over the earlier.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from datetime import date
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field

from monitor.engine.rule import Rule
from monitor.wire.events import DAY_NS

Text = Annotated[str, Meta(min_length=1)]
Milliseconds = Annotated[float, Meta(ge=0)]
OrderClass = Literal["market", "marketable", "resting", "unknown"]

_EPOCH = date(1970, 1, 1).toordinal()


class Authority(Struct, frozen=True, kw_only=True):
    """On whose word a limit rests."""

    policy: str
    """Version of the policy."""
    effective: str
    """Date from which the limit applies."""
    approved_by: str
    reason: str


class Override(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Other limits for some orders; names at least one of the four scopes."""

    order_class: OrderClass | None = None
    venue: Text | None = None
    """MIC, exactly as the event carries it."""
    vendor: Text | None = None
    symbols: tuple[Text, ...] | None = None
    limits: dict[str, Any]
    """Only the fields that differ."""
    reason: Text
    approved_by: Text | None = None
    """The entry's approver when not named."""


class Entry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The limits of one rule from a date on."""

    effective: date
    reason: Text
    approved_by: Text
    limits: dict[str, Any] = {}
    """Fields of the rule's own limits; what is not named has the rule's default."""
    override: tuple[Override, ...] = ()


class QuoteLimits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a quote is too old to judge by."""

    stale_after_s: Annotated[float, Meta(gt=0)] = 300.0


class File(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A policy file as it is written."""

    version: Text
    clocks: dict[str, Milliseconds]
    """Error budget of each clock in milliseconds; ``*`` is that of every other."""
    quotes: QuoteLimits = field(default_factory=QuoteLimits)
    rules: dict[str, tuple[Entry, ...]]


Settled = tuple[Any, Authority]
"""Limits of a rule, as its own Struct, and their authority."""


class Policy:
    """A policy read and checked; answers which limits apply."""

    def __init__(self, file: File, rules: Iterable[Rule]) -> None:
        self.version = file.version
        self.budgets: dict[str, int] = {clock: _ns(ms) for clock, ms in file.clocks.items()}
        self.stale_after_ns = _ns(file.quotes.stale_after_s * 1000)
        self._periods = {rule.name: Periods(file, rule) for rule in rules}

    def limits(
        self, rule: str, order_class: str | None, venue: str | None, vendor: str | None, symbol: str, at: int
    ) -> Settled:
        """Limits of ``rule`` for an event at ``at`` (ns UTC) and who approved them; `KeyError` for an unknown rule."""
        return self._periods[rule].limits(order_class, venue, vendor, symbol, at)

    def periods(self, rule: str) -> Periods:
        """The limits of ``rule`` by themselves, for who asks again and again; `KeyError` for an unknown rule."""
        return self._periods[rule]


class Periods:
    """The entries of one rule, in order of their dates."""

    def __init__(self, file: File, rule: Rule) -> None:
        entries = sorted(file.rules[rule.name], key=lambda e: e.effective)
        self._starts = [_start(entry) for entry in entries]
        self._newest = self._starts[-1]
        self._scopes = [_Scope(file.version, entry, rule.limits, "") for entry in entries]
        self._before = _Scope(file.version, entries[0], rule.limits, ", applied to what happened before it")
        self._everywhere = self._scopes[-1].everywhere

    def everywhere(self, at: int) -> Settled | None:
        """The limits of the newest entry where it has no overrides and is in force: nearly always."""
        return self._everywhere if at >= self._newest else None

    def limits(self, order_class: str | None, venue: str | None, vendor: str | None, symbol: str, at: int) -> Settled:
        """As `Policy.limits`."""
        scope = self._at(at)
        return scope.everywhere or scope.of(order_class, venue, vendor, symbol)

    def _at(self, at: int) -> _Scope:
        if at >= self._newest:
            return self._scopes[-1]
        i = bisect_right(self._starts, at)
        return self._scopes[i - 1] if i else self._before


class _Scope:
    """One entry: its limits for each combination of what its overrides name, worked out once."""

    def __init__(self, version: str, entry: Entry, kind: type[Struct], note: str) -> None:
        self._version, self._entry, self._kind, self._note = version, entry, kind, note
        self._classes = {o.order_class for o in entry.override}
        self._venues = {o.venue for o in entry.override}
        self._vendors = {o.vendor for o in entry.override}
        self._symbols = {s for o in entry.override for s in o.symbols or ()}
        self._settled: dict[tuple[str | None, ...], Settled] = {}
        self.everywhere = None if entry.override else self._settle(None, None, None, None)

    def of(self, order_class: str | None, venue: str | None, vendor: str | None, symbol: str) -> Settled:
        key = (
            order_class if order_class in self._classes else None,
            venue if venue in self._venues else None,
            vendor if vendor in self._vendors else None,
            symbol if symbol in self._symbols else None,
        )
        settled = self._settled.get(key)
        if settled is None:
            settled = self._settled[key] = self._settle(*key)
        return settled

    def _settle(self, order_class: str | None, venue: str | None, vendor: str | None, symbol: str | None) -> Settled:
        entry = self._entry
        chosen = [o for o in entry.override if _matches(o, order_class, venue, vendor, symbol)]
        chosen.sort(key=_specificity)
        table = dict(entry.limits)
        for override in chosen:
            table.update(override.limits)
        last = chosen[-1] if chosen else None
        authority = Authority(
            policy=self._version,
            effective=entry.effective.isoformat() + self._note,
            approved_by=entry.approved_by if last is None or last.approved_by is None else last.approved_by,
            reason=entry.reason if last is None else last.reason,
        )
        return msgspec.convert(table, self._kind), authority


def _matches(o: Override, order_class: str | None, venue: str | None, vendor: str | None, symbol: str | None) -> bool:
    return (
        o.order_class in (None, order_class)
        and o.venue in (None, venue)
        and o.vendor in (None, vendor)
        and (o.symbols is None or symbol in o.symbols)
    )


def _specificity(override: Override) -> int:
    return sum(scope is not None for scope in (override.order_class, override.venue, override.vendor, override.symbols))


def _ns(milliseconds: float) -> int:
    return round(milliseconds * 1_000_000)


def _start(entry: Entry) -> int:
    return (entry.effective.toordinal() - _EPOCH) * DAY_NS

"""What goes into the orders and what comes out: events with the NBBO of their instants, and what judging led to."""

from __future__ import annotations

from msgspec import Struct, field

from monitor.engine.orders import Window
from monitor.wire.events import Execution, Finding, OrderKind, Quote


class Joined(Struct, frozen=True, gc=False):
    """An event and the NBBO of its instant."""

    event: OrderKind
    quote: Quote
    window: Window | None
    late: bool = False


class Note(Struct, frozen=True, kw_only=True):
    """Something about an event that a person should be able to look up: where it stands and what is odd about it."""

    source: str
    n: int
    part: int
    what: str


class Output(Struct, kw_only=True):
    """What judging has led to, in order."""

    executions: list[Execution] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

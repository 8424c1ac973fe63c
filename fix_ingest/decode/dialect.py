"""One counterparty's habits as data: which tag means what, whose clock, and how a route names its parent.

A dialect file says only where a counterparty departs from the standard; everything else keeps the default given here.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from monitor.config.toml import Located, Mistake, Mistaken

Tag = Annotated[str, Meta(pattern=r"^[1-9][0-9]{0,8}$")]
Ladder = tuple[Tag, ...]
"""Tags to try in turn; the first that is present and not empty counts."""

Meaning = Literal[
    "ack", "fill", "cancel", "reject", "replace", "expire", "done_for_day", "restate", "bust", "correct", "status"
]
"""What an ExecType, ExecTransType or OrdStatus says has happened."""

MessageMeaning = Literal[
    "execution", "order", "replace_request", "cancel_request", "cancel_reject", "business_reject", "session_reject",
    "logon", "logout", "sequence_reset", "bust", "correct", "ignore",
]  # fmt: skip
"""What a MsgType is about."""


class Rung(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One way in which a route may name its parent."""

    name: str
    """Printed as ``link`` in every event it matched."""
    tag: Tag
    pattern: str | None = None
    """Regular expression with one group, the parent; the whole value when none."""

    def __post_init__(self) -> None:
        if self.pattern is None:
            return
        try:
            groups = re.compile(self.pattern).groups
        except re.error as error:
            raise ValueError(f"pattern is not a regular expression: {error}") from None
        if groups != 1:
            raise ValueError(f"pattern must have exactly one group, the parent; it has {groups}")


class Tags(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which tags carry what."""

    time: Ladder = ("60", "52")
    """When it happened."""
    order_time: Ladder = ("60", "52")
    """When an order was received or sent, in copies of NewOrderSingle."""
    order: Ladder = ("11",)
    """The client's own order id."""
    original: Ladder = ("41",)
    """The id this one replaces or cancels."""
    broker: Ladder = ("37",)
    execution: Ladder = ("17",)
    execution_ref: Ladder = ("19",)
    """The execution that is busted or corrected."""
    fill_quantity: Ladder = ("32",)
    fill_price: Ladder = ("31",)
    fill_venue: Ladder = ("30",)
    """Where it was executed."""
    venue: Ladder = ("100", "30")
    """Where an order was sent; for every report that is not a fill."""
    liquidity: Ladder = ("851", "9730")
    capacity: Ladder = ("528", "47")


class Symbols(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How symbols are written, so that they match those of the quotes."""

    suffix: Tag = "65"
    """Tag of the suffix, such as the B of BRK.B."""
    join: str = "."
    """Stands between symbol and suffix in sorwatch."""
    separators: str = ""
    """Characters that stand there in this counterparty's symbols, such as `` /``."""


class Dialect(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One counterparty's habits."""

    clock: str | None = None
    """Name of the clock that stamps the time tags; the session's own name when none."""
    vendor: str | None = None
    """Who runs the router; the session's setting goes before it."""
    counterparty: str | None = None
    """Whose ids these are; the session's own name when none. The session's setting goes before it."""
    future_seconds: Annotated[float, Meta(gt=0)] = 60.0
    """A time further ahead of arrival than this is not believed: its order would wait so long to be judged."""
    tags: Tags = field(default_factory=Tags)
    parent: tuple[Rung, ...] = ()
    """How a route names its parent: rungs tried in turn."""
    parents_session: str | None = None
    """Whose orders this session routes, when they are not its own: another session, or its counterparty."""
    without_parent: Literal["received", "routed"] = "received"
    """What a NewOrderSingle is that names no parent: the customer's order, or a route whose parent is not told."""
    exec_types: dict[str, Meaning] = {}
    """ExecType(150) → meaning, where it differs from the standard."""
    trans_types: dict[str, Meaning] = {}
    """ExecTransType(20) → meaning, where it differs from the standard."""
    statuses: dict[str, Meaning] = {}
    """OrdStatus(39) → meaning when there is no ExecType, where it differs from the standard."""
    messages: dict[str, MessageMeaning] = {}
    """MsgType(35) → meaning, for messages the standard does not have."""
    venues: dict[str, str] = {}
    """Venue as it is sent → MIC."""
    auction: tuple[Annotated[str, Meta(pattern=r"^[1-9][0-9]*=.+$")], ...] = ("851=4",)
    """Fields that mark a fill in an opening, reopening or closing cross."""
    symbols: Symbols = field(default_factory=Symbols)


def parse(text: str, name: str) -> Dialect:
    """Dialect from TOML text; raises `Mistaken` with every mistake and its line."""
    located = Located(text, name)
    mistakes: list[Mistake] = []
    dialect = located.read((), Dialect, mistakes)
    if mistakes or dialect is None:
        raise Mistaken(name, mistakes)
    return dialect

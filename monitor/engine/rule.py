"""What a rule is: a value with its limits, pure functions and its own examples.

The engine shows a rule each step of an order's story together with the NBBO of that instant; the rule answers with
verdicts (about a subject, such as one execution or one hop) and with deadlines (moments at which silence itself would
be a finding). The engine, not the rule, stamps id, revision, policy and steps, keeps what was told, and withdraws.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal

from msgspec import Struct

from monitor.engine.orders import Fill, Order
from monitor.engine.orders import Window as Window
from monitor.wire.events import Certainty, Execution, OrderKind, Quote, Report, Severity


class Observation(Struct, frozen=True, kw_only=True, gc=False):
    """One step of an order's story, joined."""

    event: OrderKind
    order: Order
    """The order the event is about, as it is after the event."""
    root: Order
    """The customer's order; the same object as ``order`` when no parent is known."""
    quote: Quote
    """The NBBO at the event's time under the tie rule."""
    window: Window | None
    """For fills: the NBBO's extremes within the clock budget; ``None`` when there was no quote."""
    fill: Fill | None
    """For fills and corrections: the execution as it is now."""
    execution: Execution | None
    """For fills and corrections: the same as it is published, with its scores."""
    budgets: dict[str, int]
    """Error budget of each clock, ns; a clock that is not named has the budget of ``*``."""


class Verdict(Struct, frozen=True, kw_only=True, gc=False):
    """What a rule says of one subject; ``fires`` false takes back what was said of that subject before."""

    subject: str
    """What of the order is meant, stable across revisions: ``fill:<exec_id>``, ``ack->fill``."""
    fires: bool
    about: Literal["order", "root"] = "order"
    """Whose finding it is: of the order the event is about, or of the customer's order above it."""
    certainty: Certainty = "confirmed"
    title: str = ""
    evidence: dict[str, int | float | str | bool | None] = {}
    limit_name: str = ""
    limit_value: str = ""
    at: int | None = None
    """When the thing complained of happened; the event's time when ``None``."""
    cost: int | None = None
    reason: str
    """Why this verdict and this certainty."""


class Deadline(Struct, frozen=True, kw_only=True, gc=False):
    """Ask me again at ``at``, for silence about ``subject`` would then be a finding; a verdict about it breaks it."""

    subject: str
    at: int


class Example(Struct, frozen=True, kw_only=True):
    """A tape and the findings it must lead to, as ``subject certainty`` lines; none means it must stay silent."""

    name: str
    tape: str
    limits: str = ""
    """Policy TOML of this rule's limits for the example; the defaults when empty."""
    fires: tuple[str, ...] = ()


Answers = Iterable[Verdict | Deadline]


class Rule(Struct, frozen=True, kw_only=True):
    """Metadata, limits and pure functions of one rule."""

    name: str
    version: int
    title: str
    severity: Severity
    """Of what is confirmed or possible; what cannot be told is ``info``."""
    factor: str
    """FINRA 5310.09 review factor it evidences."""
    describe: str
    """What it looks for and why, a paragraph for the docs."""
    runbook: str
    """What to do when it fires, a few lines for somebody woken at night."""
    blind_to: str
    """What it cannot see."""
    limits: type[Struct]
    """Struct of its thresholds, every field with a default and a docstring."""
    observe: Callable[[Observation, Any], Answers]
    """Judge one step under these limits."""
    silence: Callable[[Deadline, Order, Order, Any], Verdict | None] | None = None
    """Judge (alarm, order, root, limits) when an alarm's time has passed."""
    heeds: tuple[type[Report], ...] = ()
    """Kinds of events it is shown; every kind when empty."""
    examples: tuple[Example, ...] = ()

"""The pure engine: told everything, asks nothing.

Events of reports and blocks of quotes go in as they come. When every source has vouched for a time and *patience*
has passed beyond it, the events up to it are judged in the order in which they happened, each with the NBBO of its
instant; silences are judged between them, at their own times. It reads no clock: the time of day is told (`wall`),
and only decides when a source that says nothing is waited for no longer.

One engine per partition, used by the worker and by replay alike: live equals replay.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct, structs

from monitor.engine.certainty import budget
from monitor.engine.families import Families
from monitor.engine.fix_sessions import Sessions
from monitor.engine.joined import Joined
from monitor.engine.joined import Output as Output
from monitor.engine.order_state import OrderStates
from monitor.engine.orders import Order
from monitor.engine.policy import Policy
from monitor.engine.quote_book import NO_QUOTE, Book, quote_of
from monitor.engine.rule import Rule
from monitor.engine.sequencer import Held, Sequencer
from monitor.engine.snapshot import State, UnreadableSnapshot, decode, encode, promised
from monitor.wire.blocks import Block
from monitor.wire.events import Ended, Filled, OrderKind, Received, ReportLine, SessionEvent, Tick, Tie

QUOTE_CLOCK = "quotes"
"""Names the quotes' clock among the policy's budgets."""


_WORDS = (Tick, Ended)
_WINDOWED = (Filled, Received)
"""Kinds of events that are compared with all quotes within the clocks' errors."""


class EngineConfig(Struct, frozen=True, kw_only=True):
    """How one engine judges and what it remembers."""

    tie: Tie = "before"
    patience_ns: int = 250_000_000
    """How long after its time an event is judged, so that a late quote still counts."""
    silence_ns: int = 30_000_000_000
    """A source that says nothing for so long is set aside."""
    closed_kept: int = 2000
    """Finished orders remembered for busts and corrections."""
    open_most: int = 200_000
    """Open orders beyond which the one heard of longest ago is forgotten, and counted."""
    future_ns: int | None = 60_000_000_000
    """An event whose time is so far after it was seen is judged at once, without a quote; ``None``: it is believed."""
    held_most: int = 100_000
    """Events beyond which the oldest are judged without a quote: they cannot tell."""


class Spans(dict[str, int]):
    """By clock: how much one of its times and one of the quotes' may differ in truth, either way; worked out once."""

    def __init__(self, budgets: Mapping[str, int]) -> None:
        super().__init__()
        self._budgets = budgets

    def __missing__(self, clock: str) -> int:
        self[clock] = span = budget(self._budgets, clock) + budget(self._budgets, QUOTE_CLOCK)
        return span


class Engine:
    """Sequence → join → rules → findings."""

    def __init__(self, policy: Policy, rules: Sequence[Rule], config: EngineConfig) -> None:
        self.policy = policy
        self.config = config
        self.reach_ns = max(policy.budgets.values(), default=0) + budget(policy.budgets, QUOTE_CLOCK)
        self.hold_ns = max(config.patience_ns, self.reach_ns)
        self.settled: int | None = None
        """Everything up to here has been judged."""
        self.book = Book(self.reach_ns)
        self.sequencer = Sequencer(config.silence_ns, config.future_ns)
        self.ledger = Families(config.closed_kept, config.open_most)
        self.order_states = OrderStates(policy, rules, config.tie, self.ledger)
        self.known = Sessions()
        self.verdicts = self.order_states.verdicts
        self._span = Spans(policy.budgets)
        self.counted = dict.fromkeys(
            ("reports", "quotes", "duplicates", "overflowed", "future_reports", "late_quotes"), 0
        )
        self._read_again_until: dict[str, int] = {}

    @property
    def watermark(self) -> int | None:
        """Everything up to here has been heard from every source that is waited for."""
        return self.sequencer.watermark()

    @property
    def held(self) -> int:
        """Events waiting to be judged."""
        return self.sequencer.held

    @property
    def open_orders(self) -> int:
        """Customers' orders that are not over."""
        return self.ledger.open_orders

    @property
    def sources(self) -> dict[str, int]:
        """Last tick of each source."""
        return self.sequencer.ticks()

    @property
    def silent(self) -> tuple[str, ...]:
        """Sources set aside."""
        return self.sequencer.silent()

    @property
    def sessions(self) -> dict[str, Literal["up", "down"]]:
        """FIX sessions as of the time judged."""
        return self.known.states

    @property
    def counts(self) -> dict[str, int]:
        """What has been counted since the first start."""
        counts = self.counted | self.order_states.counts | self.known.counts
        repeats = self.counted["duplicates"] + self.sequencer.duplicates
        counts["duplicates"] = self.order_states.counts["duplicates"] + repeats
        counts["late_quotes"] += self.book.late
        counts["silent_sources"] = self.sequencer.set_aside
        counts["forgotten"] = self.ledger.forgotten
        return counts

    def report(self, event: ReportLine) -> None:
        """Hold one event of reports; a tick or an end is heeded at once."""
        if isinstance(event, _WORDS):
            self._promised(event)
        else:
            self.counted["reports"] += 1
            self.sequencer.hold(event)

    def _promised(self, event: Tick | Ended) -> None:
        if isinstance(event, Tick):
            self.sequencer.tick(event.source, "reports", event.at)
        else:
            self.sequencer.end(event.source, "reports", event.at)

    def block(self, block: Block, token: int) -> None:
        """Hold one block of quotes; ``token`` is where it can be read again."""
        known = self.sequencer.sources["nbbo"].get(block.source)
        if known is not None and block.n <= known.last_n:
            self.counted["duplicates"] += 1
            return
        source = self.sequencer.spoke(block.source, "nbbo")
        source.last_n = block.n
        again = block.n <= self.read_until(block.source)
        self.book.add(block, token, repeat=again)
        self.counted["quotes"] += 0 if again else len(block)
        if block.ended:
            self.sequencer.end(block.source, "nbbo", block.through)
        elif block.through is not None:
            self.sequencer.tick(block.source, "nbbo", block.through)

    def wall(self, now_ns: int) -> None:
        """The time of day: sources silent for too long are set aside."""
        self.sequencer.wall(now_ns)

    def advance(self) -> Output:
        """Judge all that the watermark allows."""
        if self.sequencer.all_ended():
            return self.drain()
        overdue = self.sequencer.overflow(self.config.held_most)
        if overdue is not None:
            self._judge_blindly(overdue)
        watermark = self.sequencer.watermark()
        if watermark is not None:
            self._judge(watermark - self.hold_ns)
        self.ledger.write_ahead()
        return self.order_states.take_output()

    def drain(self) -> Output:
        """No more input will come: judge everything; silences that were not heard out are at most possible."""
        newest = self.sequencer.newest()
        if newest is not None:
            self._judge(newest, all_of_it=True)
        self.verdicts.expire(None, self._heard)
        return self.order_states.take_output()

    def first_unsettled(self) -> int | None:
        """Token of the first block that is not wholly in the book."""
        self.settle()
        return self.book.first_waiting()

    def settle(self) -> None:
        """Write into the book all that will not be asked for any more."""
        if self.settled is not None:
            self.book.settle(self.settled, eager=True)

    def snapshot(self) -> bytes:
        """All that another engine needs to go on, the blocks from `first_unsettled` on excepted."""
        self.settle()
        symbols, columns = self.book.columns()
        quotes, waiting = self.sequencer.sources["nbbo"], self.book.first_waiting_n()
        state = State(
            settled=self.settled,
            base=self.book.base,
            symbols=symbols,
            columns=columns,
            reports={name: structs.replace(s, heard=None) for name, s in self.sequencer.sources["reports"].items()},
            quotes={name: promised(s, waiting.get(name), self.settled) for name, s in quotes.items()},
            read_until={name: max(s.last_n, self.read_until(name)) for name, s in quotes.items()},
            held=self.sequencer.waiting(),
            families=self.ledger.snapshot(),
            parked=list(self.order_states.parked),
            sessions=self.known,
            counts=self._counts(),
            told=self.order_states.counts,
        )
        return encode(state)

    @classmethod
    def restore(cls, data: bytes, policy: Policy, rules: Sequence[Rule], config: EngineConfig) -> Engine:
        """An engine that goes on where `snapshot` left off; raises `monitor.engine.snapshot.UnreadableSnapshot`."""
        engine, state = cls(policy, rules, config), decode(data)
        try:
            engine._go_on_from(state)
        except Exception as error:  # whatever is wrong inside, an older checkpoint is used
            raise UnreadableSnapshot(f"the snapshot cannot be restored: {error!r}") from error
        return engine

    def _counts(self) -> dict[str, int]:
        counts = dict(self.counted)
        counts["late_quotes"] += self.book.late
        counts["duplicates"] += self.sequencer.duplicates
        counts["silent_sources"] = self.sequencer.set_aside
        counts["forgotten"] = self.ledger.forgotten
        return counts

    def _go_on_from(self, state: State) -> None:
        self.settled = state.settled
        self.book.restore(state.symbols, state.columns, state.base)
        self.sequencer.sources = {"reports": dict(state.reports), "nbbo": dict(state.quotes)}
        self.read_again(dict(state.read_until))
        for event in state.held:
            self.sequencer.hold(event, heard=False)
        self.ledger.restore(state.families)
        self.verdicts.restore(state.settled)
        self.order_states.parked.restore(state.parked)
        self.order_states.counts.update(state.told)
        self.known = state.sessions
        counts = dict(state.counts)
        self.sequencer.set_aside = counts.pop("silent_sources", 0)
        self.ledger.forgotten = counts.pop("forgotten", 0)
        self.counted.update(counts)

    def read_again(self, until: dict[str, int]) -> None:
        """After a restart: blocks up to these numbers were read before; what of them is settled is passed over."""
        self._read_again_until = until

    def read_until(self, source: str) -> int:
        """Newest block of a source that had been read before the restart."""
        return self._read_again_until.get(source, -1)

    def _judge(self, until: int, *, all_of_it: bool = False) -> None:
        """Judge every event up to ``until`` (or every one there is), and every silence before it."""
        settled = self.settled
        until = until if settled is None else max(until, settled)
        events = self.sequencer.release(None if all_of_it else until)
        if events:
            self._tell(events, self._joined([e for e in events if not isinstance(e, SessionEvent)], settled))
        self.settled = until
        self.verdicts.expire(until, self._heard)
        self.book.settle(until)

    def _judge_blindly(self, until: int) -> None:
        """Too many events wait: the oldest are judged as if there were no quotes."""
        events = self.sequencer.release(until)
        self.counted["overflowed"] += len(events)
        self._tell(events, [Joined(e, NO_QUOTE, None) for e in events if not isinstance(e, SessionEvent)])
        self.settled = until if self.settled is None else max(until, self.settled)

    def _tell(self, events: list[Held], joined: list[Joined]) -> None:
        """Events and silences in the order of their times; a silence broken at its very deadline was none."""
        tell, deadlines, each = self.order_states.tell, self.verdicts.deadlines, iter(joined)
        for event in events:
            if deadlines.first < event.at:
                self.verdicts.expire(self.sequencer.turn(event), self._heard)
            if isinstance(event, SessionEvent):
                self.known.tell(event)
            else:
                tell(next(each))

    def _joined(self, events: list[OrderKind], settled: int | None) -> list[Joined]:
        """Each event with the NBBO of its instant, all looked up together; late and impossible times have none."""
        earliest, furthest = -math.inf if settled is None else settled, self.sequencer.future_ns
        for event in events:
            if event.at < earliest or event.at - event.seen > furthest:
                return self._partly_joined(events, settled)
        return self._looked_up(events) if events else []

    def _partly_joined(self, events: list[OrderKind], settled: int | None) -> list[Joined]:
        unknown = [self._is_unknown(event, settled) for event in events]
        asking = [event for event, is_unknown in zip(events, unknown, strict=True) if not is_unknown]
        found = iter(self._looked_up(asking) if asking else ())
        return [
            Joined(event, NO_QUOTE, None, True) if is_unknown else next(found)
            for event, is_unknown in zip(events, unknown, strict=True)
        ]

    def _is_unknown(self, event: OrderKind, settled: int | None) -> bool:
        """Whether the quote of its instant is not known any more, or never will be."""
        if self.sequencer.is_future(event):
            self.counted["future_reports"] += 1
            return True
        return settled is not None and event.at < settled

    def _looked_up(self, events: list[OrderKind]) -> list[Joined]:
        span = self._span
        rows, windows = self.book.look(
            [e.symbol for e in events],
            [e.at for e in events],
            [span[e.clock] if isinstance(e, _WINDOWED) else -1 for e in events],
            inclusive=self.config.tie == "at-or-before",
        )
        stale, silent = self.policy.stale_after_ns, self.sequencer.quotes_silent_since()
        return [
            Joined(event, quote_of(row, event.at, stale, silent), window)
            for event, row, window in zip(events, rows, windows, strict=True)
        ]

    def _heard(self, order: Order, at: int) -> str | None:
        """Why silence about an order up to ``at`` proves nothing."""
        until = self.sequencer.heard_until(order.source)
        if until is None or until < at:
            return "the drop copy had not been heard up to the deadline"
        return self.known.doubt(order.session)

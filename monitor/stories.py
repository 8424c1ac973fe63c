"""One joined event at a time: added to its order's story, scored, shown to every rule; verdicts become findings.

Busts and corrections come here too: a busted execution takes back every finding about it, a corrected one is judged
again by the quote of its own instant, and either waits when it comes before its execution.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, get_args

from msgspec import Struct, field, structs

from monitor.alarms import Alarms
from monitor.events import Busted, Corrected, Execution, Filled, Finding, FindingState, OrderKind, Quote, Received, Tie
from monitor.findings import execution_of, finding_of, limit_of
from monitor.ledger import Family, Ledger, Told, credit
from monitor.orders import Fill, Moment, Order, Window, complete, executed, names_another, reopen, same_fill, tell
from monitor.policy import Policy
from rules.rule import Alarm, Answers, Observation, Rule, Verdict

PARKED_MOST = 10_000
"""Busts and corrections kept for executions that have not come yet."""


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


Heard = Callable[[Order, int], str | None]
"""Why silence about an order up to a time proves nothing; ``None`` when it does."""


class Stories:
    """The orders' stories, and the rules that read them."""

    def __init__(self, policy: Policy, rules: Sequence[Rule], tie: Tie, ledger: Ledger) -> None:
        self.policy = policy
        self.rules = {rule.name: rule for rule in rules}
        self._heeding = {kind: [r for r in rules if not r.heeds or kind in r.heeds] for kind in get_args(OrderKind)}
        self.tie = tie
        self.ledger = ledger
        self.counts = dict.fromkeys(
            ("executions", "findings", "late_reports", "duplicates", "conflicts", "unlinked", "unknown_busts"), 0
        )
        self.out = Output()
        self.parked: OrderedDict[tuple[str, str], list[Joined]] = OrderedDict()
        self.alarms = Alarms(self._stands)
        """Silences to be asked about."""

    def tell(self, joined: Joined) -> None:
        """Take in the next event."""
        if joined.late:
            self.counts["late_reports"] += 1
        event = joined.event
        if type(event) is Filled:
            self._filled(joined, event)
        elif isinstance(event, (Busted, Corrected)):
            self._amended(joined, event)
        else:
            self._told(joined)

    def ring(self, before: int | None, heard: Heard) -> None:
        """Ask about every silence whose time lies before ``before`` (every one when ``None``)."""
        for at, symbol, order_id, key in self.alarms.ringing(math.inf if before is None else before):
            family = self.ledger.find(symbol, order_id)
            if family is not None:
                _, rule, subject = _parts(key)
                self._silent(family, family.orders[order_id], self.rules[rule], Alarm(subject=subject, at=at), heard)

    def restore_alarms(self, settled: int | None) -> None:
        """Set the alarms of every family the ledger holds; those before the time settled have rung."""
        for family, key, at in self.ledger.alarms():
            order_id, rule, _ = _parts(key)
            if rule in self.rules and (settled is None or at >= settled):
                self.alarms.set((at, family.symbol, order_id, key))

    def restore_parked(self, parked: list[Joined]) -> None:
        """Put back busts and corrections that wait for their execution."""
        for joined in parked:
            event = joined.event
            if isinstance(event, Busted | Corrected):
                self.parked.setdefault((event.symbol, event.ref_exec_id), []).append(joined)

    def take_output(self) -> Output:
        """What has come of it since the last time."""
        out, self.out = self.out, Output()
        self.counts["executions"] += len(out.executions)
        self.counts["findings"] += len(out.findings)
        return out

    def _known(self, event: OrderKind) -> Family | None:
        """The family of the order that an event is about, if there is one; one of another day is given up."""
        known = self.ledger.find(event.symbol, event.order_id)
        if known is not None and names_another(known.orders[event.order_id], event):
            self.ledger.give_up(known)
            return None
        return known

    def _told(self, joined: Joined) -> None:
        event = joined.event
        known = self._known(event)
        family, order = self.ledger.take(event, known)
        tell(order, event, _moment(joined))
        known_later = known is not None and (isinstance(event, Received) or family is not known)
        if known_later:
            _complete_late(family, order)
        self._observe(joined, family, order, family.order())
        if known_later:
            self._show_again(family, order)
        self.ledger.touch(family, order)

    def _filled(self, joined: Joined, event: Filled) -> None:
        known = self._known(event)
        family, order = self.ledger.take(event, known)
        exec_id = event.exec_id if event.exec_id is not None else f"{event.source}/{event.n}/{event.part}"
        earlier = order.fills.get(exec_id)
        if earlier is not None:
            self._repeated(event, exec_id, same_fill(earlier, event))
            if family is not known:
                _complete_late(family, order)
                self._show_again(family, order)
                self.ledger.touch(family, order)
            return
        self.counts["unlinked"] += known is None
        fill = _fill(joined, event, exec_id)
        tell(order, event, fill.moment)
        before = executed(order)
        order.fills[exec_id] = fill
        order.filled += event.qty
        self._count(family, order, before, fill.moment, event)
        self.ledger.learn_execution(event.symbol, exec_id, order.order_id)
        if (event.symbol, exec_id) in self.parked:
            self._filled_after_bust(joined, family, order, fill)
        else:
            self._publish(joined, family, order, fill)
        if known is not None and family is not known:
            self._show_again(family, order, but=exec_id)
        self.ledger.touch(family, order)

    def _filled_after_bust(self, joined: Joined, family: Family, order: Order, fill: Fill) -> None:
        """The bust or correction of this execution came before it: both count now."""
        waiting = self.parked.pop((order.symbol, fill.exec_id))
        for amendment in waiting:
            if isinstance(amendment.event, Busted):
                self._bust(family, order, fill)
            elif isinstance(amendment.event, Corrected):
                self._correct(amendment.event, family, order, fill)
        self._publish(joined, family, order, fill, shown=fill.state != "busted")

    def _amended(self, joined: Joined, event: Busted | Corrected) -> None:
        found = self._execution(event)
        if found is None:
            self._park(joined, event)
            return
        family, order, fill = found
        if fill.state == "busted" or (event.exec_id is not None and event.exec_id in order.new_ids):
            self.counts["duplicates"] += 1
            return
        if isinstance(event, Busted):
            self._bust(family, order, fill)
            self.out.executions.append(execution_of(fill, order, family.order(), self.tie))
            self._take_back(family, order, fill)
            self._observe(joined, family, order, family.order())
        else:
            self._correct(event, family, order, fill)
            self._publish(Joined(event, fill.moment.quote, fill.window, joined.late), family, order, fill)
        self.ledger.touch(family, order)

    def _execution(self, event: Busted | Corrected) -> tuple[Family, Order, Fill] | None:
        """The execution a bust or correction names: of the order it names, or of any when it names none we know."""
        family = self.ledger.find(event.symbol, event.order_id)
        order_id: str | None = event.order_id
        if family is None:
            order_id = self.ledger.executed_at(event.symbol, event.ref_exec_id)
            family = None if order_id is None else self.ledger.find(event.symbol, order_id)
        if family is None or order_id is None:
            return None
        order = family.orders[order_id]
        fill = order.fills.get(order.new_ids.get(event.ref_exec_id, event.ref_exec_id))
        return None if fill is None else (family, order, fill)

    def _park(self, joined: Joined, event: Busted | Corrected) -> None:
        self.counts["unknown_busts"] += 1
        waiting = self.parked.setdefault((event.symbol, event.ref_exec_id), [])
        if any(_identity(other.event) == _identity(event) for other in waiting):
            self.counts["duplicates"] += 1
            return
        waiting.append(joined)
        if len(self.parked) > PARKED_MOST:
            self.parked.popitem(last=False)

    def _bust(self, family: Family, order: Order, fill: Fill) -> None:
        before = executed(order)
        fill.state = "busted"
        fill.revision += 1
        order.filled -= fill.qty
        credit(family, order, before)
        for each in _upwards(family, order):
            reopen(each)

    def _correct(self, event: Corrected, family: Family, order: Order, fill: Fill) -> None:
        before = executed(order)
        fill.first_qty = fill.qty if fill.first_qty is None else fill.first_qty
        fill.first_price = fill.price if fill.first_price is None else fill.first_price
        if event.qty is not None:
            order.filled += event.qty - fill.qty
            fill.qty = event.qty
        fill.price = event.price if event.price is not None else fill.price
        fill.state = "corrected"
        fill.revision += 1
        if event.exec_id is not None and event.exec_id != fill.exec_id:
            order.new_ids[event.exec_id] = fill.exec_id
            self.ledger.learn_execution(order.symbol, event.exec_id, order.order_id)
        credit(family, order, before)
        for each in _upwards(family, order):
            reopen(each)
            complete(each, fill.moment, None)

    def _count(self, family: Family, order: Order, before: Any, moment: Moment, event: Filled) -> None:
        """Carry new shares up, and end what they complete."""
        credit(family, order, before)
        complete(order, moment, event.leaves)
        for each in _upwards(family, order)[1:]:
            complete(each, moment, None)

    def _repeated(self, event: Filled, exec_id: str, same: bool) -> None:
        if same:
            self.counts["duplicates"] += 1
            return
        self.counts["conflicts"] += 1
        what = f"order {event.order_id}: execution {exec_id} again with another quantity or price; the first one counts"
        self.out.notes.append(Note(source=event.source, n=event.n, part=event.part, what=what))

    def _show_again(self, family: Family, order: Order, but: str | None = None) -> None:
        """Lineage or receipt became known after fills: they are scored and judged anew."""
        for each in _downwards(family, order):
            for fill in each.fills.values():
                if fill.state != "busted" and fill.exec_id != but:
                    fill.revision += 1
                    again = Joined(_event_of(fill, each), fill.moment.quote, fill.window, fill.late)
                    self._publish(again, family, each, fill)

    def _publish(self, joined: Joined, family: Family, order: Order, fill: Fill, *, shown: bool = True) -> None:
        root = family.order()
        execution = execution_of(fill, order, root, self.tie)
        self.out.executions.append(execution)
        if shown:
            self._observe(joined, family, order, root, fill, execution)

    def _observe(
        self,
        joined: Joined,
        family: Family,
        order: Order,
        root: Order,
        fill: Fill | None = None,
        execution: Execution | None = None,
    ) -> None:
        """Show the step to every rule that heeds its kind."""
        event = joined.event
        heeding = self._heeding[type(event)]
        if not heeding:
            return
        seen = Observation(
            event=event,
            order=order,
            root=root,
            quote=joined.quote,
            window=joined.window,
            fill=fill,
            execution=execution,
            budgets=self.policy.budgets,
        )
        venue = event.venue if fill is None else fill.venue
        if venue is None and fill is None and order.routed is not None:
            venue = order.routed.venue
        order_class = root.order_class or order.order_class
        vendor = event.vendor or order.vendor
        for rule in heeding:
            limits, authority = self.policy.limits(rule.name, order_class, venue, vendor, event.symbol, event.at)
            answers: Answers = rule.observe(seen, limits)
            for answer in answers:
                if isinstance(answer, Alarm):
                    self._set(family, order, rule, answer)
                    continue
                about = root if answer.about == "root" else order
                key = _key(about.order_id, rule.name, answer.subject)
                family.alarms.pop(key, None)
                if answer.fires:
                    told = Told(
                        order_id=about.order_id,
                        rule=rule.name,
                        verdict=answer,
                        limit=limit_of(answer, authority),
                        exec_id=None if fill is None else fill.exec_id,
                        venue=venue if answer.about == "order" else None,
                        at=event.at if answer.at is None else answer.at,
                        seen=event.seen,
                    )
                    self._judge(family, rule, told)
                elif family.told:
                    self._unsay(family, key, answer.reason)

    def _silent(self, family: Family, order: Order, rule: Rule, alarm: Alarm, heard: Heard) -> None:
        """An alarm's time has passed."""
        del family.alarms[_key(order.order_id, rule.name, alarm.subject)]
        root = family.order()
        venue = None if order.routed is None else order.routed.venue
        order_class = root.order_class or order.order_class
        limits, authority = self.policy.limits(rule.name, order_class, venue, order.vendor, order.symbol, alarm.at)
        verdict = None if rule.silence is None else rule.silence(alarm, order, root, limits)
        if verdict is not None:
            verdict = _doubted(verdict, heard(order, alarm.at))
            told = Told(
                order_id=order.order_id,
                rule=rule.name,
                verdict=verdict,
                limit=limit_of(verdict, authority),
                exec_id=None,
                venue=venue,
                at=alarm.at if verdict.at is None else verdict.at,
                seen=None,
            )
            self._judge(family, rule, told)
            self.ledger.touch(family, order)

    def _set(self, family: Family, order: Order, rule: Rule, alarm: Alarm) -> None:
        key = _key(order.order_id, rule.name, alarm.subject)
        if family.alarms.get(key) != alarm.at:
            family.alarms[key] = alarm.at
            self.alarms.set((alarm.at, order.symbol, order.order_id, key))

    def _stands(self, alarm: tuple[int, str, str, str]) -> bool:
        """Whether an alarm has neither been answered nor set to another time."""
        at, symbol, order_id, key = alarm
        family = self.ledger.find(symbol, order_id)
        return family is not None and family.alarms.get(key) == at

    def _judge(self, family: Family, rule: Rule, told: Told) -> None:
        """Tell a verdict where it differs from what was told before."""
        key = _key(told.order_id, rule.name, told.verdict.subject)
        if not told.verdict.fires:
            self._unsay(family, key, told.verdict.reason)
            return
        before = family.told.get(key)
        if before is not None:
            if before.live and before.verdict == told.verdict and before.limit == told.limit:
                return
            told.revision = before.revision + 1
        family.told[key] = told
        state: FindingState = "amended" if before is not None and before.live else "raised"
        self.out.findings.append(finding_of(told, family, rule, self.tie, state, told.verdict.reason))

    def _unsay(self, family: Family, key: str, reason: str) -> None:
        """Withdraw what was told of a subject, if anything stands."""
        before = family.told.get(key)
        if before is not None and before.live:
            self._withdraw(family, before, reason)

    def _take_back(self, family: Family, order: Order, fill: Fill) -> None:
        """Withdraw every finding that rests on a busted execution."""
        for told in family.told.values():
            about = (order.order_id, family.order().order_id)
            if told.live and told.order_id in about and told.exec_id == fill.exec_id:
                self._withdraw(family, told, f"execution {fill.exec_id} was busted")

    def _withdraw(self, family: Family, told: Told, reason: str) -> None:
        told.live = False
        told.revision += 1
        rule = self.rules.get(told.rule)
        if rule is not None:
            self.out.findings.append(finding_of(told, family, rule, self.tie, "withdrawn", reason))


def _key(order_id: str, rule: str, subject: str) -> str:
    return f"{order_id}\x1f{rule}\x1f{subject}"


def _parts(key: str) -> list[str]:
    """Order, rule and subject: an order may have any name, the other two hold no separator."""
    return key.rsplit("\x1f", 2)


def _identity(event: OrderKind) -> tuple[str, int, int]:
    return event.source, event.n, event.part


def _doubted(verdict: Verdict, doubt: str | None) -> Verdict:
    """Silence that proves nothing leaves a finding at most possible."""
    if doubt is None or verdict.certainty != "confirmed":
        return verdict
    return structs.replace(verdict, certainty="possible", reason=f"{verdict.reason}; {doubt}")


def _moment(joined: Joined) -> Moment:
    event = joined.event
    window = joined.window if isinstance(event, Received) else None
    return Moment(at=event.at, clock=event.clock, quote=joined.quote, venue=event.venue, window=window)


def _fill(joined: Joined, event: Filled, exec_id: str) -> Fill:
    return Fill(
        exec_id=exec_id,
        moment=_moment(joined),
        seen=event.seen,
        qty=event.qty,
        price=event.price,
        venue=event.venue,
        venue_sent=event.venue_sent,
        auction=event.auction,
        late=joined.late,
        window=joined.window,
        session=event.session,
        source=event.source,
        n=event.n,
        part=event.part,
        vendor=event.vendor,
        side=event.side,
    )


def _event_of(fill: Fill, order: Order) -> Filled:
    """The event that reported a fill, as the fill stands now."""
    return Filled(
        source=fill.source,
        n=fill.n,
        part=fill.part,
        at=fill.moment.at,
        clock=fill.moment.clock,
        seen=fill.seen,
        session=fill.session,
        symbol=order.symbol,
        order_id=order.order_id,
        parent_id=order.parent_id,
        exec_id=fill.exec_id,
        side=fill.side,
        venue=fill.venue,
        venue_sent=fill.venue_sent,
        vendor=fill.vendor,
        qty=fill.qty,
        price=fill.price,
        auction=fill.auction,
    )


def _complete_late(family: Family, order: Order) -> None:
    """Terms or lineage became known after fills: the last of them may have ended the orders above."""
    moments = [f.moment for each in _downwards(family, order) for f in each.fills.values() if f.state != "busted"]
    if moments:
        last = max(moments, key=lambda moment: moment.at)
        for each in _upwards(family, order):
            complete(each, last, None)


def _upwards(family: Family, order: Order) -> list[Order]:
    """The order, its parent, and so on."""
    line = [order]
    while line[-1].parent_id is not None and line[-1].parent_id in family.orders:
        line.append(family.orders[line[-1].parent_id])
    return line


def _downwards(family: Family, order: Order) -> list[Order]:
    """The order, its routes, theirs, and so on."""
    line = [order]
    for each in line:
        line.extend(family.orders[child] for child in each.children if child in family.orders)
    return line

"""One joined event at a time: added to its order's story, scored where it is an execution, shown to the rules.

Busts and corrections come here too: a busted execution takes back every finding about it, a corrected one is judged
again by the quote of its own instant, and either waits when it comes before its execution.
"""

from __future__ import annotations

from collections.abc import Sequence

from monitor.engine import amendments, fills
from monitor.engine.amendments import Parked
from monitor.engine.families import Families, Family
from monitor.engine.findings import execution_of
from monitor.engine.joined import Joined, Note, Output
from monitor.engine.orders import Fill, Moment, Order, names_another, same_fill, tell
from monitor.engine.policy import Policy
from monitor.engine.rule import Rule
from monitor.engine.verdicts import Verdicts
from monitor.wire.events import Busted, Corrected, Filled, OrderKind, Received, Tie, sender_of


class OrderStates:
    """The state of every order, and the rules that read them."""

    def __init__(self, policy: Policy, rules: Sequence[Rule], tie: Tie, ledger: Families) -> None:
        self.tie = tie
        self.ledger = ledger
        self.verdicts = Verdicts(policy, rules, tie, ledger)
        self.parked = Parked()
        self.counts = dict.fromkeys(
            ("executions", "findings", "late_reports", "duplicates", "conflicts", "unlinked", "unknown_busts"), 0
        )

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
            self._told(joined, event)

    def take_output(self) -> Output:
        """What has come of it since the last time."""
        out, self.verdicts.out = self.verdicts.out, Output()
        self.counts["executions"] += len(out.executions)
        self.counts["findings"] += len(out.findings)
        return out

    def _known(self, event: OrderKind) -> Family | None:
        """The family of the order that an event is about, if there is one; one of another day is given up."""
        known = self.ledger.find(sender_of(event), event.symbol, event.order_id)
        if known is not None and names_another(known.orders[event.order_id], event):
            self.ledger.give_up(known)
            return None
        return known

    def _told(self, joined: Joined, event: OrderKind) -> None:
        known = self._known(event)
        family, order = self.ledger.take(event, known)
        received = type(event) is Received
        window = joined.window if received else None
        tell(order, event, Moment(at=event.at, clock=event.clock, quote=joined.quote, venue=event.venue, window=window))
        if known is None or not (received or family is not known):
            self.verdicts.show(joined, family, order)
        else:
            fills.complete_late(family, order)
            self.verdicts.follow(family)
            self.verdicts.show(joined, family, order)
            self._show_again(family, order)
        self.ledger.touch(family, order)

    def _filled(self, joined: Joined, event: Filled) -> None:
        known = self._known(event)
        family, order = self.ledger.take(event, known)
        joins = known is not None and family is not known
        if joins:
            self.verdicts.follow(family)
        exec_id = fills.exec_id_of(event)
        earlier = order.fills.get(exec_id)
        if earlier is None:
            if known is None:
                self.counts["unlinked"] += 1
            self._executed(joined, event, family, order, exec_id)
        else:
            self._repeated(event, exec_id, same_fill(earlier, event))
            if not joins:
                return
            fills.complete_late(family, order)
        if joins:
            self._show_again(family, order, but=exec_id if earlier is None else None)
        self.ledger.touch(family, order)

    def _executed(self, joined: Joined, event: Filled, family: Family, order: Order, exec_id: str) -> None:
        """A new execution: counted, scored and judged, unless its bust came before it."""
        fill = fills.fill_of(joined, event, exec_id)
        tell(order, event, fill.moment)
        fills.add(family, order, fill, event.leaves)
        self.ledger.learn_execution(order, exec_id)
        for amendment in self.parked.take(order.sender, event.symbol, exec_id):
            self._amend(amendment.event, family, order, fill)
        self._publish(joined, family, order, fill, shown=fill.state != "busted")

    def _amended(self, joined: Joined, event: Busted | Corrected) -> None:
        found = self._execution(event)
        if found is None:
            self.counts["unknown_busts"] += 1
            self.counts["duplicates"] += not self.parked.put(joined, event)
            return
        family, order, fill = found
        if fill.state == "busted" or (event.exec_id is not None and event.exec_id in order.new_ids):
            self.counts["duplicates"] += 1
            return
        self._amend(event, family, order, fill)
        if isinstance(event, Busted):
            self._publish(joined, family, order, fill, shown=False)
            self.verdicts.withdraw_busted(family, order, fill)
            self.verdicts.show(joined, family, order)
        else:
            self._publish(Joined(event, fill.moment.quote, fill.window, joined.late), family, order, fill)
        self.ledger.touch(family, order)

    def _amend(self, event: OrderKind, family: Family, order: Order, fill: Fill) -> None:
        if isinstance(event, Busted):
            amendments.bust(family, order, fill)
        elif isinstance(event, Corrected):
            amendments.correct(event, family, order, fill)
            if event.exec_id is not None and event.exec_id != fill.exec_id:
                self.ledger.learn_execution(order, event.exec_id)

    def _execution(self, event: Busted | Corrected) -> tuple[Family, Order, Fill] | None:
        """The execution a bust or correction names: of the order it names, or of any when it names none we know."""
        sender = sender_of(event)
        family = self.ledger.find(sender, event.symbol, event.order_id)
        order_id: str | None = event.order_id
        if family is None:
            order_id = self.ledger.executed_at(sender, event.symbol, event.ref_exec_id)
            family = None if order_id is None else self.ledger.find(sender, event.symbol, order_id)
        if family is None or order_id is None:
            return None
        order = family.orders[order_id]
        fill = order.fills.get(order.new_ids.get(event.ref_exec_id, event.ref_exec_id))
        return None if fill is None else (family, order, fill)

    def _repeated(self, event: Filled, exec_id: str, same: bool) -> None:
        if same:
            self.counts["duplicates"] += 1
            return
        self.counts["conflicts"] += 1
        what = f"order {event.order_id}: execution {exec_id} again with another quantity or price; the first one counts"
        self.verdicts.out.notes.append(Note(source=event.source, n=event.n, part=event.part, what=what))

    def _show_again(self, family: Family, order: Order, but: str | None = None) -> None:
        """Lineage or receipt became known after fills: they are scored and judged anew."""
        for each in family.downwards(order):
            for fill in each.fills.values():
                if fill.state != "busted" and fill.exec_id != but:
                    fill.revision += 1
                    again = Joined(fills.event_of(fill, each), fill.moment.quote, fill.window, fill.late)
                    self._publish(again, family, each, fill)

    def _publish(self, joined: Joined, family: Family, order: Order, fill: Fill, *, shown: bool = True) -> None:
        """Score an execution as it is now and, where it counts, show it to the rules."""
        execution = execution_of(fill, order, family.order(), self.tie)
        self.verdicts.out.executions.append(execution)
        if shown:
            self.verdicts.show(joined, family, order, fill, execution)

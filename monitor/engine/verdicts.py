"""What rules say: each step is shown to those that heed it, and where an answer changes what stands, it is told.

Answers are verdicts and deadlines. A verdict that fires becomes a finding, raised or amended; one that does not takes
back what stood of its subject; either answers the alarm of that subject. What rests on a busted execution is taken
back whatever the rules say.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import get_args

from msgspec import structs

from monitor.engine.deadlines import Deadlines
from monitor.engine.families import Families, Family, Published
from monitor.engine.findings import content_of, finding_of, limit_of
from monitor.engine.joined import Joined, Output
from monitor.engine.orders import Fill, Order
from monitor.engine.policy import Authority, Periods, Policy
from monitor.engine.rule import Deadline, Observation, Rule, Verdict
from monitor.wire.events import Execution, FindingState, OrderKind, Tie

Heard = Callable[[Order, int], str | None]
"""Why silence about an order up to a time proves nothing; ``None`` when it does."""


class Verdicts:
    """The rules, what they have said of each family, and the silences they want to be asked about."""

    def __init__(self, policy: Policy, rules: Sequence[Rule], tie: Tie, ledger: Families) -> None:
        self.policy = policy
        self.tie = tie
        self.ledger = ledger
        self.rules = {rule.name: rule for rule in rules}
        self.deadlines: Deadlines[Family] = Deadlines()
        self.out = Output()
        self._heeding: dict[type, list[tuple[Rule, Periods]]] = {
            kind: [(rule, policy.periods(rule.name)) for rule in rules if not rule.heeds or kind in rule.heeds]
            for kind in get_args(OrderKind)
        }

    def show(
        self, joined: Joined, family: Family, order: Order, fill: Fill | None = None, execution: Execution | None = None
    ) -> None:
        """Show a step of an order to every rule that heeds its kind."""
        heeding = self._heeding[type(joined.event)]
        if heeding:
            seen = Observation(
                event=joined.event,
                order=order,
                root=family.orders[family.root],
                quote=joined.quote,
                window=joined.window,
                fill=fill,
                execution=execution,
                budgets=self.policy.budgets,
            )
            self._ask(heeding, seen, family)

    def _ask(self, heeding: list[tuple[Rule, Periods]], seen: Observation, family: Family) -> None:
        """Ask each rule under its limits; "does not fire" on a subject without finding or deadline is skipped."""
        order, at = seen.order, seen.event.at
        for rule, periods in heeding:
            limits, authority = periods.everywhere(at) or periods.limits(*_scope(seen), at)
            for answer in rule.observe(seen, limits):
                if isinstance(answer, Deadline):
                    self._set(family, order, rule, answer)
                elif answer.fires or family.deadlines or family.told:
                    self._answer(family, rule, answer, seen, authority)

    def expire(self, before: int | None, heard: Heard) -> None:
        """Ask about every silence whose time lies before ``before`` (every one when ``None``)."""
        for at, key, family in self.deadlines.expired(math.inf if before is None else before):
            del family.deadlines[key]
            order_id, rule, subject = _parts(key)
            self._silent(family, family.orders[order_id], self.rules[rule], Deadline(subject=subject, at=at), heard)

    def follow(self, family: Family) -> None:
        """Other orders have joined the family, and their deadlines with them."""
        for at in family.deadlines.values():
            self.deadlines.set(at, family)

    def restore(self, settled: int | None) -> None:
        """Set the deadlines of every family the ledger holds; those before the time settled have rung."""
        for family in self.ledger.families():
            family.deadlines = {
                key: at
                for key, at in family.deadlines.items()
                if _parts(key)[1] in self.rules and (settled is None or at >= settled)
            }
            self.follow(family)

    def withdraw_busted(self, family: Family, order: Order, fill: Fill) -> None:
        """Withdraw every finding that rests on a busted execution."""
        about = (order.order_id, family.root)
        for told in family.told.values():
            if told.live and told.order_id in about and told.exec_id == fill.exec_id:
                self._withdraw(family, told, f"execution {fill.exec_id} was busted")

    def _set(self, family: Family, order: Order, rule: Rule, alarm: Deadline) -> None:
        key = _key(order.order_id, rule.name, alarm.subject)
        if family.deadlines.get(key) != alarm.at:
            family.deadlines[key] = alarm.at
            self.deadlines.set(alarm.at, family)

    def _answer(self, family: Family, rule: Rule, answer: Verdict, seen: Observation, authority: Authority) -> None:
        """A verdict about a step answers the alarm of its subject, and is told where it says something new."""
        about = seen.root if answer.about == "root" else seen.order
        key = _key(about.order_id, rule.name, answer.subject)
        family.deadlines.pop(key, None)
        if not answer.fires:
            self._withdraw_live(family, key, answer.reason)
            return
        told = Published(
            order_id=about.order_id,
            rule=rule.name,
            verdict=answer,
            limit=limit_of(answer, authority),
            exec_id=None if seen.fill is None else seen.fill.exec_id,
            venue=_venue(seen) if answer.about == "order" else None,
            at=seen.event.at if answer.at is None else answer.at,
            seen=seen.event.seen,
        )
        self._tell(family, rule, key, told)

    def _silent(self, family: Family, order: Order, rule: Rule, alarm: Deadline, heard: Heard) -> None:
        """An alarm's time has passed."""
        venue = None if order.routed is None else order.routed.venue
        root = family.order()
        order_class = root.order_class or order.order_class
        limits, authority = self.policy.limits(rule.name, order_class, venue, order.vendor, order.symbol, alarm.at)
        verdict = None if rule.silence is None else rule.silence(alarm, order, root, limits)
        if verdict is not None and verdict.fires:
            verdict = _doubted(verdict, heard(order, alarm.at))
            told = Published(
                order_id=order.order_id,
                rule=rule.name,
                verdict=verdict,
                limit=limit_of(verdict, authority),
                exec_id=None,
                venue=venue,
                at=alarm.at if verdict.at is None else verdict.at,
                seen=None,
            )
            self._tell(family, rule, _key(order.order_id, rule.name, verdict.subject), told)
        elif verdict is not None:
            self._withdraw_live(family, _key(order.order_id, rule.name, verdict.subject), verdict.reason)
        self.ledger.touch(family, order)

    def _tell(self, family: Family, rule: Rule, key: str, told: Published) -> None:
        """Publish a verdict where the finding says anything else than the one published before."""
        before = family.told.get(key)
        if before is not None:
            told.id, told.revision = before.id, before.revision + 1
        state: FindingState = "amended" if before is not None and before.live else "raised"
        finding = finding_of(told, family, rule, self.tie, state, told.verdict.reason)
        told.id, told.content = finding.id, content_of(finding)
        if before is not None and before.live and before.content == told.content:
            return
        family.told[key] = told
        self.out.findings.append(finding)

    def _withdraw_live(self, family: Family, key: str, reason: str) -> None:
        """Withdraw the live finding on this subject, if there is one."""
        before = family.told.get(key)
        if before is not None and before.live:
            self._withdraw(family, before, reason)

    def _withdraw(self, family: Family, told: Published, reason: str) -> None:
        told.live = False
        told.revision += 1
        rule = self.rules.get(told.rule)
        if rule is not None:
            self.out.findings.append(finding_of(told, family, rule, self.tie, "withdrawn", reason))


def _scope(seen: Observation) -> tuple[str | None, str | None, str | None, str]:
    """By what limits may differ: order class, venue, vendor and symbol."""
    event, order = seen.event, seen.order
    return seen.root.order_class or order.order_class, _venue(seen), event.vendor or order.vendor, event.symbol


def _venue(seen: Observation) -> str | None:
    """Where the step took place: the execution's venue, the event's, or that of the route."""
    if seen.fill is not None:
        return seen.fill.venue
    venue, routed = seen.event.venue, seen.order.routed
    return routed.venue if venue is None and routed is not None else venue


def _key(order_id: str, rule: str, subject: str) -> str:
    return f"{order_id}\x1f{rule}\x1f{subject}"


def _parts(key: str) -> list[str]:
    """Order, rule and subject: an order may have any name, the other two hold no separator."""
    return key.rsplit("\x1f", 2)


def _doubted(verdict: Verdict, doubt: str | None) -> Verdict:
    """Silence that proves nothing leaves a finding at most possible."""
    if doubt is None or verdict.certainty != "confirmed":
        return verdict
    return structs.replace(verdict, certainty="possible", reason=f"{verdict.reason}; {doubt}")

"""The same questions to every rule: does it do what its examples say, in whatever way the events come in?"""

from __future__ import annotations

import inspect
import random
from collections.abc import Iterator
from itertools import count

import pytest
from msgspec import Struct

from docs.generate.docstrings import field_docstrings
from monitor.engine import tape
from monitor.engine.engine import Engine, EngineConfig
from monitor.engine.rule import Example, Rule
from monitor.policy.examples import findings_of, policy_of, shown
from monitor.wire.blocks import Block
from monitor.wire.events import Busted, Filled, Finding, ReportLine, Tick
from rules import RULES

EXAMPLES = [(rule, example) for rule in RULES for example in rule.examples]
EXAMPLE_IDS = [f"{rule.name}: {example.name}" for rule, example in EXAMPLES]
CONFIG = EngineConfig()

each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
each_example = pytest.mark.parametrize(("rule", "example"), EXAMPLES, ids=EXAMPLE_IDS)


class Arrival(Struct, frozen=True, kw_only=True):
    """A report or a quote, and the time at which it reaches the engine."""

    at: int
    what: ReportLine | tape.QuoteLine


class Line:
    """Feeds an engine as the worker does: piece by piece, ticks between, judged after each; crashes when told to."""

    def __init__(self, rule: Rule, example: Example) -> None:
        self.rules, self.policy = [rule], policy_of(rule, example.limits)
        self.engine = Engine(self.policy, self.rules, CONFIG)
        self.blocks: list[Block] = []
        self.findings: list[Finding] = []

    def take(self, what: ReportLine | tape.QuoteLine) -> None:
        if isinstance(what, tape.QuoteLine):
            self.block(what.block(len(self.blocks)))
        else:
            self.engine.report(what)

    def block(self, block: Block) -> None:
        self.blocks.append(block)
        self.engine.block(block, len(self.blocks) - 1)

    def tick(self, at: int) -> None:
        self.block(Block(source=tape.QUOTES, n=len(self.blocks), through=at))
        self.engine.report(Tick(source=tape.SOURCE, n=0, at=at, seen=at))
        self.findings.extend(self.engine.advance().findings)

    def repeat_blocks(self) -> None:
        for token, block in enumerate(self.blocks):
            self.engine.block(block, token)

    def crash(self) -> None:
        token, state = self.engine.first_unsettled(), self.engine.snapshot()
        self.engine = Engine.restore(state, self.policy, self.rules, CONFIG)
        for i in range(len(self.blocks) if token is None else token, len(self.blocks)):
            self.engine.block(self.blocks[i], i)


def arrivals(example: Example) -> list[Arrival]:
    read = tape.read(example.tape)
    both: list[ReportLine | tape.QuoteLine] = [*read.quotes, *read.reports]
    return sorted((Arrival(at=w.at, what=w) for w in both), key=lambda a: a.at)


def run(rule: Rule, example: Example, coming: list[Arrival]) -> Line:
    line = Line(rule, example)
    for arrival in coming:
        line.take(arrival.what)
        line.tick(arrival.at)
    finish(line, example)
    return line


def finish(line: Line, example: Example) -> None:
    line.tick(tape.read(example.tape).until + line.engine.hold_ns)


@each_rule
def test_a_rule_says_all_that_a_person_must_know(rule: Rule) -> None:
    assert inspect.getmodule(rule.observe).__name__ == f"rules.{rule.name}"  # type: ignore[union-attr]  # it has one
    assert "5310.09" in rule.factor
    assert len(rule.runbook.splitlines()) >= 3
    assert len(rule.describe) > 100
    assert len(rule.blind_to) > 30
    assert rule.version >= 1


@each_rule
def test_every_limit_has_a_default_and_says_what_it_is(rule: Rule) -> None:
    rule.limits()
    module = inspect.getmodule(rule.limits)
    assert module is not None
    assert set(field_docstrings(module)[rule.limits.__name__]) == set(rule.limits.__struct_fields__)


@each_rule
def test_a_rule_has_examples_that_fire_and_that_stay_silent(rule: Rule) -> None:
    firing = [example for example in rule.examples if example.fires]
    assert len(firing) >= 2
    assert len(rule.examples) - len(firing) >= 2
    assert len({example.name for example in rule.examples}) == len(rule.examples)


@each_example
def test_examples_do_what_they_say(rule: Rule, example: Example) -> None:
    assert shown(findings_of(rule, example)) == tuple(sorted(example.fires))


@each_example
def test_rules_do_not_disturb_each_other(rule: Rule, example: Example) -> None:
    together = tape.run_tape(example.tape, RULES, policy_of(rule, example.limits, others=RULES)).findings
    assert [finding for finding in together if finding.rule == rule.name] == list(findings_of(rule, example))


@each_example
def test_findings_carry_evidence_with_units_a_limit_and_a_reason(rule: Rule, example: Example) -> None:
    for finding in findings_of(rule, example):
        assert finding.title
        assert finding.reason
        assert finding.limit.name
        assert finding.limit.value
        assert finding.severity == ("info" if finding.certainty == "cannot_tell" else rule.severity)
        for name, value in finding.evidence.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                assert name.endswith(("_ns", "_nano", "_shares", "_ratio")), name


@each_example
def test_piece_by_piece_is_the_same_as_all_at_once(rule: Rule, example: Example) -> None:
    assert run(rule, example, arrivals(example)).findings == list(findings_of(rule, example))


@each_example
@pytest.mark.parametrize("seed", range(4))
def test_any_order_of_arrival_within_patience_is_the_same(rule: Rule, example: Example, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - seeded so that a failure can be repeated
    late = [Arrival(at=a.at + chance.randrange(CONFIG.patience_ns), what=a.what) for a in arrivals(example)]
    line = run(rule, example, sorted(late, key=lambda a: a.at))
    assert line.findings == run(rule, example, arrivals(example)).findings


@each_example
def test_what_comes_twice_counts_once(rule: Rule, example: Example) -> None:
    coming = arrivals(example)
    twice = sorted([*coming, *(a for a in coming if not isinstance(a.what, tape.QuoteLine))], key=lambda a: a.at)
    line = Line(rule, example)
    for arrival in twice:
        line.take(arrival.what)
        line.repeat_blocks()
        line.tick(arrival.at)
    finish(line, example)
    assert line.findings == run(rule, example, coming).findings


@each_example
def test_a_crash_between_any_two_events_changes_nothing(rule: Rule, example: Example) -> None:
    coming = arrivals(example)
    undisturbed = run(rule, example, coming).findings
    for crashed_after in range(len(coming)):
        line = Line(rule, example)
        for i, arrival in enumerate(coming):
            line.take(arrival.what)
            line.tick(arrival.at)
            if i == crashed_after:
                line.crash()
        finish(line, example)
        assert line.findings == undisturbed, f"crashed after event {crashed_after}"


@each_example
def test_a_crash_after_every_event_changes_nothing(rule: Rule, example: Example) -> None:
    coming = arrivals(example)
    line = Line(rule, example)
    for arrival in coming:
        line.take(arrival.what)
        line.crash()
        line.tick(arrival.at)
        line.crash()
    finish(line, example)
    assert line.findings == run(rule, example, coming).findings


@each_example
def test_a_bust_takes_back_all_that_rests_on_the_execution(rule: Rule, example: Example) -> None:
    coming = arrivals(example)
    until = tape.read(example.tape).until
    fills = [a.what for a in coming if isinstance(a.what, Filled)]
    busts = [Arrival(at=until, what=bust) for bust in busts_of(fills, until)]
    line = run(rule, example, [*coming, *busts])
    standing = tape.standing(line.findings)
    assert not [finding for finding in standing if finding.exec_id is not None]
    if fills and rule.name == "poor_fill":
        assert not standing


@each_example
def test_every_finding_says_in_its_revisions_what_became_of_it(rule: Rule, example: Example) -> None:
    """Revisions rise by one from 0; the first is raised, and nothing is amended or taken back that does not stand."""
    histories: dict[str, list[Finding]] = {}
    for finding in run(rule, example, arrivals(example)).findings:
        histories.setdefault(finding.id, []).append(finding)
    for history in histories.values():
        assert [finding.revision for finding in history] == list(range(len(history)))
        stands = False
        for finding in history:
            assert stands == (finding.state != "raised")
            stands = finding.state != "withdrawn"


def busts_of(fills: list[Filled], at: int) -> Iterator[ReportLine]:
    numbers = count(10_000)
    for fill in fills:
        yield Busted(
            source=fill.source,
            n=next(numbers),
            at=at,
            seen=at,
            session=fill.session,
            symbol=fill.symbol,
            order_id=fill.order_id,
            ref_exec_id=fill.exec_id or "",
        )

"""Unexpected venue, case by case: what a code is to the policy, and what is told of route and execution."""

from __future__ import annotations

import pytest

from monitor.engine import tape
from monitor.policy.examples import CLOCKS, policy_of, shown
from monitor.policy.parse import parse
from monitor.wire.events import Finding
from rules import unexpected_venue
from rules.unexpected_venue import Limits, place

OPEN = "09:30:00 quote IBM 100.00x100.02\n"
TWO = 'declared = ["XNYS", "XNAS"]'
JUNE_2026 = tape.DAY
OCTOBER_2013 = 1_381_104_000 * 10**9


def judge(text: str, limits: str = TWO) -> list[Finding]:
    rule = unexpected_venue.RULE
    return tape.run_tape(OPEN + text, [rule], policy_of(rule, limits)).findings


@pytest.mark.parametrize(
    ("sent", "at", "declared", "where", "certainty"),
    [
        ("XNYS", JUNE_2026, ("XNYS",), "declared", "confirmed"),
        ("ARCX", JUNE_2026, ("XNYS",), "declared", "confirmed"),  # a segment of it
        ("XNYS", JUNE_2026, ("ARCX",), "undeclared", "confirmed"),  # the operator is not its segment
        ("P", JUNE_2026, ("ARCX",), "declared", "confirmed"),  # tape letters
        ("Q", JUNE_2026, ("XNAS",), "declared", "confirmed"),
        ("T", JUNE_2026, ("XNAS",), "declared", "confirmed"),
        ("Z", JUNE_2026, ("XNAS",), "undeclared", "confirmed"),
        ("arcx", JUNE_2026, ("ARCX",), "declared", "confirmed"),
        ("D", JUNE_2026, ("TRF",), "declared", "confirmed"),
        ("FINY", JUNE_2026, ("TRF",), "declared", "confirmed"),
        ("FINN", JUNE_2026, ("FINN",), "declared", "confirmed"),
        ("FINY", JUNE_2026, ("FINN",), "off_exchange", "confirmed"),
        ("D", JUNE_2026, ("XNYS",), "off_exchange", "confirmed"),
        ("W", OCTOBER_2013, ("CBSX",), "declared", "confirmed"),  # CBOE Stock Exchange, closed in April 2014
        ("W", JUNE_2026, ("CBSX",), "expired", "possible"),
        ("W", JUNE_2026, ("XNYS",), "expired", "possible"),
        ("DARK7", JUNE_2026, ("XNYS",), "unknown", "possible"),
        (None, JUNE_2026, ("XNYS",), "missing", "cannot_tell"),
        ("  ", JUNE_2026, ("XNYS",), "missing", "cannot_tell"),
    ],
)
def test_what_a_code_is_to_the_policy(
    sent: str | None, at: int, declared: tuple[str, ...], where: str, certainty: str
) -> None:
    judged = place(sent, None, at, Limits(declared=declared))
    assert (judged.place, judged.certainty) == (where, certainty)
    assert judged.reason


def test_the_dialects_own_reading_of_a_code_counts() -> None:
    assert place("NYSE-1", "XNYS", JUNE_2026, Limits(declared=("XNYS",))).place == "declared"
    assert place("NYSE-1", "EDGX", JUNE_2026, Limits(declared=("XNYS",))).place == "undeclared"


def test_a_declared_code_that_the_list_does_not_have() -> None:
    assert place("DARK7", None, JUNE_2026, Limits(declared=(), unlisted=("DARK7",))).place == "declared"


def test_a_typing_mistake_among_the_declared_is_told() -> None:
    with pytest.raises(ValueError, match=r"declared: XNYX, DARK7: not a MIC known here"):
        Limits(declared=("XNYS", "XNYX", "TRF", "DARK7"))


def test_every_exchange_of_the_defaults_is_known_and_in_use() -> None:
    for code in unexpected_venue.US_EQUITIES:
        if code != unexpected_venue.OFF_EXCHANGE:
            assert place(code, None, JUNE_2026, Limits()).place == "declared", code


def test_a_route_is_told_at_once_and_yields_to_its_execution() -> None:
    findings = judge("""
        09:31:00  received id=A side=buy qty=200 type=market
        +1ms      routed id=A1 parent=A venue=EDGX
        +1ms      filled id=A1 exec=E1 qty=100 price=100.02 venue=EDGX
        +1ms      filled id=A1 exec=E2 qty=100 price=100.02 venue=EDGX
        09:32:00  tick
    """)
    assert [(f.subject, f.state) for f in findings] == [
        ("route:A1", "raised"),
        ("venue:E1", "raised"),
        ("route:A1", "withdrawn"),
        ("venue:E2", "raised"),
    ]
    assert shown(findings) == ("venue:E1 confirmed", "venue:E2 confirmed")


def test_a_route_speaks_again_when_its_only_execution_is_busted() -> None:
    findings = judge("""
        09:31:00  received id=A side=buy qty=100 type=market
        +1ms      routed id=A1 parent=A venue=EDGX
        +1ms      filled id=A1 exec=E1 qty=100 price=100.02 venue=EDGX
        +1s       busted id=A1 ref=E1
        09:32:00  tick
    """)
    assert shown(findings) == ("route:A1 confirmed",)


def test_an_execution_elsewhere_than_routed_is_judged_by_where_it_was() -> None:
    findings = judge("""
        09:31:00  received id=A side=buy qty=100 type=market
        +1ms      routed id=A1 parent=A venue=XNYS
        +1ms      filled id=A1 exec=E1 qty=100 price=100.02 venue=BATS
        09:32:00  tick
    """)
    assert shown(findings) == ("venue:E1 confirmed",)
    assert findings[0].venue == "BATS"


def test_destinations_are_left_alone_when_the_policy_says_so() -> None:
    text = "09:31:00 routed id=A1 venue=EDGX side=buy qty=1\n+1ms cancelled id=A1\n09:32:00 tick"
    assert shown(judge(text)) == ("route:A1 confirmed",)
    assert shown(judge(text, TWO + "\nroutes = false")) == ()


@pytest.mark.parametrize("destination", ["sent=SMART", ""])
def test_a_destination_that_is_no_venue_is_not_judged(destination: str) -> None:
    assert shown(judge(f"09:31:00 routed id=A1 {destination} side=buy qty=1\n09:32:00 tick")) == ()


def test_venues_are_declared_by_order_class() -> None:
    policy = parse(
        CLOCKS
        + """
[[rules.unexpected_venue]]
effective = 2026-01-01
reason = "r"
approved_by = "a"
limits.declared = ["XNYS"]
[[rules.unexpected_venue.override]]
order_class = "resting"
limits.declared = ["IEXG"]
reason = "queues there are short"
""",
        "t",
        [unexpected_venue.RULE],
    )
    text = """
        09:31:00  received id=A side=buy qty=100 {}
        +1ms      filled id=A exec=E1 qty=100 price=99 venue=IEXG
        09:32:00  tick
    """
    for terms, fires in (("type=market", ("venue:E1 confirmed",)), ("type=limit limit=99", ())):
        findings = tape.run_tape(OPEN + text.format(terms), [unexpected_venue.RULE], policy).findings
        assert shown(findings) == fires


def test_the_finding_says_what_was_sent_and_what_was_declared() -> None:
    (finding,) = judge("09:31:00 filled id=A exec=E1 qty=100 price=100 side=buy sent=K\n09:32:00 tick")
    assert finding.evidence["venue_sent"] == "K"
    assert finding.evidence["venue"] == "EDGX"
    assert finding.evidence["operator"] == "XCBO"
    assert finding.limit.value == "XNYS, XNAS"
    assert finding.title == "Executed at EDGX, which is not declared"

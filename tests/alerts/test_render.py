from __future__ import annotations

import json
import re
from decimal import Decimal

import pytest

from alerts import formats
from alerts.notify import Reason
from alerts.render import RuleNote, message
from tests.alerts.alert_samples import MS, T0, S, finding, gathered_one

NOTE = RuleNote(title="Slow order", runbook="1. Which hop?\n2. One venue or all?", blind_to="halts")
HOSTILE = "<!channel> <http://evil|click> & *bold*\r\nBcc: everybody@evil"


def test_it_says_what_how_sure_how_much_where_whose_limit_and_what_to_do() -> None:
    f = finding(cost=4_500_000_000)
    made = message(gathered_one([f]), f, NOTE, Reason.FIRST, "https://desk.example/")
    for part in (
        "Slow acknowledgement: 312 ms",
        "1 finding confirmed",
        "1 order, 1 symbol, 300 shares, cost $4.50",
        "venue ARCX, vendor ACME, session DROP1",
        "C1, buy 300 IBM",
        "312 ms",
        "ack = 250 ms, in force since 2026-01-02 (policy 2026-11)",
        "best execution committee: the vendor's service level",
        "1. Which hop?",
    ):
        assert part in made.body
        assert part.replace("->", "-&gt;") in json.dumps(made.blocks, ensure_ascii=False)
    assert "https://desk.example/incident/" in made.body
    assert made.subject == "[warning] New: Slow order at ARCX (ACME): 1 order, cost $4.50"


def test_it_is_read_from_the_top_what_how_many_since_when_link_what_to_do_and_then_the_evidence() -> None:
    f = finding(venue=None, title="receipt->route took 400 ms, limit 100 ms")
    made = message(gathered_one([f]), f, NOTE, Reason.FIRST, "https://desk.example")
    assert made.subject == "[warning] New: Slow order (ACME): 1 order"
    order = [
        "What      receipt → route took 400 ms, limit 100 ms",
        "How many  1 order, 1 symbol, 300 shares, cost not stated",
        "Since     2025-11-24 14:00:00.314 UTC\n",
        "Where     vendor ACME, session DROP1",
        "Open the incident: https://desk.example/incident/",
        "What to do",
        "\nEvidence\n",
        "Times are UTC",
    ]
    assert [made.body.index(part) for part in order] == sorted(made.body.index(part) for part in order)
    assert "unknown" not in made.body
    assert made.slack.splitlines()[1:3] == [
        "receipt → route took 400 ms, limit 100 ms",
        "1 order, 1 symbol, 300 shares, cost not stated",
    ]


def test_of_several_it_says_since_when_and_shows_the_worst_or_where_there_is_no_cost_the_first() -> None:
    cheap, dear = finding(cost=10), finding("C2", cost=2_000_000_000, title="the dear one", at=T0 + 5 * S)
    made = message(gathered_one([cheap, dear]), dear, NOTE, Reason.GREW, None)
    assert "The worst  the dear one" in made.body
    assert "Since      2025-11-24 14:00:00.314 UTC, the last 2025-11-24 14:00:05 UTC" in made.body
    assert "Evidence of the worst\n" in made.body
    assert made.subject == "[warning] Still growing: Slow order at ARCX (ACME): 2 orders, cost $2.00"
    slow = [finding(), finding("C2", at=T0 + 5 * S)]
    assert "The first  Slow ack" in message(gathered_one(slow), slow[0], NOTE, Reason.GREW, None).body


def test_evidence_beyond_what_is_shown_is_said() -> None:
    f = finding(evidence={f"fact_{i}": i for i in range(20)})
    assert re.search(r"more +8 on the page", message(gathered_one([f]), f, NOTE, Reason.FIRST, None).body)


def test_hostile_text_cannot_mention_link_or_add_a_header() -> None:
    f = finding(title=HOSTILE, order_id=HOSTILE, venue=HOSTILE, evidence={HOSTILE: HOSTILE})
    made = message(gathered_one([f]), f, NOTE, Reason.FIRST, None)
    slack = made.slack + json.dumps(made.blocks[1:])
    assert "<!channel>" not in slack
    assert "<http" not in slack
    assert "\n" not in made.subject
    assert "\r" not in made.body
    assert not any(line.startswith("Bcc") for line in made.body.splitlines())


def test_blocks_stay_within_what_slack_takes() -> None:
    f = finding(title="x" * 5000, evidence={f"fact_{i}": "y" * 900 for i in range(50)})
    made = message(gathered_one([f]), f, NOTE, Reason.GREW, "https://desk.example")
    assert len(made.blocks) <= 50
    assert len(made.blocks[0]["text"]["text"]) <= 150
    assert all(len(b["text"]["text"]) <= 3000 for b in made.blocks)


def test_a_rule_without_a_runbook_says_so() -> None:
    made = message(gathered_one([finding()]), None, None, Reason.FIRST, None)
    assert "No runbook" in made.body


def test_withdrawn_asks_for_nothing() -> None:
    f = finding(state="withdrawn", reason="execution E1 was busted")
    made = message(gathered_one([f]), f, NOTE, Reason.WITHDRAWN, None)
    assert "taken back" in made.body
    assert re.search(r"Withdrawn +execution E1 was busted", made.body)
    assert "confirmed: it holds" not in made.body
    assert "0 orders" not in made.body + made.slack
    assert "What to do" not in made.body


@pytest.mark.parametrize(
    ("ns", "said"),
    [
        (0, "0 ns"), (999, "999 ns"), (1_500, "1.5 µs"), (312 * MS, "312 ms"), (1_234_567_890, "1.23 s"),
        (61_000_000_000, "1.02 min"), (-5 * MS, "-5 ms"), (3_600_000_000_000, "1 h"),
    ],
)  # fmt: skip
def test_durations(ns: int, said: str) -> None:
    assert formats.duration(ns) == said


@pytest.mark.parametrize(
    ("nano", "said"),
    [
        (0, "$0.00"),
        (4_500_000_000, "$4.50"),
        (12_345_678_900_000, "$12,345.68"),
        (-2_000_000, "-$0.002"),
        (None, "unknown"),
    ],
)
def test_money(nano: int | None, said: str) -> None:
    assert formats.money(nano) == said


@pytest.mark.parametrize(
    ("nano", "said"),
    [(187_050_000_000, "187.05"), (187_055_500_000, "187.0555"), (1, "0.000000001"), (-(10**9), "-1.00")],
)
def test_prices(nano: int, said: str) -> None:
    assert formats.price(nano) == said


def test_evidence_reads_its_unit_from_its_name() -> None:
    facts = {
        "dwell_ns": 3 * MS, "routed_at_ns": 1_763_992_800_002_000_000, "bid_nano": 187_050_000_000,
        "size_shares": 300, "eq_ratio": 3.5, "same_clock": True, "quote_at_ns": None, "declared": "ARCX",
    }  # fmt: skip
    assert formats.evidence(facts) == [
        ("dwell", "3 ms"), ("routed at", "2025-11-24 14:00:00.002 UTC"), ("bid", "$187.05"), ("size (shares)", "300"),
        ("E/Q (effective over quoted spread)", "350%"), ("same clock", "yes"), ("quote at", "unknown"),
        ("declared", "ARCX"),
    ]  # fmt: skip


@pytest.mark.parametrize(("quantity", "said"), [("300", "300"), ("1200", "1,200"), ("0.500", "0.5"), ("1E+3", "1,000")])
def test_shares(quantity: str, said: str) -> None:
    assert formats.shares(Decimal(quantity)) == said

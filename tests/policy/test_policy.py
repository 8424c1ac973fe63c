"""The policy file: what applies when and to whom, on whose authority, and what is wrong with a file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from monitor.cli import main
from monitor.config.toml import Mistaken
from monitor.engine.policy import Policy
from monitor.policy import file as policy_file
from monitor.policy.parse import parse
from monitor.process.command_line import OK, USAGE
from rules import RULES, poor_fill, slow_order, unexpected_venue

BAD = Path(__file__).parent / "bad"

HEAD = """
version = "t1"
[clocks]
"*" = 50.0
router = 1.5
"""


def entry(rule: str, rest: str = "", effective: str = "2026-01-01") -> str:
    return f"""
[[rules.{rule}]]
effective = {effective}
reason = "because of {rule} {effective}"
approved_by = "committee"
{rest}
"""


REST = entry("poor_fill") + entry("unexpected_venue")


def policy(*entries: str) -> Policy:
    return parse(HEAD + "".join(entries) + REST, "test.toml", RULES)


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000_000


def ack_limit(p: Policy, at: str = "2026-06-01", **scope: str) -> float:
    limits, _ = p.limits(
        "slow_order",
        scope.get("order_class"),
        scope.get("venue"),
        scope.get("vendor"),
        scope.get("symbol", "IBM"),
        ns(at),
    )
    return float(limits.route_to_ack_ms)


def test_shipped_policy_is_right_and_complete() -> None:
    shipped = policy_file.load(None, RULES)
    for rule in RULES:
        limits, authority = shipped.limits(rule.name, "market", "XNYS", None, "IBM", ns("2013-10-07"))
        assert isinstance(limits, rule.limits)
        assert authority.policy == shipped.version
        assert authority.approved_by.startswith("sorwatch defaults")


def test_shipped_policy_says_what_the_rules_would_say_by_themselves() -> None:
    shipped = policy_file.load(None, RULES)
    for rule in RULES:
        assert shipped.limits(rule.name, None, None, None, "IBM", ns("2026-01-01"))[0] == rule.limits()


def test_budgets_and_staleness_are_told_in_ns() -> None:
    p = policy(entry("slow_order"))
    assert p.version == "t1"
    assert p.budgets == {"*": 50_000_000, "router": 1_500_000}
    assert p.stale_after_ns == 300_000_000_000


def test_fields_that_are_not_named_have_the_rules_defaults() -> None:
    p = policy(entry("slow_order", "limits.route_to_ack_ms = 7"))
    limits, _ = p.limits("slow_order", None, None, None, "IBM", ns("2026-06-01"))
    assert limits == slow_order.Limits(route_to_ack_ms=7.0)


def test_money_is_exact_however_it_is_written() -> None:
    for text in ('"0.01"', "0.01"):
        p = parse(
            HEAD
            + entry("slow_order")
            + entry("unexpected_venue")
            + entry("poor_fill", f"limits.receipt_tolerance_usd = {text}"),
            "x",
            RULES,
        )
        limits, _ = p.limits("poor_fill", None, None, None, "IBM", 0)
        assert limits == poor_fill.Limits()


def test_the_entry_in_force_when_it_happened_counts() -> None:
    p = policy(
        entry("slow_order", "limits.route_to_ack_ms = 3", "2026-09-01"),
        entry("slow_order", "limits.route_to_ack_ms = 1", "2026-01-01"),
        entry("slow_order", "limits.route_to_ack_ms = 2", "2026-05-01"),
    )
    assert ack_limit(p, "2026-01-01T00:00:00") == 1
    assert ack_limit(p, "2026-04-30T23:59:59") == 1
    assert ack_limit(p, "2026-05-01T00:00:00") == 2
    assert ack_limit(p, "2027-01-01T00:00:00") == 3


def test_what_happened_before_the_first_entry_is_judged_by_it_and_says_so() -> None:
    p = policy(entry("slow_order", "limits.route_to_ack_ms = 3", "2026-09-01"))
    assert ack_limit(p, "2013-10-07") == 3
    _, authority = p.limits("slow_order", None, None, None, "IBM", ns("2013-10-07"))
    assert authority.effective == "2026-09-01, applied to what happened before it"


OVERRIDES = """
limits.route_to_ack_ms = 100
limits.receipt_to_route_ms = 9
[[rules.slow_order.override]]
venue = "XNYS"
order_class = "market"
limits.route_to_ack_ms = 1
reason = "two scopes"
approved_by = "the desk"
[[rules.slow_order.override]]
venue = "XNYS"
limits.route_to_ack_ms = 2
reason = "venue"
[[rules.slow_order.override]]
vendor = "ACME"
limits.route_to_ack_ms = 3
reason = "vendor"
[[rules.slow_order.override]]
symbols = ["BRK.A", "NVR"]
limits.route_to_ack_ms = 4
reason = "thin"
"""


@pytest.mark.parametrize(
    ("scope", "limit"),
    [
        ({}, 100),
        ({"venue": "ARCX"}, 100),
        ({"venue": "XNYS"}, 2),
        ({"venue": "XNYS", "order_class": "market"}, 1),
        ({"order_class": "market"}, 100),
        ({"vendor": "ACME"}, 3),
        ({"venue": "XNYS", "vendor": "ACME"}, 3),  # as many scopes each: the later counts
        ({"venue": "XNYS", "order_class": "market", "vendor": "ACME"}, 1),  # more scopes count more
        ({"symbol": "NVR"}, 4),
        ({"symbol": "NVR", "vendor": "ACME"}, 4),
    ],
)
def test_overrides_by_scope(scope: dict[str, str], limit: float) -> None:
    p = policy(entry("slow_order", OVERRIDES))
    assert ack_limit(p, **scope) == limit
    assert ack_limit(p, **scope) == limit  # the same when remembered


def test_an_override_changes_only_what_it_names_and_brings_its_own_reason() -> None:
    p = policy(entry("slow_order", OVERRIDES))
    limits, authority = p.limits("slow_order", "market", "XNYS", None, "IBM", ns("2026-06-01"))
    assert limits.receipt_to_route_ms == 9
    assert (authority.reason, authority.approved_by) == ("two scopes", "the desk")
    _, authority = p.limits("slow_order", None, "XNYS", None, "IBM", ns("2026-06-01"))
    assert (authority.reason, authority.approved_by) == ("venue", "committee")


def test_limits_are_worked_out_once() -> None:
    p = policy(entry("slow_order", OVERRIDES))
    first = p.limits("slow_order", "market", "XNYS", "V", "IBM", ns("2026-06-01"))
    assert p.limits("slow_order", "market", "XNYS", "W", "MSFT", ns("2026-07-01"))[0] is first[0]


def test_an_unknown_rule_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        policy(entry("slow_order")).limits("slow", None, None, None, "IBM", 0)


@pytest.mark.parametrize("path", sorted(BAD.glob("*.toml")), ids=lambda p: p.stem)
def test_a_wrong_policy_says_where_and_what(path: Path) -> None:
    """Each file ends its wrong lines with ``#! part of the message``; all of them are told, and nothing else."""
    text = path.read_text("utf-8")
    expected = [
        (number, part.strip())
        for number, line in enumerate(text.splitlines(), 1)
        if "#!" in line
        for part in line.split("#!")[1:]
    ]
    with pytest.raises(Mistaken) as caught:
        parse(text, path.name, RULES)
    told = [(m.line, m.what) for m in caught.value.mistakes]
    for number, part in expected:
        assert any(line == number and part in what for line, what in told), f"{number}: {part!r} not in {told}"
    assert len(told) == len(expected), told


def test_policy_command_checks_and_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy"]) == OK
    printed = capsys.readouterr().out
    mine = tmp_path / "mine.toml"
    mine.write_text(printed, "utf-8")
    assert main(["policy", str(mine)]) == OK
    assert "no mistakes" in capsys.readouterr().out
    mine.write_text(printed.replace("receipt_to_route_ms", "receipt_to_rout_ms"), "utf-8")
    assert main(["policy", str(mine)]) == USAGE
    assert "receipt_to_rout_ms: unknown" in capsys.readouterr().err


def test_policy_command_says_that_a_file_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", str(tmp_path / "none.toml")]) == USAGE
    assert "cannot be read" in capsys.readouterr().err


def test_declared_venues_may_be_codes_the_list_does_not_have() -> None:
    limits = unexpected_venue.Limits(declared=("XNYS",), unlisted=("NEWATS",))
    assert limits.unlisted == ("NEWATS",)

"""Orders of the synthetic router, as a FIX log: every planted fault is found, and nobody else is accused."""

from __future__ import annotations

from collections import Counter
from importlib import resources
from pathlib import Path

import pytest

from fix_ingest.decode import dialects
from fix_ingest.logs.reader import LogReader
from monitor.demo import router
from monitor.demo.fix_text import fix_time
from monitor.demo.stage import VENUES_DECLARED, VENUES_STRANGE
from monitor.engine.engine import Engine, EngineConfig
from monitor.feeds.quote_table import Table
from monitor.feeds.synthetic_market import SyntheticMarket
from monitor.policy.parse import parse
from monitor.wire.blocks import Block
from monitor.wire.events import Finding, Tick
from rules import RULES

SECOND = 10**9
START = 1_780_320_600 * SECOND
MARKET = SyntheticMarket(5)
PLAN = router.Plan(
    seed=5,
    start=START,
    end=START + 15 * SECOND,
    orders_per_second=40,
    symbols=MARKET.symbols,
    venues=VENUES_DECLARED,
    strange=VENUES_STRANGE,
    fault_every=5,
)
HEARD = PLAN.end + 10 * SECOND
"""Feed and drop copy vouch for everything up to then."""


@pytest.fixture(scope="module")
def dealt() -> list[router.Order]:
    return list(router.orders(PLAN, MARKET.touch))


@pytest.fixture(scope="module")
def findings(dealt: list[router.Order], tmp_path_factory: pytest.TempPathFactory) -> list[Finding]:
    log = tmp_path_factory.mktemp("log") / "router.log"
    write_log(log, dealt)
    policy = parse(resources.files("monitor.demo").joinpath("demo_policy.toml").read_text("utf-8"), "demo", RULES)
    engine = Engine(policy, RULES, EngineConfig())
    for n, table in enumerate([MARKET.opening(START - SECOND), MARKET.rows(START - SECOND, HEARD)]):
        engine.block(block(n, table), n)
    for event in LogReader("router", dialects.load("default")).read(str(log)):
        engine.report(event)
    engine.block(Block(source="market", n=2, through=HEARD), 2)
    engine.report(Tick(source="router", n=0, at=HEARD, seen=HEARD))
    return list(engine.advance().findings)


def write_log(path: Path, dealt: list[router.Order]) -> None:
    with path.open("w", encoding="utf-8") as log:
        for seq, (sent, _) in enumerate(router.messages(iter(dealt)), 1):
            fields = ((8, "FIX.4.4"), sent.fields[0], (49, "SIM"), (56, "SORWATCH"), (34, str(seq)))
            rest = ((52, fix_time(sent.at)), *sent.fields[1:])
            log.write("|".join(f"{tag}={value}" for tag, value in (*fields, *rest)) + "|\n")


def block(n: int, table: Table) -> Block:
    columns = {name: getattr(table, name) for name in ("time", "symbol", "bid", "ask", "bid_size", "ask_size")}
    return Block(source="market", n=n, symbols=table.symbols, **columns)


def test_every_planted_fault_is_found_with_certainty(dealt: list[router.Order], findings: list[Finding]) -> None:
    planted = [order.planted for order in dealt if order.planted is not None]
    accused = {(f.rule, f.order_id) for f in findings if f.certainty == "confirmed"}
    assert set(Counter(p.fault for p in planted)) == set(router.FAULTS)
    assert not [p for p in planted if (router.RULE_OF[p.fault], p.order_id) not in accused]


def test_nobody_else_is_accused(dealt: list[router.Order], findings: list[Finding]) -> None:
    planted = {(router.RULE_OF[o.planted.fault], o.planted.order_id) for o in dealt if o.planted is not None}
    wrongly = [f.title for f in findings if f.certainty != "cannot_tell" and (f.rule, f.order_id) not in planted]
    assert not wrongly


def test_what_was_busted_is_taken_back(dealt: list[router.Order], findings: list[Finding]) -> None:
    busted = {o.planted.order_id for o in dealt if o.planted is not None and o.planted.fault == "busted"}
    latest = {f.id: f for f in findings}
    first_fills = [f for f in latest.values() if f.order_id in busted and (f.exec_id or "").endswith(".0")]
    assert first_fills
    assert {f.state for f in first_fills} == {"withdrawn"}

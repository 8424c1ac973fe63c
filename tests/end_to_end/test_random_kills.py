"""Every process killed at random instants: what is found is what `sorwatch replay` finds of the same day."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from monitor import cli
from monitor.demo import router
from monitor.demo.dropcopy import DropCopySource
from monitor.demo.fix_text import price_text
from monitor.feeds.synthetic_market import SyntheticMarket
from monitor.kafka.embedded.broker import Broker
from monitor.process import command_line
from monitor.wire import events
from monitor.wire.blocks import ABSENT
from tests.end_to_end.processes import Rig, rig
from tests.waiting import until

pytestmark = pytest.mark.line

SECOND = 10**9
START = 1_700_000_000 * SECOND
SECONDS = 60
MARKET = SyntheticMarket(11, symbols=60, rate=2000)
PLAN = router.Plan(
    seed=5,
    start=START,
    end=START + SECONDS * SECOND,
    orders_per_second=60,
    symbols=MARKET.symbols,
    venues=("XNYS", "ARCX", "BATS"),
    strange=("XLON",),
    fault_every=12,
)
VICTIMS = ("listen", "publish", "quotes", "watch")
KILLS = 8

Message = tuple[router.Field, ...]
OF_THE_RUN = {"seen", "n", "part", "source", "revision"}
"""What tells when and through which journal something came, or how often it was told: not what it says."""


def write_quotes(path: Path) -> None:
    """The market as a CSV file."""
    first = MARKET.opening(START - SECOND)
    rows = [first, MARKET.rows(START - SECOND, START + (SECONDS + 10) * SECOND)]
    with path.open("w", encoding="utf-8") as out:
        out.write("time,symbol,bid,ask\n")
        for table in rows:
            names = np.array(table.symbols)[table.symbol]
            for at, name, bid, ask in zip(table.time, names, table.bid, table.ask, strict=True):
                sides = ["" if p == ABSENT else price_text(int(p)) for p in (bid, ask)]
                out.write(f"{at},{name},{sides[0]},{sides[1]}\n")


def write_log(path: Path, day: list[Message]) -> None:
    """The messages as a FIX log, as the counterparty of the rig would have written it."""
    with path.open("w", encoding="utf-8") as out:
        for number, message in enumerate(day, 2):
            header = ((49, "RIG"), (56, "SORWATCH"), (34, str(number)), (52, dict(message)[60]))
            out.write(
                "8=FIX.4.4|9=1|" + "|".join(f"{t}={v}" for t, v in (*message[:1], *header, *message[1:])) + "|10=000|\n"
            )


def said(value: events.Finding | events.Execution) -> dict[str, Any]:
    """What a finding or an execution says, without what depends on the run."""
    fields = msgspec.to_builtins(value)
    return {name: fields[name] for name in fields.keys() - OF_THE_RUN}


def replayed(directory: Path, day: list[Message]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Findings and executions by the offline command."""
    log, found, scored = directory / "day.fix", directory / "findings", directory / "executions"
    write_log(log, day)
    words = ["replay", "--quotes", f"csv:{directory / 'quotes.csv'}", "--fix-log", str(log)]
    assert cli.main([*words, "--findings", str(found), "--executions", str(scored)]) == command_line.OK
    findings = [msgspec.json.decode(line, type=events.Finding) for line in found.read_bytes().splitlines()]
    executions = [msgspec.json.decode(line, type=events.Execution) for line in scored.read_bytes().splitlines()]
    return {f.id: said(f) for f in findings}, {e.exec_id: said(e) for e in executions}


def play(line: Rig, day: list[Message], seed: int) -> None:
    """Send the day at some thousand messages a second, killing as chance has it."""
    chance = random.Random(seed)  # noqa: S311 - instants of kills are no secret
    instants = sorted(chance.sample(range(len(day) // 20, len(day)), KILLS))
    victims = [*VICTIMS, *chance.choices(VICTIMS, k=KILLS - len(VICTIMS))]
    chance.shuffle(victims)
    session = line.settings.listen.session[0]
    source = DropCopySource(
        session.begin_string, session.target, session.sender, session.host, session.port, rate=2000.0
    )
    source.start()
    sent = 0
    for instant, victim in zip(instants, victims, strict=True):
        source.send([list(message) for message in day[sent:instant]])
        sent = instant
        source.wait_confirmed(2.0)
        line.kill(victim)
    source.send([list(message) for message in day[sent:]])
    until(lambda: line.check() is None and source.wait_confirmed(1.0), 120, line.logs)
    source.logout()


@pytest.mark.timeout(400)
def test_killed_at_random_instants_the_line_finds_what_a_replay_finds(
    broker: Broker, tmp_path: Path, new_prefix: Callable[[], str]
) -> None:
    write_quotes(tmp_path / "quotes.csv")
    day = [sent.fields for sent, _ in router.messages(router.orders(PLAN, MARKET.touch))]
    findings, executions = replayed(tmp_path, day)
    assert len(findings) > 200
    feed = [f"csv:{tmp_path / 'quotes.csv'}", "--speed", "8"]
    with rig(tmp_path, broker.bootstrap, new_prefix(), feed, session="RIG->SORWATCH") as line:
        play(line, day, seed=20261122)
        until(lambda: line.check() is None and all_judged(line, executions, findings), 200, line.logs)
        assert {e.exec_id: said(e) for e in line.executions().values()} == executions
        assert {f.id: said(f) for f in line.findings().values()} == findings


def all_judged(line: Rig, executions: dict[str, Any], findings: dict[str, Any]) -> bool:
    """Whether as much has been told as there is to tell; the comparison itself comes after."""
    told = line.findings()
    withdrawn = sum(f.state == "withdrawn" for f in told.values())
    wanted = sum(f["state"] == "withdrawn" for f in findings.values())
    return len(line.executions()) >= len(executions) and len(told) >= len(findings) and withdrawn >= wanted

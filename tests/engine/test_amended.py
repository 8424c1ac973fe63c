"""What becomes known later amends what was published before: a finding names the order that its execution names."""

from __future__ import annotations

from monitor.engine import tape
from monitor.engine.engine import EngineConfig
from rules import RULES
from tests.engine.generated_days import POLICY

TAPE = """
09:30:00  quote IBM 100.00x100.02
09:31:00  routed id=A1 parent=A venue=XNYS qty=100
+10ms     filled id=A1 exec=E1 side=buy qty=100 price=100.05
+1s       received id=A side=buy qty=100 limit=100.10
09:32:00  tick
"""


def test_a_finding_follows_its_order_when_the_order_becomes_known_later() -> None:
    out = tape.run_tape(TAPE, RULES, POLICY, EngineConfig())
    execution = max(out.executions, key=lambda e: e.revision)
    about_fill = [f for f in out.findings if f.exec_id == "E1" and f.subject.startswith("outside")]
    last = max(about_fill, key=lambda f: f.revision)
    assert len({f.id for f in about_fill}) == 1
    assert (last.order_id, last.route_id, last.order_class) == (
        execution.order_id,
        execution.route_id,
        execution.order_class,
    )
    assert last.state != "withdrawn"


def test_nothing_is_published_again_that_says_the_same() -> None:
    out = tape.run_tape(TAPE, RULES, POLICY, EngineConfig())
    said = [(f.id, f.order_id, f.certainty, f.order_class, f.limit, f.evidence) for f in out.findings]
    assert len({str(each) for each in said}) == len(said)

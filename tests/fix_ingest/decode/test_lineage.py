from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from fix_ingest.decode.dialects import load
from fix_ingest.decode.lineage import Chains, Known, Lineage
from monitor.wire.events import Filled, Garbled, Routed
from tests.fix_ingest.decode.messages import decoder, frame, record


def test_finished_orders_are_forgotten_oldest_first_with_all_their_names() -> None:
    chains = Chains()
    for i in range(10):
        chains.seen(f"C{i}", Known("IBM"), f"R{i}", f"O{i}")
        chains.close(f"C{i}", kept=3)
    assert list(chains.orders) == ["C7", "C8", "C9"]
    assert chains.root("R9", None, None) == "C9"
    assert chains.root("R1", None, None) == "R1"
    assert len(chains.roots) == 6


def test_an_open_order_is_kept_however_many_finish() -> None:
    chains = Chains()
    chains.seen("OPEN", Known("IBM", parent="P"), None, None)
    for i in range(100):
        chains.seen(f"C{i}", Known("IBM"), None, None)
        chains.close(f"C{i}", kept=3)
    assert chains.orders["OPEN"].parent == "P"


def test_a_snapshot_is_the_whole_memory() -> None:
    lineage = Lineage()
    chains = lineage.of("sor")
    chains.begin("C1", Known("IBM", "buy", "P1", "RefOrderID", True))
    chains.seen("C1", chains.orders["C1"], "C2", "O1")
    chains.close("C1")
    other = Lineage()
    other.restore(lineage.snapshot())
    assert other.snapshot() == lineage.snapshot()
    assert other.of("sor").root("C2", None, None) == "C1"


STORY = [
    "35=D|11=P{0}|55=IBM|54=1|38=100|60=20261103-14:30:00|",
    "35=D|11=C{0}|1080=P{0}|55=IBM|54=1|38=100|60=20261103-14:30:00|",
    "35=8|11=C{0}|37=O{0}|17=A{0}|150=0|39=0|55=IBM|60=20261103-14:30:00|",
    "35=G|11=D{0}|41=C{0}|55=IBM|54=1|38=200|60=20261103-14:30:00|",
    "35=8|11=D{0}|41=C{0}|37=O{0}|17=R{0}|150=5|39=0|38=200|60=20261103-14:30:00|",
    "35=8|11=D{0}|37=O{0}|17=E{0}|150=F|39=1|32=50|31=10|151=150|14=50|60=20261103-14:30:00|",
    "35=8|37=O{0}|17=F{0}|150=F|39=2|32=150|31=10|151=0|14=200|60=20261103-14:30:00|",
    "35=8|11=D{0}|17=B{0}|19=F{0}|150=H|39=1|60=20261103-14:30:00|",
]


@given(st.permutations([i % 4 for i in range(32)]), st.integers(0, 32))
def test_a_restart_at_any_record_changes_no_event(turns: list[int], cut: int) -> None:
    told = [0] * 4
    messages = []
    for turn in turns:
        messages.append(record(frame(STORY[told[turn]].format(turn)), len(messages)))
        told[turn] += 1
    straight = decoder()
    before = decoder()
    expected = [event for message in messages for event in straight.decode(message)]
    events = [event for message in messages[:cut] for event in before.decode(message)]
    after = decoder()
    after.restore(before.snapshot())
    events += [event for message in messages[cut:] for event in after.decode(message)]
    assert events == expected
    assert not [event for event in events if isinstance(event, Garbled)]
    fills = [event for event in events if isinstance(event, Filled)]
    assert {(fill.order_id[0], fill.parent_id is not None and fill.parent_id[0]) for fill in fills} == {("C", "P")}


def test_an_order_filled_to_its_quantity_is_over_also_when_leaves_is_not_told() -> None:
    reader = decoder()
    for n, fields in enumerate((STORY[1], STORY[5].replace("|151=150", "").replace("14=50", "14=50|38=50"))):
        reader.decode(record(frame(fields.replace("11=D", "11=C").format(0)), n))
    lineage = Lineage()
    lineage.restore(reader.snapshot())
    assert list(lineage.of("sor").closed) == ["C0"]


def test_the_parents_may_come_on_another_session() -> None:
    reader = decoder(replace(load("default"), parents_session="oms"))
    reader.decode(record(frame(STORY[0].format(0)), 1, session="oms"))
    reader.decode(record(frame("35=8|11=Q0|41=P0|17=R|150=5|39=0|55=IBM|60=20261103-14:30:00|"), 2, session="oms"))
    (event,) = reader.decode(record(frame(STORY[1].format(0).replace("1080=P0", "1080=Q0")), 3, session="sor"))
    assert isinstance(event, Routed)
    assert (event.parent_id, event.session) == ("P0", "sor")

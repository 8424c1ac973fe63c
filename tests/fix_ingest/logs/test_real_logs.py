"""Logs and messages that others wrote, outside the repository, against what is known of them."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from fix_ingest.decode.dialect import Tags
from fix_ingest.decode.dialects import load
from fix_ingest.decode.message import text_of
from fix_ingest.logs.reader import LogReader
from fix_ingest.logs.shapes import messages
from monitor.wire.events import Acked, Cancelled, Filled, Garbled, Received, Rejected, ReportLine, Status
from tests.fix_ingest.decode.messages import SEEN, decoder, frame, record, shared

FOLDERS = [
    "fix-kx-vod",
    "fix-quickfix-logviewer",
    "fix-small-viewers",
    "fix-fixtrading-log2orchestra",
]


def expected(folder: str) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = json.loads((shared(folder) / "expected.json").read_text("utf-8"))
    return {name: what for name, what in found.items() if not name.startswith("_")}


def read(path: Path, dialect: str = "default") -> tuple[LogReader, list[ReportLine]]:
    reader = LogReader("log", load(dialect))
    return reader, list(reader.read(str(path)))


def fills(events: list[ReportLine]) -> list[Filled]:
    return [event for event in events if isinstance(event, Filled)]


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_message_of_every_log_is_found(folder: str) -> None:
    for name, what in expected(folder).items():
        path = shared(folder) / Path(name).name
        lines = [text_of(line) for line in path.read_bytes().split(b"\n")]
        found = [dict(f.split("=", 1) for f in m.split("\x01") if "=" in f) for line in lines for m in messages(line)]
        assert len(found) == what["messages"], name
        assert Counter(m["35"] for m in found) == what["by_MsgType"], name
        reader, _ = read(path)
        assert reader.counts.messages + reader.counts.duplicates == what["messages"], name


@pytest.mark.parametrize("folder", FOLDERS)
def test_true_fills_are_told_once(folder: str) -> None:
    for name, what in expected(folder).items():
        _, events = read(shared(folder) / Path(name).name)
        told = len({fill.exec_id for fill in fills(events)})
        true = what.get("true_fills (ExecType F/1/2 and LastQty>0)", what["distinct_ExecID"])
        assert told == (true if true is not None else 0), name


def test_the_fills_of_the_kdb_paper_give_its_average_prices_exactly() -> None:
    _, events = read(shared("fix-kx-vod") / "messages.txt")
    done, notional, averages = Decimal(0), Decimal(0), []
    for fill in fills(events):
        done += fill.qty
        notional += fill.qty * Decimal(fill.price).scaleb(-9)
        averages.append(notional / done)
        assert fill.raw is not None
        stated = Decimal(dict(f.split("=", 1) for f in fill.raw.split("|") if "=" in f)["6"])
        assert abs(averages[-1] - stated) < Decimal("5e-8")
        assert fill.cum == done
    assert [fill.qty for fill in fills(events)] == [1500, 4500, 500, 1650, 1850]
    assert len(averages) == 5
    times = [fill.at for fill in fills(events)]
    assert times != sorted(times)


def test_order_state_matrices() -> None:
    vectors = json.loads((shared("fix-order-state-vectors") / "vectors.json").read_text("utf-8"))["vectors"]
    ends = {"2": Filled, "8": Rejected, "3": "over", "4": Cancelled}
    for vector in vectors:
        reader, events = decoder(), []
        for n, said in enumerate(vector["reports"]):
            ids = f"11={said.get('ClOrdID', 'X')}|" + (f"41={said['OrigClOrdID']}|" if "OrigClOrdID" in said else "")
            body = (
                f"35=8|{ids}37=O|17=E{n}|150={said['ExecType']}|39={said['OrdStatus']}|55=IBM|54=1|38={vector['qty']}|"
                f"32={said['LastQty']}|31=10|151={said['LeavesQty']}|14={said['CumQty']}|60=20261103-14:30:00|"
            )
            events += reader.decode(record(frame(body), n))
        told = fills(events)
        assert len(told) == vector["executions"], vector["id"]
        assert [fill.cum for fill in told] == [sum(f.qty for f in told[: i + 1]) for i in range(len(told))], vector[
            "id"
        ]
        assert {getattr(event, "order_id", None) for event in events} == {"X"}, vector["id"]
        assert not [event for event in events if isinstance(event, Garbled)], vector["id"]
        end = ends[vector["final"]]
        assert end == "over" or isinstance(events[-1], end), vector["id"]


def test_single_messages_of_many_venues() -> None:
    lines = (shared("fix-single-messages") / "messages.jsonl").read_text("utf-8").splitlines()
    samples = {sample["name"]: sample for sample in map(json.loads, lines)}
    told, live = {}, {}
    for name, sample in samples.items():
        body = sample["msg"].replace("|", "\x01").encode()
        (told[name],) = decoder(live=False).decode(record(body))
        (live[name],) = decoder().decode(record(body))
        assert isinstance(live[name], Garbled) or (sample["checksum_ok"] and sample["bodylength_ok"]), name
    assert {name: type(event).__name__ for name, event in told.items()} == {
        "cboe-options-2021": "Filled",
        "moex-2020": "Filled",
        "bme-cancel-2019": "Cancelled",
        "dukascopy-reject-2012": "Rejected",
        "options-broker-2007": "Status",
        "kalshi-2025": "Garbled",
    }
    cboe, moex = told["cboe-options-2021"], told["moex-2020"]
    assert isinstance(cboe, Filled)
    assert (cboe.price, cboe.qty, cboe.leaves, cboe.liquidity, cboe.venue) == (670_000_000, 1, 0, "R", None)
    assert cboe.at % 1_000_000_000 == 798_000_000
    assert isinstance(moex, Filled)
    assert (moex.price, moex.qty, moex.symbol) == (203_320_000_000, 250, "SBERP")
    reject = told["dukascopy-reject-2012"]
    assert isinstance(reject, Rejected)
    assert reject.side is None
    assert "Order amount" in (reject.reason or "")
    assert {name for name, event in live.items() if not isinstance(event, Garbled)} == {
        name for name, sample in samples.items() if sample["checksum_ok"] and sample["bodylength_ok"]
    }


def test_venue_dialects_of_foreign_exchange() -> None:
    folder = shared("fix-fx-venue-dialects")
    lines = (folder / "messages.jsonl").read_text("utf-8").splitlines()
    known = {what["name"]: what for what in json.loads((folder / "expected.json").read_text("utf-8"))}
    for sample in map(json.loads, lines):
        what, body = known[sample["name"]], sample["msg"].replace("|", "\x01").encode()
        events = decoder(live=False).decode(record(body))
        told = fills(events)
        assert bool(told) == what["is_execution"], sample["name"]
        if told:
            assert told[0].qty == Decimal(what["LastQty"]), sample["name"]
            assert Decimal(told[0].price).scaleb(-9) == Decimal(what["LastPx"]), sample["name"]
            assert told[0].symbol == what["Symbol"], sample["name"]
            assert told[0].seen == SEEN
        if sample["name"].startswith("INVALID"):
            (refused,) = decoder().decode(record(body))
            assert isinstance(refused, Garbled), sample["name"]


def test_junk_is_one_rejected_line_and_the_delimiters_do_not_matter() -> None:
    folder = shared("fix-quickfix-logviewer")
    told = {}
    for name in ("testDelimiter.log", "testMultiCharDelimiter.log", "tmp.log", "small.log"):
        reader, events = read(folder / name)
        told[name] = [
            (type(event), getattr(event, "exec_id", None), getattr(event, "order_id", None)) for event in events
        ]
        assert any("junk" in place.what for place in reader.counts.places), name
    assert told["testDelimiter.log"] == told["testMultiCharDelimiter.log"] == told["tmp.log"] == told["small.log"]


def test_an_application_log_that_prints_every_message_twice() -> None:
    path = shared("fix-fixgrep") / "test.log.gz"
    what = json.loads((path.parent / "expected.json").read_text("utf-8"))["fix-fixgrep/test.log.gz"]
    dialect = replace(load("default"), tags=Tags(fill_price=("31", "44")))
    reader = LogReader("log", dialect)
    events = list(reader.read(str(path)))
    told = fills(events)
    assert reader.counts.messages == reader.counts.duplicates == what["raw_messages"]
    assert len(told) == len({fill.exec_id for fill in told}) == what["fills"]
    assert sum(fill.qty for fill in told) == what["sum_LastQty"]
    assert told[0].price == 99_985_403_163
    assert [event for event in events if isinstance(event, Garbled)] == []
    assert sum(isinstance(event, Received) for event in events) == what["by_MsgType"]["D"]
    _, by_the_book = read(path)
    assert sum(isinstance(event, Garbled) for event in by_the_book) == what["fills"]


def test_the_traps_of_the_orchestra_logs() -> None:
    folder = shared("fix-fixtrading-log2orchestra")
    reader, montran = read(folder / "Montran_order_messages.log")
    assert (reader.counts.rejected, reader.counts.remarks, reader.counts.bad_frames) == (0, 4, 0)
    assert Counter(type(event) for event in montran if isinstance(event, Filled | Acked | Status)) == {
        Filled: 2, Acked: 2, Status: 2,
    }  # fmt: skip
    _, murex = read(folder / "FIX.4.4-MUREX_TI_TEST-360T_TI_TEST.body")
    assert [event.reason for event in murex if isinstance(event, Garbled)] == ["a trade without a quantity: 32='0'"] * 2
    _, banzai = read(folder / "FIXT.1.1-EXEC-BANZAI.messages.log")
    assert fills(banzai) == []

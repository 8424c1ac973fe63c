"""A hostile feed of lines: each is a quote, a promise or a complaint with its place, and nothing else happens."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from monitor import cli
from monitor.feeds.batches import Round
from monitor.feeds.json_lines import LONGEST, Garbled, Quote, believable, heard, table_of, whole_lines
from monitor.feeds.json_socket import Jsonl, watch
from monitor.feeds.quote_table import Names
from monitor.feeds.rejects import Rejects
from monitor.process import command_line
from monitor.wire.blocks import ABSENT
from tests.black_box import reference
from tests.black_box.replay_cli import ReplayCli

NOW = reference.OPEN
GOOD: dict[str, Any] = {"time": NOW - 1, "symbol": "IBM", "bid": "1.5", "ask": 2}


@pytest.mark.parametrize(
    "bad",
    [
        {"tick": 2**63 - 1},
        {"tick": NOW + 3600 * reference.NANO},
        {"time": NOW + 3600 * reference.NANO},
        {"time": "2200-01-01T00:00:00Z"},
        {"time": -(2**63)},
        {"time": NOW // 10**3},
        {"time": NOW // 10**6},
        {"tick": NOW // 10**9},
        {"time": True},
        {"time": "soon"},
        {"bid": "Infinity"},
        {"bid": "1e400000"},
        {"bid": [1]},
        {"symbol": " "},
        {"symbol": None},
        {"bdi": 1},
        {"bid_size": "1e300"},
    ],
    ids=str,
)
def test_a_line_that_makes_no_sense_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(Garbled):
        believable(heard(json.dumps(GOOD | bad).encode(), NOW), NOW)


@pytest.mark.parametrize("absent", [None, 0, "-1", "0.0"])
def test_an_absent_side(absent: Any) -> None:
    quote = heard(json.dumps(GOOD | {"bid": absent, "bid_size": 100}).encode(), NOW)
    assert isinstance(quote, Quote)
    assert (quote.bid, quote.bid_size, quote.ask) == (ABSENT, ABSENT, 2 * reference.NANO)


def test_damaged_lines_are_quotes_or_complaints() -> None:
    """Whatever becomes of a line, it can be put into a block."""
    random = Random(1)  # noqa: S311 - damage that can be done again
    kept = []
    for _ in range(3000):
        line = bytearray(json.dumps(GOOD | {"bid_size": 5}).encode())
        for _ in range(random.randint(1, 4)):
            line[random.randrange(len(line))] = random.choice(b'0123456789eE.-+"{}[],: \x00\xff\\')
        try:
            said = heard(bytes(line), NOW)
        except Garbled:
            continue
        if isinstance(said, Quote):
            kept.append(said)
    table = table_of(kept, Names())
    assert len(table) == len(kept) > 0
    assert (np.abs(table.time) < 2**63 - 1).all()


def polled(source: Jsonl, complaints: Rejects, wanted: int) -> list[Round]:
    """Rounds until so many quotes and complaints have come."""
    rounds: list[Round] = []
    deadline = time.monotonic() + 10
    while sum(len(r.rows) for r in rounds) + complaints.total < wanted and time.monotonic() < deadline:
        if (this := source.poll()) is not None:
            rounds.append(this)
        time.sleep(0.005)
    return rounds


def test_a_hostile_connection_does_not_disturb_another() -> None:
    complaints = Rejects()
    source = Jsonl("tcp://127.0.0.1:0", {}, complaints, 0)
    host, port = source.where.removeprefix("tcp://").split(":")
    try:
        with socket.create_connection((host, int(port))) as good, socket.create_connection((host, int(port))) as bad:
            bad.sendall(
                b"\x00\xff\xfe" * 100_000 + b"\n{}\n" + b'{"tick": 9223372036854775807}\n' + b"[" * 50_000 + b"\n"
            )
            good.sendall((json.dumps({k: v for k, v in GOOD.items() if k != "time"}) + "\n").encode() * 3)
            rounds = polled(source, complaints, 3 + 4)
        assert sum(len(r.rows) for r in rounds) == 3
        assert complaints.total >= 4
        assert all(r.through is None or r.through <= time.time_ns() for r in rounds)
    finally:
        source.close()


def test_the_rest_of_a_line_that_is_too_long_is_no_line_of_its_own() -> None:
    held, found = bytearray(), []
    tail = json.dumps(GOOD).encode() + b"\n"
    for piece in (b"x" * 70_000, b"x" * 70_000, tail, tail):
        found += list(whole_lines(held, piece))
        assert len(held) <= 140_000
    assert [len(line) > LONGEST for line in found] == [True, False]


def test_a_complaint_names_the_line_also_after_blank_ones() -> None:
    complaints = Rejects()
    source = Jsonl("tcp://127.0.0.1:0", {}, complaints, 0)
    host, port = source.where.removeprefix("tcp://").split(":")
    try:
        with socket.create_connection((host, int(port))) as feed:
            feed.sendall(b'\n\r\n{"symbol":"A","bid":1}\n\nbad\n')
            feed.sendall(b"\n\nbad again\n")
            polled(source, complaints, 3)
        assert [u.place.rsplit(":", 1)[1] for u in complaints.kept] == ["5", "8"]
    finally:
        source.close()


def test_a_connection_is_asked_whether_it_is_still_there() -> None:
    with socket.socket() as connection:
        watch(connection)
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0


def parquet(stranger: ReplayCli, **columns: Any) -> str:
    path = stranger.folder / "q.parquet"
    plain = {"time": [NOW, NOW + 1], "symbol": ["A", "A"], "bid": [1.0, 2.0], "ask": [2.0, 3.0]}
    pq.write_table(pa.table(plain | columns), path)
    return f"parquet:{path}"


def _not_text(values: list[bytes], kind: Any = None) -> Any:
    """A column that says it is text and is not, as damaged files have them."""
    large = pa.types.is_large_string(kind) if kind is not None else False
    raw = pa.array(values, pa.large_binary() if large else pa.binary())
    return pa.Array.from_buffers(pa.large_string() if large else pa.string(), len(raw), raw.buffers())


LOG = reference.fix(
    [reference.Said(NOW + 5, "8", {11: "C", 17: "E", 55: "A", 54: "1", 150: "F", 32: "1", 31: "2", 60: "@"})]
)


@pytest.mark.parametrize(
    ("columns", "unreadable", "state"),
    [
        ({"time": pa.array([NOW, 2**63 + 5], pa.uint64())}, 1, "ok"),
        ({"time": [NOW, 2**63 - 1]}, 1, "ok"),
        ({"bid": pa.array([None, None])}, 0, "one_sided"),
        ({"bid_size": pa.array([None, None])}, 0, "ok"),
        ({"bid_size": pa.array([2**64 - 1, 1], pa.uint64())}, 1, "ok"),
        ({"bid": [1.0, 1e300]}, 1, "ok"),
        ({"symbol": [None, "A"]}, 1, "ok"),
        ({"symbol": _not_text([b"A", b"\xf8A"])}, 1, "ok"),
        ({"symbol": pa.array([b"A", b"\xf8A"]), "bid": _not_text([b"1", b"\xff"])}, 1, "ok"),
        ({"time": _not_text([str(NOW).encode(), b"2\xff"])}, 1, "ok"),
        ({"bid": _not_text([b"1", b"\xff"]), "ask": _not_text([b"2", b"\xfe"], pa.large_string())}, 1, "ok"),
    ],
    ids=str,
)
def test_odd_columns(stranger: ReplayCli, columns: dict[str, Any], unreadable: int, state: str) -> None:
    assert stranger.replay("--quotes", parquet(stranger, **columns), "--fix-log", stranger.log(LOG)) == command_line.OK
    assert sum(stranger.summary["unreadable_quotes"].values()) == unreadable
    assert stranger.summary["quote_states"] == {state: 1}


def test_two_columns_of_one_name(stranger: ReplayCli) -> None:
    path = stranger.folder / "q.parquet"
    arrays = [pa.array([NOW]), pa.array([NOW]), pa.array(["A"]), pa.array([1]), pa.array([2])]
    pq.write_table(pa.Table.from_arrays(arrays, names=["time", "time", "symbol", "bid", "ask"]), path)
    assert stranger.replay("--quotes", f"parquet:{path}", "--fix-log", stranger.log(LOG)) == command_line.USAGE
    assert stranger.said == f"{path}:1: has several columns called time\n"
    assert not list(Path(stranger.folder).glob("executions*"))


def test_a_number_of_quotes_that_cannot_be_kept(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["quotes", "jsonl:-", "--hold-rows", "0"]) == command_line.USAGE
    assert capsys.readouterr().err.startswith("--hold-rows 0:1: ")

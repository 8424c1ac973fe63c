"""Lines of JSON: read exactly, garbled ones with a reason, whole lines out of any pieces, whose clock ticks follow."""

from __future__ import annotations

import json
import socket
import time
from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.config.toml import Mistaken
from monitor.feeds.batches import Round
from monitor.feeds.json_lines import FeedEnd, FeedTick, Garbled, Quote, heard, table_of, whole_lines
from monitor.feeds.json_socket import Jsonl
from monitor.feeds.quote_table import Names, join
from monitor.feeds.rejects import Rejects
from monitor.wire.blocks import ABSENT
from tests.waiting import until

PRICES = st.decimals(min_value=Decimal("0.000000001"), max_value=900_000, places=9)


@given(PRICES, PRICES, st.integers(0, 2**62), st.booleans())
def test_prices_are_read_exactly_as_numbers_and_as_text(bid: Decimal, ask: Decimal, at: int, text: bool) -> None:
    written = f'"{bid}"' if text else f"{bid:f}"
    quote = heard(f'{{"time":{at},"symbol":"IBM","bid":{written},"ask":"{ask}"}}'.encode(), 5)
    assert quote == Quote(at, "IBM", int(bid.scaleb(9)), int(ask.scaleb(9)), ABSENT, ABSENT, True)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            '{"symbol":" A ","bid":1,"ask":2,"bid_size":3.9,"ask_size":"4"}',
            Quote(5, "A", 10**9, 2 * 10**9, 3, 4, False),
        ),
        ('{"symbol":"A","bid":0,"ask":-1,"bid_size":3}', Quote(5, "A", ABSENT, ABSENT, ABSENT, ABSENT, False)),
        ('{"symbol":"A","time":"1970-01-01T00:00:01Z"}', Quote(10**9, "A", ABSENT, ABSENT, ABSENT, ABSENT, True)),
        ('{"tick":7}', FeedTick(7)),
        ('{"end":true}', FeedEnd()),
    ],
)
def test_what_a_line_may_say(line: str, expected: object) -> None:
    assert heard(line.encode(), 5) == expected


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"nonsense", "not JSON"),
        (b'{"symbol":"A"', "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[1]", "not a quote"),
        (b'{"bid":1}', "not a quote"),
        (b'{"symbol":" ","bid":1}', "not a quote"),
        (b'{"symbol":"A","bid":"x"}', "not a quote"),
        (b'{"symbol":"A","bid":"NaN"}', "not a quote"),
        (b'{"symbol":"A","bid":1e30}', "not a quote"),
        (b'{"symbol":"A","time":"yesterday"}', "not a quote"),
        (b'{"symbol":"A","time":1.5}', "not a quote"),
        (b'{"symbol":"A","time":99999999999999999999}', "not a quote"),
        (b'{"symbol":"A","bidsize":1}', "not a quote"),
        (b" " * 70_000, "too long"),
    ],
)
def test_a_garbled_line_says_why(line: bytes, reason: str) -> None:
    with pytest.raises(Garbled) as told:
        heard(line, 5)
    assert told.value.reason == reason


@given(st.binary(max_size=200))
def test_no_bytes_do_harm(line: bytes) -> None:
    with suppress(Garbled):
        heard(line, 5)


@given(st.lists(st.text("ab{}", min_size=1), min_size=1), st.lists(st.integers(1, 9)))
def test_lines_come_out_whole_however_they_are_cut(lines: list[str], cuts: list[int]) -> None:
    data = "".join(f"{line}\n" for line in lines).encode()
    held, found = bytearray(), []
    for cut in [*cuts, len(data)]:
        found += list(whole_lines(held, data[:cut]))
        data = data[cut:]
    assert [f.decode() for f in found] == lines
    assert not held


def test_a_table_of_quotes() -> None:
    names = Names()
    quotes = [Quote(2, "B", 1, 2, 3, 4, True), Quote(1, "A", 5, 6, 7, 8, True), Quote(3, "B", 9, 9, 9, 9, True)]
    table = table_of(quotes, names)
    assert [table.symbols[i] for i in table.symbol.tolist()] == ["B", "A", "B"]
    assert table.sorted().time.tolist() == [1, 2, 3]
    assert len(table_of([], names)) == 0


class Feed:
    """A source that listens, and a connection to it."""

    def __init__(self, **options: str) -> None:
        self.complaints = Rejects()
        self.source = Jsonl("tcp://127.0.0.1:0", options, self.complaints, 10**9)
        host, port = self.source.where.removeprefix("tcp://").split(":")
        self.socket = socket.create_connection((host, int(port)))
        until(lambda: self.source.inbox.connected)

    def say(self, *values: dict[str, object]) -> None:
        self.socket.sendall(b"".join(json.dumps(v).encode() + b"\n" for v in values))

    def rounds(self, rows: int) -> list[Round]:
        """Polls until so many rows have come."""
        found: list[Round] = []

        def enough() -> bool:
            this = self.source.poll()
            if this is not None:
                found.append(this)
            return sum(len(r.rows) for r in found) >= rows

        until(enough)
        return found

    def close(self) -> None:
        self.socket.close()
        until(lambda: not self.source.inbox.connected)
        self.source.close()


def test_a_live_feed_is_vouched_for_by_the_time_of_day() -> None:
    feed = Feed()
    quiet = feed.source.poll()
    assert quiet is not None
    assert quiet.through is None
    before = time.time_ns()
    feed.say({"symbol": "A", "bid": 1})
    told = feed.rounds(1)[-1]
    assert told.through is not None
    assert before <= told.rows.time[0] <= told.through + 1 <= time.time_ns()
    feed.close()
    assert feed.source.poll() is None


def test_a_quote_is_late_only_beyond_the_patience_the_worker_has() -> None:
    feed = Feed()
    feed.say({"symbol": "A", "bid": 1})
    feed.rounds(1)
    now = time.time_ns()
    feed.say({"time": now - 10**8, "symbol": "A", "bid": 1}, {"time": now - 2 * 10**9, "symbol": "A", "bid": 1})
    feed.rounds(2)
    assert feed.source.late == 1
    feed.close()


def test_a_feed_with_ticks_of_its_own_is_believed() -> None:
    feed = Feed()
    feed.say({"tick": 100}, {"time": 150, "symbol": "A", "bid": 1}, {"tick": 200}, {"time": 201, "symbol": "A"})
    assert feed.rounds(2)[-1].through == 200
    feed.say({"time": 150, "symbol": "A", "bid": 2})
    assert feed.rounds(1)[-1].through == 200
    assert feed.source.late == 1
    feed.say({"time": 300, "symbol": "A", "bid": 2}, {"end": True})
    last = feed.rounds(1)[-1]
    assert (last.ended, last.through) == (True, 300)
    feed.close()


def test_history_is_vouched_for_by_its_own_times_and_waits() -> None:
    feed = Feed()
    feed.say(*({"time": i, "symbol": "A", "bid": i} for i in (10, 20, 20)))
    found = feed.rounds(3)
    assert found[-1].through == 19
    assert join([r.rows for r in found], Names()).time.tolist() == [10, 20, 20]
    assert feed.source.patient
    feed.close()


def test_an_end_that_comes_after_the_last_quote_vouches_for_it_too() -> None:
    feed = Feed()
    feed.say({"time": 10, "symbol": "A", "bid": 1}, {"time": 20, "symbol": "A", "bid": 2})
    assert feed.rounds(2)[-1].through == 19
    feed.say({"end": True})
    last = next(r for r in iter(feed.source.poll, object()) if r is not None and r.ended)
    assert last.through == 20
    feed.close()


def test_the_clock_can_be_chosen() -> None:
    feed = Feed(clock="wall")
    feed.say({"time": 10, "symbol": "A", "bid": 1})
    through = feed.rounds(1)[-1].through
    assert through is not None
    assert through > 10**18
    feed.close()


@pytest.mark.parametrize(
    "path",
    ["tcp://127.0.0.1", "127.0.0.1:9", "file.jsonl", "udp://127.0.0.1:9", "tcp://a:99999", "tcp://a:b", "tcp://[::1"],
)
def test_an_address_that_is_none(path: str) -> None:
    with pytest.raises(Mistaken, match="jsonl:tcp://HOST:PORT"):
        Jsonl(path, {}, Rejects(), 0)


def test_an_address_that_is_taken() -> None:
    feed = Feed()
    with pytest.raises(Mistaken, match="cannot listen there"):
        Jsonl(feed.source.where, {}, Rejects(), 0)
    feed.close()

"""``sorwatch quotes`` through a real Kafka: complete, with true ticks, also when it or the broker is killed."""

from __future__ import annotations

import signal
import socket
import time
from pathlib import Path

import pytest

from monitor.config import settings
from monitor.feeds.notation import read_blocks
from monitor.feeds.synthetic_market import SyntheticMarket
from monitor.kafka import readback, topics
from monitor.kafka.embedded.broker import Broker
from monitor.wire.blocks import Block
from monitor.wire.codec import partition_of
from tests.feeds.player import Player, as_content, quotes
from tests.waiting import free_port, until

pytestmark = pytest.mark.line

START = 1_381_152_600_000_000_000


def written(path: Path, rows: int, apart_ns: int) -> str:
    lines = (f"{START + i * apart_ns},S{i % 37},{1 + i % 91}.01,{1 + i % 91}.02\n" for i in range(rows))
    path.write_text("time,symbol,bid,ask\n" + "".join(lines))
    return f"csv:{path}"


def promises_hold(blocks: list[Block]) -> None:
    promised = -1
    for block in blocks:
        assert (block.time > promised).all()
        promised = max(promised, -1 if block.through is None else block.through)


def once(blocks: list[Block]) -> list[Block]:
    """The blocks of a partition without repeats; a repeat must say the same as the first time."""
    first: dict[int, Block] = {}
    for block in blocks:
        if block.n in first:
            assert as_content(first[block.n]) == as_content(block)
        first.setdefault(block.n, block)
    assert sorted(first) == list(range(min(first), max(first) + 1))
    return [first[n] for n in sorted(first)]


def test_a_real_day_as_fast_as_possible(tmp_path: Path, kafka: settings.Kafka, lean: Path) -> None:
    notation = f"lean:{lean}/ibm/20131007_quote.zip"
    player = Player(tmp_path, kafka, notation)
    told = player.summary()
    assert (told["rows"], told["ended"], told["unreadable"]) == (109_067, True, {})
    found = player.blocks()
    for blocks in found.values():
        promises_hold(blocks)
        assert blocks[-1].ended
        assert blocks[-1].through == 1_381_190_400_122_000_000
    ibm = partition_of("IBM", kafka.partitions)
    assert quotes(found[ibm]) == quotes(list(read_blocks([notation], "x", 5000)))


@pytest.mark.parametrize("speed", ["max", "5"])
def test_killed_at_any_time_it_sends_the_same_blocks_again(tmp_path: Path, kafka: settings.Kafka, speed: str) -> None:
    rows = 400_000 if speed == "max" else 60_000
    notation = written(tmp_path / "q.csv", rows, 500_000)
    player = Player(tmp_path, kafka, notation, "--speed", speed)
    for share in (0.2, 0.1):
        with player.running() as process:
            until(lambda least=rows * share: player.health().get("rows", 0) > least)
            process.send_signal(signal.SIGKILL)
            process.wait()
    told = player.summary()
    assert told["ended"]
    found = {p: once(blocks) for p, blocks in player.blocks().items()}
    for blocks in found.values():
        promises_hold(blocks)
    sent = sorted(q for blocks in found.values() for q in quotes(blocks))
    assert sent == sorted(quotes(list(read_blocks([notation], "x", 100_000))))
    if speed != "max":  # where half a second has gone by, what Kafka had is not sent again
        assert told["rows"] < rows


def test_a_second_play_takes_new_numbers_and_may_move_the_times(tmp_path: Path, kafka: settings.Kafka) -> None:
    notation = written(tmp_path / "q.csv", 1000, 100_000)
    player = Player(tmp_path, kafka, notation)
    player.summary()
    highest = {p: max(b.n for b in blocks) for p, blocks in player.blocks().items()}
    before = time.time_ns()
    Player(tmp_path, kafka, notation, "--speed", "real", "--shift-to-now").summary()
    for partition, blocks in player.blocks().items():
        again = [b for b in blocks if b.n > highest[partition]]
        assert sum(map(len, again)) == sum(len(b) for b in blocks) // 2
        assert all(before <= b.time.min() <= b.time.max() <= time.time_ns() for b in again if len(b))


def test_a_feed_of_ones_own_over_tcp(tmp_path: Path, kafka: settings.Kafka) -> None:
    port = free_port()
    player = Player(tmp_path, kafka, f"jsonl:tcp://127.0.0.1:{port}")
    with player.running() as process:
        until(lambda: player.health().get("ok"))
        with socket.create_connection(("127.0.0.1", port)) as feed:
            before = time.time_ns()
            feed.sendall(b'{"symbol":"IBM","bid":183.63,"ask":"183.65","bid_size":300}\nnonsense\n')
            feed.sendall(b'{"symbol":"IBM","bid":0,"ask":1}\n{"symbol":"IBM","bid":183.64,"bad":1}\n{"symbol":"I')
            until(lambda: player.health().get("unreadable") == 2)
            feed.sendall(b'BM","bid":183.66}\n{"cut sh')
            until(lambda: player.health().get("rows") == 3)
            blocks = player.health()["blocks"]
            until(lambda: player.health()["blocks"] > blocks + 2 * kafka.partitions)
        until(lambda: player.health().get("unreadable") == 3)
        after = time.time_ns()
        metrics = player.metrics()
        assert 'sorwatch_quotes_unreadable_total{reason="not JSON"} 2.0' in metrics
        assert "sorwatch_quotes_rows_total 3.0" in metrics
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    found = player.blocks()
    ibm = found[partition_of("IBM", kafka.partitions)]
    rows = quotes(ibm)
    assert [bid for _, _, bid in rows] == [183_630_000_000, -(2**63), 183_660_000_000]
    assert all(before <= at <= after for at, _, _ in rows)
    for blocks_of_one in found.values():
        promises_hold(blocks_of_one)
        assert any(b.through is not None and not len(b) for b in blocks_of_one)
    dead = list(readback.read(kafka, "dead_letters"))
    assert [m.value for m in dead] == [b"nonsense", b'{"symbol":"IBM","bid":183.64,"bad":1}', b'{"cut sh']
    assert b"unknown field" in dead[1].headers["reason"]


def test_history_through_standard_input(tmp_path: Path, kafka: settings.Kafka) -> None:
    lines = "".join(f'{{"time":{START + i},"symbol":"S{i % 5}","bid":{i + 1}.5,"ask":9}}\n' for i in range(50_000))
    player = Player(tmp_path, kafka, "jsonl:-")
    told = player.summary(lines.encode())
    assert (told["rows"], told["ended"], told["late_rows"]) == (50_000, True, 0)
    for blocks in player.blocks().values():
        promises_hold(blocks)
        assert blocks[-1].ended
        assert blocks[-1].through == START + 49_999


def test_the_synthetic_market_goes_on_where_it_was_killed(tmp_path: Path, kafka: settings.Kafka) -> None:
    player = Player(tmp_path, kafka, "demo:?seed=3&symbols=60&rate=3000")
    for least in (2000, 2500):
        with player.running() as process:
            until(lambda least=least: player.health().get("rows", 0) > least)
            process.send_signal(signal.SIGKILL)
            process.wait()
    with player.running() as process:
        until(lambda: player.health().get("rows", 0) > 500)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    blocks = [b for own in player.blocks().values() for b in own]
    told = set(quotes(blocks))
    opening = min(at for at, _, _ in told)
    market = SyntheticMarket(3, 60, 3000)
    last = max(b.through for b in blocks if b.through is not None)
    table = market.rows(opening, last)
    names = [market.symbols[i] for i in table.symbol.tolist()]
    expected = set(zip(table.time.tolist(), names, table.bid.tolist(), strict=True))
    assert {q for q in told if opening < q[0] <= last} == expected


def test_while_kafka_is_away_a_live_feed_gives_up_its_oldest_quotes_and_counts_them(tmp_path: Path) -> None:
    with Broker(tmp_path / "kafka") as broker:
        kafka = settings.Kafka(bootstrap=(broker.bootstrap,))
        assert topics.ensure(kafka) == []
        player = Player(tmp_path, kafka, "demo:?rate=200000", "--hold-rows", "2000")
        with player.running() as process:
            until(lambda: player.health().get("ok"))
            broker.kill()
            until(lambda: player.health().get("dropped_rows", 0) > 0, 120)
            until(lambda: player.health().get("ok") is False)
            broker.start()
            until(lambda: player.health().get("ok"), 120)
            rows = player.health()["rows"]
            until(lambda: player.health().get("rows", 0) > rows + 1000)
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        for blocks in player.blocks().values():
            once(blocks)


def test_a_wrong_source_is_told_at_once(tmp_path: Path, kafka: settings.Kafka) -> None:
    path = tmp_path / "q.csv"
    path.write_text("time,ticker,bid,ask\n1,A,1,2\n")
    player = Player(tmp_path, kafka, f"csv:{path}")
    with player.running() as process:
        assert process.wait(30) == 2
    assert f"{path}:1: no column symbol among time, ticker, bid, ask" in player.log.read_text()

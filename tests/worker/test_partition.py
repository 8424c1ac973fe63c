"""A partition killed at any instant and taken up from its checkpoint tells what it would have told undisturbed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct, structs

from monitor.config.settings import Watch
from monitor.wire import blocks, codec
from monitor.wire.events import Ended, Execution, Finding
from monitor.worker import checkpoint, engines
from monitor.worker.checkpoint import Checkpoint, UnreadableCheckpoint
from monitor.worker.deduplicator import Deduplicator
from monitor.worker.partition import Judge, MakeJudge, Partition, Position, Topic, Unreadable
from tests.worker import fake_engine, feed

Headers = tuple[tuple[str, bytes], ...]
START = Position(reports=0, nbbo=0)
ENGINES: dict[str, MakeJudge] = {"small": fake_engine.make, "real": engines.maker(Watch(patience_ms=30))}


class Stored(Struct, frozen=True):
    """A message as it stands on its topic."""

    topic: Topic
    offset: int
    value: bytes
    headers: Headers


def stored(slices: int = 25) -> list[Stored]:
    """A day of one partition, its two topics in their order of arrival."""
    ends: dict[str, int] = {"reports": 0, "nbbo": 0}
    found = []
    for part in feed.slices(slices, 1):
        for sent in part:
            found.append(
                Stored("nbbo" if sent.topic == "nbbo" else "reports", ends[sent.topic], sent.value, sent.headers)
            )
            ends[sent.topic] += 1
    last = Ended(source="dropcopy", n=10**6, at=feed.START + 10**10, seen=0)
    closing = blocks.encode(blocks.Block(source="nbbo", n=10**6, ended=True))
    found.append(Stored("nbbo", ends["nbbo"], closing, ()))
    found.append(Stored("reports", ends["reports"], codec.encode_lines([last]), ()))
    return found


DAY = stored()


class Reader:
    """Keeps what it is told, the highest revision of each."""

    def __init__(self) -> None:
        self.executions: dict[str, Execution] = {}
        self.findings: dict[str, Finding] = {}

    def hear(self, judge: Judge) -> None:
        told = judge.advance()
        for e in told.executions:
            if e.exec_id not in self.executions or self.executions[e.exec_id].revision <= e.revision:
                self.executions[e.exec_id] = e
        for f in told.findings:
            if f.id not in self.findings or self.findings[f.id].revision <= f.revision:
                self.findings[f.id] = f


def run(make: MakeJudge, messages: list[Stored], checkpoints: set[int], kills: list[tuple[int, int]]) -> Reader:
    """Feed the messages; a kill (index, seed) loses what no checkpoint holds and mixes anew what is read again."""
    reader = Reader()
    records: list[bytes] = []
    waiting = list(messages)
    for stop, seed in [*kills, (len(messages) * 2, 0)]:
        partition = take_up(make, records)
        for index, message in enumerate(to_read(partition, waiting)):
            if index == stop:
                break
            partition.take(message.topic, message.offset, message.value, message.headers)
            reader.hear(partition.judge)
            if index in checkpoints:
                records = written(partition.checkpoint(0), 2000)
        waiting = mixed(messages, seed)
    return reader


def written(whole: Checkpoint, part_bytes: int = checkpoint.PART_BYTES) -> list[bytes]:
    return [value for _, value in checkpoint.records(checkpoint.pack(whole), part_bytes)]


def read(records: Iterable[bytes]) -> tuple[list[Checkpoint], list[str]]:
    return checkpoint.joined(map(checkpoint.part, records))


def take_up(make: MakeJudge, records: list[bytes]) -> Partition:
    if not records:
        return Partition(0, make(None), START)
    ([found], []) = read(records)
    start = Position(reports=found.reports_next, nbbo=found.nbbo_next)
    return Partition(0, make(found.engine), start, found)


def to_read(partition: Partition, messages: list[Stored]) -> list[Stored]:
    return [m for m in messages if m.offset >= partition.next[m.topic]]


def mixed(messages: list[Stored], seed: int) -> list[Stored]:
    """Each topic in its order, the two mixed by chance: as they come after a restart."""
    rng = random.Random(seed)  # noqa: S311 - test data
    left = {t: [m for m in messages if m.topic == t] for t in ("reports", "nbbo")}
    order = [m.topic for m in messages]
    rng.shuffle(order)
    return [left[topic].pop(0) for topic in order]


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=60, deadline=None)
@given(
    checkpoints=st.sets(st.integers(0, len(DAY)), max_size=12),
    kills=st.lists(st.tuples(st.integers(0, len(DAY)), st.integers(0, 99)), max_size=4),
)
def test_killed_at_any_instant(engine: str, checkpoints: set[int], kills: list[tuple[int, int]]) -> None:
    undisturbed = run(ENGINES[engine], DAY, set(), [])
    disturbed = run(ENGINES[engine], DAY, checkpoints, kills)
    assert len(undisturbed.executions) > 30
    assert disturbed.executions == undisturbed.executions
    assert disturbed.findings == undisturbed.findings


def test_unsettled_blocks_are_read_again() -> None:
    partition = Partition(0, fake_engine.Clerk(), START)
    quotes = [m for m in DAY if m.topic == "nbbo"][:4]
    for message in quotes:
        partition.take("nbbo", message.offset, message.value, message.headers)
    assert partition.position() == Position(reports=0, nbbo=0)
    assert partition.next["nbbo"] == 4


@pytest.mark.parametrize(
    ("topic", "value", "headers", "why"),
    [
        ("reports", b"no json\n", (), "line 1"),
        ("reports", b"\xff\xfe", (), "line 1"),
        ("reports", b'{"kind":"unheard_of","source":"s","n":1,"at":1,"seen":1}\n', (), "line 1"),
        ("reports", codec.encode_lines([]), (("schema", b"9"),), "schema b'9' is unknown"),
        ("reports", b"", (("source", b"dropcopy"), ("first", b"x")), "headers are not"),
        ("nbbo", b"no arrow", (), "not a quote block"),
        ("nbbo", None, (), "without a value"),
    ],
)
def test_what_cannot_be_read_is_said_and_passed(topic: Topic, value: bytes | None, headers: Headers, why: str) -> None:
    partition = Partition(0, fake_engine.Clerk(), START)
    with pytest.raises(Unreadable, match=why):
        partition.take(topic, 7, value, headers)
    assert partition.next[topic] == 8
    assert partition.counts["dead_letters"] == 1


def test_a_bad_line_does_not_cost_its_neighbours() -> None:
    clerk = fake_engine.Clerk()
    partition = Partition(0, clerk, START)
    good = [feed.fill(1, "S001", 5), feed.fill(2, "S002", 6)]
    value = codec.encode_lines(good[:1]) + b"{broken\n" + codec.encode_lines(good[1:])
    with pytest.raises(Unreadable, match="line 2"):
        partition.take("reports", 0, value, tuple(codec.headers("dropcopy", 1, 2, -1)))
    assert [f.n for f in clerk.memory.held] == [1, 2]


def test_a_line_of_another_source_is_not_believed() -> None:
    clerk = fake_engine.Clerk()
    partition = Partition(0, clerk, START)
    with pytest.raises(Unreadable, match="source 'dropcopy' in a message of source 'other'"):
        partition.take(
            "reports", 0, codec.encode_lines([feed.fill(1, "S001", 5)]), tuple(codec.headers("other", 1, 1, -1))
        )
    assert not clerk.memory.held


def a_checkpoint(reports: int, nbbo: int, generation: int, engine: bytes = b"") -> Checkpoint:
    return Checkpoint(
        partition=0,
        generation=generation,
        written_at=0,
        reports_next=reports,
        nbbo_next=nbbo,
        deduplicator=Deduplicator(),
        engine=engine,
    )


def test_the_furthest_checkpoint_counts_not_the_last() -> None:
    before, furthest, zombie = a_checkpoint(10, 10, 4), a_checkpoint(30, 12, 5), a_checkpoint(20, 11, 6)
    assert checkpoint.furthest_first([before, furthest, zombie]) == [furthest, zombie, before]


@pytest.mark.parametrize("size", [10, 1_000_000])
def test_a_checkpoint_comes_back_as_it_was(size: int) -> None:
    original = a_checkpoint(1, 2, 3, b"quote" * (size // 5))
    records = written(original)
    assert sum(map(len, records)) < 70_000
    assert read(records) == ([original], [])


BIG = random.Random(1).randbytes(300_000)  # noqa: S311 - test data


def test_a_large_checkpoint_is_written_in_parts_and_comes_back_whole() -> None:
    original = a_checkpoint(1, 2, 3, BIG)
    records = written(original, 40_000)
    assert len(records) == 8
    assert max(map(len, records)) < 41_000
    assert read(records[::-1] + records) == ([original], [])


@given(cut=st.integers(0, 6), more=st.sets(st.integers(0, 6)))
def test_one_cut_short_leaves_the_one_before_it(cut: int, more: set[int]) -> None:
    before, after = a_checkpoint(1, 2, 3, BIG), a_checkpoint(4, 5, 4, BIG[::-1])
    kept = dict(checkpoint.records(checkpoint.pack(before), 40_000))
    for index, (key, value) in enumerate(checkpoint.records(checkpoint.pack(after), 40_000)):
        if index < cut or index in more:
            kept[key] = value  # as compaction leaves it: the last of each key
    assert read(kept.values()) == ([before], [])


def test_parts_of_two_writers_are_never_mixed() -> None:
    one = a_checkpoint(1, 2, 3, BIG)
    zombie = structs.replace(one, engine=BIG[::-1])
    mine, its = written(one, 40_000), written(zombie, 40_000)
    assert read(mine[:4] + its[4:]) == ([], [])


@pytest.mark.parametrize("break_it", [lambda r: b"", lambda r: b"x" + r, lambda r: r[:-5], lambda r: r[:30] + b"?"])
def test_a_broken_record_is_refused(break_it: Callable[[bytes], bytes]) -> None:
    for size in (10, 1_000_000):
        with pytest.raises(UnreadableCheckpoint, match="not a checkpoint"):
            checkpoint.part(break_it(written(a_checkpoint(1, 2, 3, b"quote" * size))[0]))


def test_an_altered_share_is_noticed() -> None:
    records = written(a_checkpoint(1, 2, 3, BIG), 40_000)
    altered = [r[:-1] + bytes([r[-1] ^ 1]) for r in records]
    assert read(altered) == ([], ["not a checkpoint of form 2: generation 3 was altered"])


def test_names_that_are_no_text_are_refused() -> None:
    packed = checkpoint.pack(structs.replace(a_checkpoint(1, 2, 3), counts={"late": 1}))
    altered = structs.replace(packed, plain=packed.plain.replace(b"late", b"\xff" * 4))
    whole, wrong = read(value for _, value in checkpoint.records(altered))
    assert whole == []
    assert "not a checkpoint of form 2" in wrong[0]
    (record,) = written(a_checkpoint(1, 2, 3))
    with pytest.raises(UnreadableCheckpoint, match="not a checkpoint"):
        checkpoint.part(record.replace(b"generation", b"\xff" * 10))

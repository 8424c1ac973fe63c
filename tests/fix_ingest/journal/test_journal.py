"""The journal: whole records or none, numbers that rise for ever, damage that is told and passed by."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fix_ingest.journal import (
    NUMBERS_LEFT_OUT,
    Journal,
    JournalInUse,
    Position,
    Reader,
    Sync,
    prune,
    read_all,
    segment_path,
    segments,
)
from fix_ingest.journal.record import Record
from fix_ingest.journal.segment import KINDS, LARGEST, Frame, Mark, decode, encode, scan

bodies = st.lists(st.binary(max_size=300), min_size=1, max_size=12)


@contextmanager
def journal_of(written: list[bytes]) -> Iterator[tuple[Path, Path]]:
    """A closed journal with one segment; its directory and that segment's file."""
    with tempfile.TemporaryDirectory() as name:
        journal = Journal(Path(name), sync="never")
        for i, body in enumerate(written):
            journal.append("sor", "message", body, i, i + 2)
        journal.close()
        yield Path(name), segment_path(Path(name), 1)


@given(
    st.integers(1, 2**63),
    st.integers(0, 2**62),
    st.text(max_size=40),
    st.sampled_from(KINDS),
    st.one_of(st.none(), st.integers(1, 2**40)),
    st.binary(max_size=2000),
)
def test_a_record_reads_back_as_written(
    n: int, seen: int, session: str, kind: str, mark: int | None, body: bytes
) -> None:
    frame = encode(n, seen, session.encode(), kind, mark, body)  # type: ignore[arg-type]  # one of KINDS
    found = decode(frame, 0)
    assert isinstance(found, Frame)
    assert found.record == Record(n, seen, session, kind, body)  # type: ignore[arg-type]  # one of KINDS
    assert (found.mark, found.end) == (mark, len(frame))


@given(bodies, st.data())
@settings(deadline=None)
def test_cut_anywhere_the_whole_records_before_it_remain_and_the_next_writer_goes_on(
    written: list[bytes], data: st.DataObject
) -> None:
    with journal_of(written) as (directory, path):
        whole = path.read_bytes()
        ends = [found.end for found in scan(whole, 1) if isinstance(found, Frame)]
        cut = data.draw(st.integers(0, len(whole)))
        os.truncate(path, cut)
        kept = [body for body, end in zip(written, ends, strict=True) if end <= cut]
        assert [r.body for r in read_all(directory)] == kept
        journal = Journal(directory, sync="never")
        assert journal.append("sor", "up", b"after", 9) == len(kept) + 1
        journal.close()
        assert [r.body for r in read_all(directory)] == [*kept, b"after"]
        assert [r.n for r in read_all(directory)] == list(range(1, len(kept) + 2))
        assert journal.marks.get("sor") == (Mark(len(kept) + 1, len(kept) - 1) if kept else None)


@given(bodies, st.data())
@settings(deadline=None)
def test_a_flipped_byte_costs_its_own_record_only_and_is_told_with_its_place(
    written: list[bytes], data: st.DataObject
) -> None:
    with journal_of(written) as (directory, path):
        whole = bytearray(path.read_bytes())
        frames = [found for found in scan(bytes(whole), 1) if isinstance(found, Frame)]
        begins = [
            len(whole) - sum(len(encode(1, 0, b"sor", "message", 1, b)) for b in written),
            *(f.end for f in frames),
        ]
        hit = data.draw(st.integers(0, len(written) - 1))
        place = data.draw(st.integers(begins[hit], frames[hit].end - 1))
        whole[place] ^= data.draw(st.integers(1, 255))
        path.write_bytes(whole)
        Journal(directory, sync="never").close()
        reader = Reader(directory)
        assert [r.n for r in reader.read(1000)] == [i + 1 for i in range(len(written)) if i != hit]
        if hit < len(written) - 1:
            damage = reader.damage()
            assert [(d.segment, d.offset, d.size) for d in damage] == [(1, begins[hit], frames[hit].end - begins[hit])]


@given(st.lists(st.integers(1, 7), max_size=30), st.integers(200, 2000))
@settings(deadline=None, max_examples=40)
def test_a_reader_that_follows_sees_every_record_once_over_segments_and_restarts(
    steps: list[int], segment_bytes: int
) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        reader, seen, count = Reader(directory), [], 0
        journal = Journal(directory, segment_bytes=segment_bytes, sync="never")
        for step in steps:
            for _ in range(step):
                count += 1
                journal.append("sor", "message", b"x" * (count % 200), count)
            if step == 7:
                journal.close()
                journal = Journal(directory, segment_bytes=segment_bytes, sync="never")
            if step == 6:
                reader = Reader(directory, reader.position)
            seen += reader.read(step)
        journal.close()
        seen += reader.read(10_000)
        assert [r.n for r in seen] == list(range(1, count + 1))
        assert reader.damage() == []
        assert reader.backlog() == 0


def test_a_record_longer_than_the_readers_chunk(tmp_path: Path) -> None:
    journal = Journal(tmp_path, sync="never")
    for size in (10, 3 << 20, 10):
        journal.append("sor", "message", b"x" * size, 1)
    assert [len(r.body) for r in Reader(tmp_path).read(10)] == [10, 3 << 20, 10]
    journal.close()


def test_a_record_half_written_is_waited_for(tmp_path: Path) -> None:
    journal = Journal(tmp_path, sync="never")
    journal.append("sor", "message", b"first", 1)
    journal.close()
    path, frame = segment_path(tmp_path, 1), encode(2, 2, b"sor", "message", 3, b"second")
    reader = Reader(tmp_path)
    with path.open("ab") as file:
        file.write(frame[:-3])
        file.flush()
        assert [r.body for r in reader.read(10)] == [b"first"]
        assert reader.read(10) == []
        file.write(frame[-3:])
        file.flush()
        assert [r.body for r in reader.read(10)] == [b"second"]
    assert reader.damage() == []


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    journal = Journal(tmp_path, sync="never")
    with pytest.raises(JournalInUse, match="another process writes the journal"):
        Journal(tmp_path)
    journal.close()
    Journal(tmp_path, sync="never").close()


@pytest.mark.parametrize("sync", ["always", "interval", "never"])
def test_every_way_of_forcing_to_disk(tmp_path: Path, sync: Sync) -> None:
    journal = Journal(tmp_path, sync=sync)
    for i in range(20):
        journal.append("sor", "message", b"x", i)
    if sync == "always":
        assert journal.unsynced_seconds() == 0.0
    journal.force()
    assert journal.unsynced_seconds() == 0.0
    journal.close()
    assert len(list(read_all(tmp_path))) == 20


def test_numbers_jump_when_the_machine_was_restarted(tmp_path: Path) -> None:
    journal = Journal(tmp_path, sync="never")
    assert journal.append("sor", "up", b"", 1) == 1
    journal.close()
    (tmp_path / "writer.lock").write_text("another running of the machine")
    journal = Journal(tmp_path, sync="never")
    assert journal.append("sor", "up", b"", 2) == 2 + NUMBERS_LEFT_OUT
    journal.close()
    assert [r.n for r in read_all(tmp_path)] == [1, 2 + NUMBERS_LEFT_OUT]


def test_marks_outlive_the_segments_that_held_them(tmp_path: Path) -> None:
    journal = Journal(tmp_path, segment_bytes=300, sync="never")
    journal.append("quiet", "message", b"x", 7, 5)
    for i in range(50):
        journal.append("busy", "message", b"x" * 50, i, i + 2)
    journal.close()
    reader = Reader(tmp_path)
    reader.read(1000)
    deleted = prune(tmp_path, reader.position, keep_bytes=0, keep_ns=None, now=0)
    assert len(deleted) > 3
    assert segments(tmp_path) == [reader.position.segment]
    journal = Journal(tmp_path, sync="never")
    assert journal.marks == {"quiet": Mark(5, 7), "busy": Mark(51, 49)}
    assert journal.next == 52
    journal.close()


def test_only_published_segments_are_pruned_and_only_as_many_as_the_limits_ask(tmp_path: Path) -> None:
    journal = Journal(tmp_path, segment_bytes=300, sync="never")
    for i in range(50):
        journal.append("sor", "message", b"x" * 50, i)
    journal.close()
    there = segments(tmp_path)
    middle = Position(there[3], 0, there[3] - 1)
    assert prune(tmp_path, middle, keep_bytes=None, keep_ns=None, now=2**62) == []
    assert prune(tmp_path, middle, keep_bytes=1 << 30, keep_ns=None, now=2**62) == []
    assert prune(tmp_path, middle, keep_bytes=None, keep_ns=2**62, now=2**62) == []
    assert len(prune(tmp_path, middle, keep_bytes=None, keep_ns=1, now=2**62)) == 3
    assert segments(tmp_path) == there[3:]
    assert Reader(tmp_path).read(1)[0].n == there[3]


def test_a_disk_that_takes_no_more_leaves_whole_records_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    """A process whose files may not grow beyond a limit, which is then lifted."""
    program = """
        import resource, sys
        from pathlib import Path
        from fix_ingest.journal import Journal
        journal = Journal(Path(sys.argv[1]), sync="never")
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, resource.RLIM_INFINITY))
        failed = 0
        for i in range(100):
            try:
                journal.append("sor", "message", b"x" * 90, i)
            except OSError:
                failed += 1
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        print(failed, journal.append("sor", "message", b"again", 1))
        journal.close()
    """
    command = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    failed, number = map(int, done.stdout.split())
    assert failed > 0
    assert number == 100 - failed + 1
    reader = Reader(tmp_path)
    records = reader.read(1000)
    assert [r.n for r in records] == list(range(1, number + 1))
    assert records[-1].body == b"again"
    assert reader.damage() == []


def test_a_body_longer_than_a_record_can_be_is_cut_and_not_lost(tmp_path: Path) -> None:
    journal = Journal(tmp_path, sync="never")
    journal.append("sor", "message", b"before", 1, 2)
    journal.append("sor", "refused", b"x" * (LARGEST + 1), 2)
    journal.append("sor", "message", b"behind", 3, 3)
    journal.close()
    before, cut, behind = read_all(tmp_path)
    assert (before.body, behind.body) == (b"before", b"behind")
    assert cut.kind == "refused"
    assert cut.body == b"x" * len(cut.body)
    assert LARGEST - 1000 < len(cut.body) <= LARGEST


def test_a_disk_that_fails_while_a_segment_is_turned_stops_the_journal_until_a_restart(tmp_path: Path) -> None:
    journal = Journal(tmp_path, segment_bytes=300, sync="always")
    first = journal.append("S", "message", b"x" * 400, seen=1)
    reader, writer = os.pipe()
    os.dup2(writer, journal._fd)  # a descriptor that cannot be forced to disk: fdatasync fails with EINVAL
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(2):
        with pytest.raises(OSError, match="Invalid argument"):
            journal.append("S", "message", b"y", seen=2)
    assert len(list(Path("/proc/self/fd").iterdir())) <= before, "the descriptor of the old segment is closed"
    assert journal.failure is not None
    for fd in (reader, writer):
        os.close(fd)
    journal.close()
    with closing(Journal(tmp_path, segment_bytes=300, sync="always")) as again:
        assert again.next > first
        again.append("S", "message", b"z", seen=3)
    assert [record.body for record in read_all(tmp_path)] == [b"x" * 400, b"z"]

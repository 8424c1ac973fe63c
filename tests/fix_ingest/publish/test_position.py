"""Positions on disk: whole or not at all, the newest of several, a disk that fails waited for."""

from __future__ import annotations

import stat
from pathlib import Path

from fix_ingest.journal import Position
from fix_ingest.publish.position import Saved, Scribe, load, save
from tests.waiting import until


def saved(n: int) -> Saved:
    return Saved(source="s", position=Position(1, n, n), chain=(n, -1), decoder=b"", newest=None, gone={"one": False})


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "position"
    assert load(path, "s", 2, tmp_path) is None
    save(path, saved(7))
    assert load(path, "s", 2, tmp_path) == saved(7)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_newest_is_written_and_the_last_at_the_end(tmp_path: Path) -> None:
    scribe = Scribe(tmp_path / "position")
    for n in range(1, 200):
        scribe.put(saved(n))
    scribe.close()
    assert scribe.written == 199
    assert load(tmp_path / "position", "s", 2, tmp_path) == saved(199)


def test_a_disk_that_fails_is_told_and_waited_for(tmp_path: Path) -> None:
    obstacle = tmp_path / "position.part"
    obstacle.mkdir()
    scribe = Scribe(tmp_path / "position")
    scribe.put(saved(1))
    until(lambda: "cannot be written" in scribe.why)
    assert scribe.written is None
    obstacle.rmdir()
    until(lambda: scribe.written == 1)
    assert scribe.why == ""
    scribe.close()

"""A disk that takes no more: the listener refuses messages instead of losing them."""

from __future__ import annotations

import os
import resource
import subprocess
from pathlib import Path
from typing import BinaryIO

import pytest

from tests.fix_ingest.session.listening import Listener, exec_ids, is_root, report, source_for
from tests.waiting import until

pytestmark = pytest.mark.line


def _refused_then_complete(listener: Listener, make_room: object) -> None:
    """Send until the disk is full, see the session refuse, make room, and find everything."""
    assert callable(make_room)
    with source_for(listener, rate=2000.0) as source:
        source.send(report(i) for i in range(1500))
        until(lambda: listener.metric("disk_errors_total") > 0)
        before = len(listener.messages())
        assert before < 1500
        make_room()
        assert source.wait_confirmed(60)
    assert exec_ids(listener.messages()) == list(range(1500))
    assert "journal cannot be written" in listener.log()


def test_limited_file_size_refuses_instead_of_losing(listener: Listener) -> None:
    process = listener.process
    assert process is not None
    no_limit = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
    _refused_then_complete(listener, lambda: resource.prlimit(process.pid, resource.RLIMIT_FSIZE, no_limit))


def test_full_disk_refuses_instead_of_losing(tmp_path: Path) -> None:
    if not is_root():
        pytest.skip("needs root to mount a small file system")
    state = tmp_path / "state"
    state.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m,mode=700", "tmpfs", str(state)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"cannot mount a small file system here: {mounted.stderr.decode().strip()}")
    try:
        with Listener(tmp_path) as listener:
            filler = state / "filler"
            with filler.open("wb") as file:
                _fill(file, leave=200_000, path=state)
            _refused_then_complete(listener, filler.unlink)
            assert listener.stop() == 0
    finally:
        until(lambda: subprocess.run(["umount", str(state)], capture_output=True, check=False).returncode == 0)


def _fill(file: BinaryIO, leave: int, path: Path) -> None:
    room = os.statvfs(path)
    file.write(b"\0" * (room.f_bavail * room.f_frsize - leave))

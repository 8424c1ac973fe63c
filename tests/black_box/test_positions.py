"""A position on disk that a crash or a hand has spoilt."""

from __future__ import annotations

from pathlib import Path

import pytest

from fix_ingest.publish import position as publishing
from monitor.feeds import resume as playing

BAD = (b"", b"{", b'{"play": "\xff"}', b'{"play": "p"}', b"\x81\xa1a\xa1\xff", b"\x00" * 64)


@pytest.mark.parametrize("bad", BAD)
def test_a_player_begins_anew(tmp_path: Path, bad: bytes) -> None:
    (tmp_path / "p.json").write_bytes(bad)
    standing = playing.resumed(tmp_path / "p.json", "p", 5_000, False)
    assert (standing.first, standing.done) == (5, 0)


@pytest.mark.parametrize("bad", BAD)
def test_a_publisher_sends_everything_again(tmp_path: Path, bad: bytes) -> None:
    (tmp_path / "p").write_bytes(bad)
    assert publishing.load(tmp_path / "p", "s", 1, tmp_path) is None
    assert (tmp_path / "p.unreadable").read_bytes() == bad

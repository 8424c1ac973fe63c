"""A stranger with a folder of his own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.black_box.replay_cli import ReplayCli


@pytest.fixture
def stranger(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> ReplayCli:
    return ReplayCli(tmp_path, capsys)

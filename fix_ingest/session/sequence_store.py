"""What QuickFIX's file store says about a session's sequence numbers."""

from __future__ import annotations

import calendar
import time
from pathlib import Path

import structlog

from monitor.config.settings import Session

log = structlog.get_logger()


def session_file(store: Path, session: Session) -> Path:
    """The file that says when a session's numbers last began again."""
    return store / f"{session.begin_string}-{session.sender}-{session.target}.session"


def numbers_began(path: Path) -> int:
    """When the numbers last began at 1, ns UTC; 0 when it cannot be read."""
    try:
        day, _, clock = path.read_text("ascii").strip().partition("-")
        whole = time.strptime(f"{day} {clock[:8]}", "%Y%m%d %H:%M:%S")
    except (OSError, ValueError):
        log.warning("store cannot be read; the journal decides", path=str(path))
        return 0
    return calendar.timegm(whole) * 1_000_000_000 + int((clock[9:] + "000000000")[:9])

"""Waiting with a deadline for what happens in other threads and processes, and ports for them."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(ask: Callable[[], T], seconds: float = 60.0, why: Callable[[], str] = str) -> T:
    """Poll until the answer is true, and give it; fails after ``seconds``, with what ``why`` says."""
    deadline = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < deadline, f"did not happen within {seconds:.0f} s {why()}"
        time.sleep(0.02)  # a poll with a deadline, not a guess
    return answer


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])

"""Waiting with a deadline for what happens in other threads and processes, and ports for them."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def until(ask: Callable[[], T], seconds: float = 60.0, why: Callable[[], str] = str) -> T:
    """Poll until the answer is true, and give it; fails after ``seconds``, with what ``why`` says."""
    deadline = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < deadline, f"did not happen within {seconds:.0f} s {why()}"
        time.sleep(0.02)  # a poll with a deadline, not a guess
    return answer


_CLIENTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
_given: set[int] = set()


def free_port() -> int:
    """A port that is free now and was not given here before.

    Below those the system takes for clients' connections: one of these could have it before it is listened on.
    """
    above = int(_CLIENTS.read_text().split()[0]) if _CLIENTS.exists() else 32768
    while True:
        port = random.randrange(above // 2, above)  # noqa: S311 - no secret
        if port not in _given and _free(port):
            _given.add(port)
            return port


def _free(port: int) -> bool:
    with socket.socket() as tried:
        try:
            tried.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True

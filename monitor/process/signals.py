"""SIGTERM and SIGINT as an event that a process waits for, so that it can finish what it has begun.

A second Ctrl-C is somebody who does not want to wait for that: it interrupts.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def stopping() -> Iterator[threading.Event]:
    """An event that is set at the first SIGTERM or SIGINT; the former handlers come back at the end.

    A second SIGINT raises `KeyboardInterrupt` in the main thread.
    """
    stop = threading.Event()

    def asked(number: int, _: object) -> None:
        if stop.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, asked) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def terminated() -> Iterator[None]:
    """SIGTERM ends what is done here as Ctrl-C does, with `KeyboardInterrupt`, so that it is cleared away."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def asked(number: int, _: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, asked)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

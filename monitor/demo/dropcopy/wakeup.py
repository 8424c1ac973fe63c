"""Wakes a thread that waits for sockets."""

from __future__ import annotations

import os
import select
import socket


class Bell:
    """A pipe: any thread rings, one waits."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)

    def ring(self) -> None:
        """Wake the thread that waits, or that will wait next."""
        try:
            os.write(self._write, b"w")
        except OSError:
            """Full: the thread will wake anyhow. Closed: it has ended."""

    def wait(self, seconds: float, other: socket.socket | None = None) -> bool:
        """Wait for a ring, or for ``other`` to become readable: answers whether it is."""
        waiting = [self._read] if other is None else [self._read, other.fileno()]
        ready, _, _ = select.select(waiting, [], [], seconds)
        self._silence()
        return other is not None and other.fileno() in ready

    def close(self) -> None:
        """Give the pipe back; a ring from here on is not heard."""
        os.close(self._read)
        os.close(self._write)
        self._read = self._write = -1

    def _silence(self) -> None:
        try:
            while os.read(self._read, 4096):
                """Whatever woke us is looked at anyhow."""
        except BlockingIOError:
            """Empty."""

"""Asks the /healthz of processes every few seconds, and remembers what each said last."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable

from msgspec import Struct

from monitor.process import address

EVERY_S = 2.0
ANSWER_S = 2.0


class Answer(Struct, frozen=True, kw_only=True):
    """What a process said of itself."""

    ok: bool
    why: str
    restart_helps: bool = False
    at: float
    """When, by the clock the checkup was given."""


class HealthPoll:
    """The last answer of each process; one that does not answer keeps its last, which grows old."""

    def __init__(self, every_s: float = EVERY_S, now: Callable[[], float] = time.monotonic) -> None:
        self._every_s, self._now = every_s, now
        self._answers: dict[str, Answer] = {}
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def add(self, name: str, there: str) -> None:
        """Ask one more, at ``host:port``, each in a thread of its own: one that hangs delays nobody's turn."""
        thread = threading.Thread(target=self._ask_often, args=(name, there), name=f"checkup-{name}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def last(self, name: str) -> Answer | None:
        """What it said last; ``None`` when it has never answered."""
        return self._answers.get(name)

    def close(self) -> None:
        """Ask no more."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask_often(self, name: str, there: str) -> None:
        while not self._stop.wait(self._every_s):
            answer = ask(there, self._now)
            if answer is not None:
                self._answers[name] = answer


def ask(text: str, now: Callable[[], float] = time.monotonic) -> Answer | None:
    """What the process at ``host:port`` says; ``None`` when nobody answers there in time."""
    there = address.parse(text)
    connection = http.client.HTTPConnection(there.host, there.port, timeout=ANSWER_S)
    try:
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        said = _said(answer.read(1 << 16))
        why, helps = str(said.get("why") or ""), said.get("restart_helps") is True
        return Answer(ok=answer.status == 200, why=why, restart_helps=helps, at=now())
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _said(body: bytes) -> dict[str, object]:
    try:
        said = json.loads(body)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}

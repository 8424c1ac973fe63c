"""Carries notices from the outbox to one channel, one at a time, until each is delivered or refused."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterable

import structlog

from alerts.channels import Channel, Delivered, Outcome, Refused, Retry
from alerts.outbox import Notice, NoticeState, Outbox
from alerts.store import Store

log = structlog.get_logger()

NANO = 1_000_000_000
FIRST_S, LONGEST_S = 1.0, 120.0
LONGEST_ASKED_S = 3600.0
"""No channel is left alone for longer, whatever it asks: it may have been a proxy's mistake."""


def backoff_ns(tries: int, after_s: float | None) -> int:
    """How long to wait after so many tries, ns: doubling from a second to two minutes, or as long as was asked."""
    wait = min(LONGEST_S, FIRST_S * 2 ** min(tries - 1, 10))
    asked = 0.0 if after_s is None else min(after_s, LONGEST_ASKED_S)
    return int(max(wait, asked) * NANO)


class ChannelDelivery:
    """Delivery to one channel."""

    def __init__(
        self,
        channel: Channel,
        store: Store,
        outbox: Outbox,
        now: Callable[[], int],
        count: Callable[[str, str], None],
    ) -> None:
        """``count(channel, outcome)`` is told of every attempt, inside the transaction that records it."""
        self.channel = channel
        self.trouble: str | None = None
        """Why the last attempt failed; ``None`` when it did not."""
        self._store = store
        self._outbox = outbox
        self._now = now
        self._count = count
        self._wake = asyncio.Event()
        self._rest_until = 0

    def wake(self) -> None:
        """There may be something new."""
        self._wake.set()

    async def run(self) -> None:
        """Deliver for ever."""
        while True:
            self._wake.clear()
            try:
                notice = self._next()
                if notice is not None:
                    await self._try(notice)
                    continue
                await self._sleep()
            except sqlite3.Error:
                log.exception(
                    "the store cannot be read or written; waiting", channel=self.channel.name, hint="is the disk full?"
                )
                await asyncio.sleep(FIRST_S)

    def _next(self) -> Notice | None:
        now = self._now()
        return self._outbox.due(self.channel.name, now) if now >= self._rest_until else None

    async def _sleep(self) -> None:
        due = self._outbox.next_due(self.channel.name)
        wait = None if due is None else max(0.05, (max(due, self._rest_until) - self._now()) / NANO)
        try:
            async with asyncio.timeout(5.0 if wait is None else min(wait, 5.0)):
                await self._wake.wait()
        except TimeoutError:
            return
        if self._now() < self._rest_until:
            await asyncio.sleep(0.05)

    async def _try(self, notice: Notice) -> None:
        with self._store.transaction():
            attempt = self._outbox.begin(notice.key, self._now())
        thread = self._outbox.thread(notice.incident, self.channel.name)
        try:
            outcome = await self.channel.deliver(notice.key, notice.message, thread)
        except Exception as error:  # a fault of one channel must not stop the others, nor lose the notice
            log.exception("a channel failed; the notice is tried again", channel=self.channel.name)
            outcome = Retry(why=f"unexpected {type(error).__name__}")
        while not self._recorded(notice, attempt, outcome):  # noqa: ASYNC110 - a disk that has room again is no event
            await asyncio.sleep(FIRST_S)

    def _recorded(self, notice: Notice, attempt: int, outcome: Outcome) -> bool:
        try:
            self._record(notice, attempt, outcome)
        except sqlite3.Error:
            log.exception("an attempt cannot be put on record; trying again", channel=self.channel.name)
            return False
        return True

    def _record(self, notice: Notice, attempt: int, outcome: Outcome) -> None:
        now = self._now()
        state, due, thread, word, detail = _standing(outcome, notice.tries + 1, now)
        with self._store.transaction():
            self._outbox.end(attempt, now, word, detail)
            self._outbox.settle(notice.key, state, due, thread)
            self._count(self.channel.name, word)
        self._tell(outcome, notice)
        if isinstance(outcome, Retry):
            self._rest_until = now + backoff_ns(1, outcome.after_s)

    def _tell(self, outcome: Outcome, notice: Notice) -> None:
        why = None if isinstance(outcome, Delivered) else outcome.why
        if why is not None and why != self.trouble:
            log.warning("notice not delivered", channel=self.channel.name, why=why, key=notice.key)
        elif why is None and self.trouble is not None:
            log.info("the channel delivers again", channel=self.channel.name)
        self.trouble = why


def _standing(outcome: Outcome, tries: int, now: int) -> tuple[NoticeState, int, str | None, str, str]:
    match outcome:
        case Delivered(thread=thread, detail=detail):
            return NoticeState.DELIVERED, now, thread, "delivered", detail
        case Refused(why=why):
            return NoticeState.REFUSED, now, None, "refused", why
        case Retry(why=why, after_s=after):
            return NoticeState.PENDING, now + backoff_ns(tries, after), None, "put off", why


def troubles(deliveries: Iterable[ChannelDelivery]) -> dict[str, str]:
    """What keeps each troubled channel from delivering."""
    return {c.channel.name: c.trouble for c in deliveries if c.trouble is not None}

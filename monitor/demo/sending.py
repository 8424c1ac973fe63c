"""The demo's router as a thread: sends its planned messages over a real FIX session, each when it is due."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from itertools import groupby

from monitor.demo import router
from monitor.demo.dropcopy import DropCopySource
from monitor.demo.scorecard import Sent
from monitor.demo.stage import VENUES_DECLARED, VENUES_STRANGE, Stage
from monitor.feeds.synthetic_market import SyntheticMarket

SLICE_NS = 2_000_000
"""Messages due within the same two milliseconds go out together."""
AHEAD_NS = 5_000_000_000
"""Orders are made up so long before they are due."""
IDLE_NS = 2_000_000
"""The next batch must be so far away for others to be made up meanwhile."""
LEAD_NS = 2_000_000_000
"""From the start to the first order: time to make some up."""
FOR_EVER_S = 365 * 86_400.0
CONFIRM_S = 30.0

Batch = list[tuple[router.Sent, router.Order]]


class Router(threading.Thread):
    """Sends orders at ``rate`` a second for ``seconds`` (or until ``stop``), then waits until all have arrived."""

    def __init__(self, stage: Stage, *, rate: float, seed: int, seconds: float | None, stop: threading.Event) -> None:
        super().__init__(name="router", daemon=True)
        self.sent = Sent()
        self._stage = stage
        self._rate = rate
        self._seed = seed
        self._seconds = FOR_EVER_S if seconds is None else seconds
        self._stop_asked = stop
        self._dropped: set[int] = set()
        """Orders that were made up and will not be sent, by identity."""

    def run(self) -> None:
        """Log on, send, confirm, log out."""
        session = self._stage.settings.listen.session[0]
        source = DropCopySource(session.begin_string, session.target, session.sender, session.host, session.port)
        source.start()
        try:
            self._send(source, time.time_ns() + LEAD_NS)
            source.wait_confirmed(CONFIRM_S)
        finally:
            source.logout()

    def _send(self, source: DropCopySource, start: int) -> None:
        market = SyntheticMarket(self._seed)
        plan = router.Plan(
            seed=self._seed,
            start=start,
            end=start + int(self._seconds * 1e9),
            orders_per_second=self._rate,
            symbols=market.symbols,
            venues=VENUES_DECLARED,
            strange=VENUES_STRANGE,
        )
        dealt = router.messages(self._until_stopped(router.orders(plan, market.touch)))
        batches = (list(due) for _, due in groupby(dealt, key=lambda item: item[0].at // SLICE_NS))
        ahead: deque[Batch] = deque()
        while self._think_ahead(ahead, batches):
            if batch := self._still_meant(ahead.popleft()):
                self._wait_for(batch[-1][0].at)
                source.send([list(message.fields) for message, _ in batch])
                self._remember(batch)

    def _think_ahead(self, ahead: deque[Batch], batches: Iterator[Batch]) -> bool:
        """Make up batches until the first is due or those of the next seconds are there; whether there is any.

        On a busy machine an order made up when it is due would be sent late: its messages state when it happened.
        """
        while not ahead or self._has_time(ahead):
            batch = next(batches, None)
            if batch is None:
                break
            ahead.append(batch)
        return bool(ahead)

    def _has_time(self, ahead: deque[Batch]) -> bool:
        now = time.time_ns()
        return ahead[0][0][0].at > now + IDLE_NS and ahead[-1][0][0].at < now + AHEAD_NS

    def _still_meant(self, batch: Batch) -> Batch:
        """The messages that are to be sent: once somebody asks to stop, none of an order that has not begun."""
        if self._stop_asked.is_set():
            self._dropped.update(id(order) for message, order in batch if message is order.sent[0])
        return [item for item in batch if id(item[1]) not in self._dropped]

    def _until_stopped(self, orders: router.Orders) -> router.Orders:
        """Orders until somebody asks to stop; what has begun is still told to its end."""
        for order in orders:
            if self._stop_asked.is_set():
                return
            yield order

    def _wait_for(self, at: int) -> None:
        """Until the time has come, also when stopping: an order's later messages keep their times."""
        while (left := at - time.time_ns()) > 0:
            time.sleep(left / 1e9)

    def _remember(self, batch: Batch) -> None:
        for message, order in batch:
            self.sent.messages += 1
            self.sent.fills += (150, "F") in message.fields
            self.sent.last_at = message.at
            if message is order.sent[0] and order.planted is not None:
                self.sent.planted.append(order.planted)

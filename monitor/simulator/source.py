"""The demo's router as a thread: sends its planned messages over a real FIX session, each when it is due."""

from __future__ import annotations

import threading
import time
from itertools import groupby

from fix_ingest.dropcopy import DropCopySource
from monitor.simulator import router
from monitor.simulator.market import SyntheticMarket
from monitor.simulator.setup import VENUES_DECLARED, VENUES_STRANGE, Stage
from monitor.simulator.verdict import Sent

SLICE_NS = 2_000_000
"""Messages due within the same two milliseconds go out together."""
FOR_EVER_S = 365 * 86_400.0
CONFIRM_S = 30.0


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

    def run(self) -> None:
        """Log on, send, confirm, log out."""
        session = self._stage.settings.listen.session[0]
        source = DropCopySource(session.begin_string, session.target, session.sender, session.host, session.port)
        source.start()
        try:
            self._send(source, time.time_ns() + 1_000_000_000)
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
        for _, due in groupby(dealt, key=lambda item: item[0].at // SLICE_NS):
            batch = list(due)
            self._wait_for(batch[-1][0].at)
            source.send([list(message.fields) for message, _ in batch])
            self._remember(batch)

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

    def _remember(self, batch: list[tuple[router.Sent, router.Order]]) -> None:
        for message, order in batch:
            self.sent.messages += 1
            self.sent.fills += (150, "F") in message.fields
            self.sent.last_at = message.at
            if message is order.sent[0] and order.planted is not None:
                self.sent.planted.append(order.planted)

"""Messages of Kafka as values that can be kept and added up, or a reason why not.

The wire says which fields there are; this says which values can be worked with: numbers that are finite and fit into
64 bits. One message beyond that must not stop all others, so it is refused here, before anything is changed.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from monitor.wire import codec
from monitor.wire.events import Execution, Finding, LineHealth, Step

LARGEST = 1 << 63
MOST_SHARES = Decimal(10**15)


class Unfit(ValueError):
    """The message cannot be used; says why."""


def findings(value: bytes) -> list[Finding]:
    """Findings of a message; raises `Unfit`."""
    try:
        found = codec.decode_findings(value)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unfit(str(error)) from None
    for one in found:
        _whole("finding", one.revision, one.at, one.seen, one.cost, *_evidence(one), *_times(one.steps))
        _shares(one.qty, *(s.qty for s in one.steps))
    return found


def executions(value: bytes) -> list[Execution]:
    """Executions of a message; raises `Unfit`."""
    try:
        found = codec.decode_executions(value)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unfit(str(error)) from None
    for one in found:
        scores = (one.effective_spread, one.quoted_spread, one.price_improvement)
        _whole("execution", one.revision, one.at, one.seen, one.price, one.n, *scores, *_times(one.steps))
        _shares(one.qty, *(s.qty for s in one.steps))
    return found


def health(value: bytes) -> list[LineHealth]:
    """Line health of a message; raises `Unfit`."""
    try:
        found = codec.decode_health(value)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unfit(str(error)) from None
    for one in found:
        numbers = (one.partition, one.wall, one.watermark, one.settled, one.held, one.open_orders, one.patience_ns)
        _whole("line", *numbers, *one.counts.values(), *one.sources.values(), *one.latency_ns)
    return found


def _evidence(finding: Finding) -> list[int]:
    return [v for v in finding.evidence.values() if isinstance(v, int)]


def _times(steps: Iterable[Step]) -> list[int | None]:
    return [n for s in steps for n in (s.at, s.price, *((s.quote.bid, s.quote.ask) if s.quote is not None else ()))]


def _whole(what: str, *numbers: int | None) -> None:
    if any(n is not None and not -LARGEST <= n < LARGEST for n in numbers):
        raise Unfit(f"a number of the {what} does not fit into 64 bits")


def _shares(*quantities: Decimal | None) -> None:
    if any(q is not None and not (q.is_finite() and abs(q) <= MOST_SHARES) for q in quantities):
        raise Unfit("a quantity is not a number of shares")

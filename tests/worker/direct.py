"""What engines tell that are fed directly, without Kafka and Faust: the yardstick of the line's tests."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct, field

from monitor.wire import blocks, codec
from monitor.wire.events import Execution, Finding
from monitor.worker.partition import Judge, MakeJudge
from tests.worker.feed import Sent


class Verdicts(Struct):
    """The newest revision of everything told."""

    executions: dict[str, Execution] = field(default_factory=dict)
    findings: dict[str, Finding] = field(default_factory=dict)


def judge(sent: Iterable[Sent], make: MakeJudge, partitions: int = 4) -> Verdicts:
    engines: dict[int, Judge] = {p: make(None) for p in range(partitions)}
    verdicts = Verdicts()
    for token, message in enumerate(sent):
        engine = engines[message.partition]
        if message.topic == "nbbo":
            engine.block(blocks.decode(message.value), token)
        else:
            for event in codec.decode_reports(message.value):
                engine.report(event)
        told = engine.advance()
        verdicts.executions.update((e.exec_id, e) for e in told.executions)
        verdicts.findings.update((f.id, f) for f in told.findings)
    return verdicts

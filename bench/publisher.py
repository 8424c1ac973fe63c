"""Journal → Kafka, acknowledged: reports a second, beside a plain kafka-python send of each line in the same run."""

from __future__ import annotations

import contextlib
import sys
import tempfile
import time
from pathlib import Path

from kafka import KafkaProducer

from fix_ingest.decode.decoder import Decoder
from fix_ingest.journal import Journal, Reader
from fix_ingest.journal.retention import Pruner
from fix_ingest.publish import publisher
from fix_ingest.publish.messages import Clock, Outbound
from fix_ingest.publish.position import Scribe
from monitor.config import settings
from monitor.kafka import topics
from monitor.kafka.embedded.broker import Broker
from monitor.kafka.producer import BoundedProducer
from monitor.process import gc_tuning
from monitor.venues import shipped
from monitor.wire import codec

REPORTS = 60_000
SYMBOLS = 500


def run() -> dict[str, float]:
    """Measure; a few seconds. The ratio compares sending alone: decoding is in neither of its sides."""
    gc_tuning.collect_rarely()  # as `sorwatch publish` does
    with tempfile.TemporaryDirectory() as name, Broker(Path(name) / "kafka", progress=None) as broker:
        directory = Path(name)
        kafka = settings.Kafka(bootstrap=(broker.bootstrap,))
        if problems := topics.ensure(kafka):
            raise RuntimeError(problems)
        fill(directory / "journal")
        lines = decoded(directory / "journal")
        before = time.process_time()
        whole = published(kafka, directory)
        cpu = time.process_time() - before
        ours = sent_by_us(kafka, lines)
        plain = sent_plainly(kafka, lines)
    return {
        "reports": REPORTS,
        "journal_to_kafka_reports_per_s": round(whole),
        "journal_to_kafka_cpu_us_per_report": round(cpu / REPORTS * 1e6, 1),
        "sending_alone_reports_per_s": round(ours),
        "plain_kafka_python_reports_per_s": round(plain),
        "ratio_to_plain_kafka_python": round(ours / plain, 2),
    }


def message(i: int) -> bytes:
    """The fill of an order, as a drop copy has it."""
    at = f"20240102-14:{30 + i // 60_000 % 30}:{i // 1000 % 60:02d}.{i % 1000:03d}"
    fields = [
        "35=8", f"34={i}", "49=ROUTER", "56=DESK", f"52={at}", f"37=B{i // 3}", f"11=C{i // 3}", f"17=E{i}",
        "150=F", "39=1", f"55=S{i // 3 % SYMBOLS:03d}", "54=1", "38=300", "44=101.25", "40=2", "59=0", "32=100",
        "31=101.24", "151=200", "14=100", "6=101.24", "30=XNAS", f"60={at}", "851=2", "1=ACCOUNT7",
    ]  # fmt: skip
    body = "\x01".join(fields).encode() + b"\x01"
    head = f"8=FIX.4.4\x019={len(body)}\x01".encode() + body
    return head + f"10={sum(head) % 256:03d}\x01".encode()


def fill(directory: Path) -> None:
    """A journal of `REPORTS` messages."""
    with contextlib.closing(Journal(directory, sync="never")) as journal:
        for i in range(1, REPORTS + 1):
            journal.append("one", "message", message(i), time.time_ns())


def decoder() -> Decoder:
    return Decoder("dropcopy", {}, shipped.shipped())


def decoded(directory: Path) -> list[tuple[int, bytes]]:
    """Partition and line of every event."""
    reader, one, lines = Reader(directory), decoder(), []
    while records := reader.read(10_000):
        for record in records:
            for event in one.decode(record):
                symbol = getattr(event, "symbol", "")
                lines.append((codec.partition_of(symbol, 4), codec.encode_lines([event])))
    return lines


def producer(kafka: settings.Kafka) -> BoundedProducer:
    """One that is connected."""
    made = BoundedProducer(kafka, {codec.topic(kafka.prefix, "reports"): 4}, name="bench")
    deadline = time.monotonic() + 30
    while not made.state().connected:
        if time.monotonic() > deadline:
            raise TimeoutError(made.state().why)
        time.sleep(0.01)
    return made


def published(kafka: settings.Kafka, directory: Path) -> float:
    """Reports a second from the journal to Kafka's acknowledgement, positions written as always."""
    with producer(kafka) as one:
        line = publisher.Publisher(
            source="dropcopy",
            reader=Reader(directory / "journal"),
            decoder=decoder(),
            outbound=Outbound("dropcopy", 4),
            clock=Clock("wall", "dropcopy"),
            producer=one,
            topic=codec.topic(kafka.prefix, "reports"),
            scribe=Scribe(directory / "position"),
            pruner=Pruner(directory / "journal", days=30.0, most_bytes=None),
            tick_ns=20_000_000,
        )
        began = time.perf_counter()
        while not line.step():
            one.wait_for_room(1.0)
        if not line.finish(60.0) or line.saved_n != REPORTS:
            raise RuntimeError("not everything was acknowledged")
        return REPORTS / (time.perf_counter() - began)


def sent_by_us(kafka: settings.Kafka, lines: list[tuple[int, bytes]]) -> float:
    """Reports a second through the bounded producer, gathered as the publisher gathers them."""
    topic = codec.topic(kafka.prefix, "reports")
    with producer(kafka) as one:
        began = time.perf_counter()
        for token, start in enumerate(range(0, len(lines), 1000)):
            pages: list[list[bytes]] = [[] for _ in range(4)]
            for partition, line in lines[start : start + 1000]:
                pages[partition].append(line)
            for partition, page in enumerate(pages):
                one.send(topic, partition, b"".join(page), codec.headers("bench", start, start, start), token)
        one.flush(60.0)
        return len(lines) / (time.perf_counter() - began)


def sent_plainly(kafka: settings.Kafka, lines: list[tuple[int, bytes]]) -> float:
    """Reports a second by KafkaProducer.send of one line a message: idempotent, acks=all, its batches widened."""
    plain = KafkaProducer(bootstrap_servers=list(kafka.servers), acks="all", linger_ms=5, batch_size=256 << 10)
    topic = codec.topic(kafka.prefix, "reports")
    plain.partitions_for(topic)
    began = time.perf_counter()
    for partition, line in lines:
        plain.send(topic, line, partition=partition)
    plain.flush(60.0)
    took = time.perf_counter() - began
    plain.close()
    return len(lines) / took


if __name__ == "__main__":
    import json

    from monitor.process import logs

    logs.configure("bench")
    sys.stdout.write(json.dumps(run(), indent=1) + "\n")

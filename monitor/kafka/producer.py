"""Publishes to Kafka without losing, reordering or growing: bytes in flight are bounded, failures are mended here.

kafka-python's producer never blocks, drops a record into an errback once its patience ends, and stays broken for ever
after some failures. So what has not been acknowledged is kept here, in order; at the first record that fails the
producer is stopped before it sends anything behind that record, and a new one sends all of it again. A reader may
then see messages twice, never fewer and never, within a partition, a message before the one it follows for good.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final

import structlog
from kafka import KafkaProducer
from kafka.errors import AuthorizationError, KafkaError
from kafka.net.compat import KafkaNetClient
from msgspec import Struct

from monitor.config import settings
from monitor.kafka.connection import Unavailable, client_config, reach, refused
from monitor.kafka.embedded.properties import MESSAGE_BYTES
from monitor.kafka.unacknowledged import Unacknowledged

log = structlog.get_logger()

OVERHEAD: Final = 256
"""Bytes counted for a message beside its value."""
LARGEST: Final = MESSAGE_BYTES - (64 << 10)
"""Largest value, with room for headers and framing."""
MOST_UNSETTLED: Final = 1 << 18
"""Messages that may stand behind an unacknowledged one: a partition without a leader must not fill the memory."""
FIRST_WAIT_S, LONGEST_WAIT_S = 0.1, 2.0
_FOR_EVER_MS: Final = 2**31 - 1

Headers = list[tuple[str, bytes]]


class TooLarge(ValueError):
    """A value that no broker of ours takes; the owner must split it."""


class ProducerState(Struct, frozen=True, kw_only=True):
    """How the producer fares, for /healthz and /metrics."""

    connected: bool
    why: str
    """What is wrong and what to do, empty when nothing is."""
    messages: int
    """Sent and not acknowledged."""
    bytes: int
    stalled_s: float
    """Since when nothing has been acknowledged although something is in flight."""
    acknowledged: int
    """Messages since the start."""
    created: int
    """Producers made since the start; more than one means re-creations."""
    errors: dict[str, int]
    """Failures by kind."""


class _Message(Struct, eq=False):
    topic: str
    partition: int
    value: bytes
    headers: Headers
    token: int


class BoundedProducer:
    """Sends messages in order and keeps each until Kafka has it, over any number of producers.

    ``topics`` are the full names it will send to and the partitions each must have. A thread of its own connects and
    connects again; `send` only blocks while ``in_flight_bytes`` are exceeded. Raises `Mistaken` at once when a secret
    or certificate cannot be read.
    """

    def __init__(
        self,
        kafka: settings.Kafka,
        topics: Mapping[str, int],
        *,
        name: str,
        in_flight_bytes: int = 32 << 20,
        linger_ms: int = 0,
    ) -> None:
        client_config(kafka)
        self._kafka, self._topics, self._name = kafka, dict(topics), name
        self._linger_ms = linger_ms
        self._order = threading.Lock()
        self._count = threading.Condition()
        self._waiting: Unacknowledged[_Message] = Unacknowledged(in_flight_bytes)
        self._tokens: deque[tuple[int, int]] = deque()
        """Number and token of every message that is not settled."""
        self._acknowledged = self._created = 0
        self._acked: int | None = None
        self._progress = time.monotonic()
        self._errors: Counter[str] = Counter()
        self._why = "not connected yet"
        self._producer: KafkaProducer | None = None
        self._failed = threading.Event()
        self._closing = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name=f"{name}-keeper", daemon=True)
        self._keeper.start()

    def send(self, topic: str, partition: int, value: bytes, headers: Headers, token: int) -> None:
        """Send behind everything sent before; blocks while too much is in flight.

        ``token`` must not fall; it comes back through `acked`. Raises `TooLarge`; raises `RuntimeError` once closed.
        """
        if len(value) > LARGEST:
            raise TooLarge(f"a message of {len(value)} bytes for {topic}: at most {LARGEST}")
        while not self.wait_for_room(1.0):
            pass
        message = _Message(topic, partition, value, headers, token)
        with self._order:
            with self._count:
                if not self._waiting:
                    self._progress = time.monotonic()
                number = self._waiting.add(message, len(value) + OVERHEAD)
                self._tokens.append((number, token))
            if self._producer is not None:
                self._transmit(self._producer, number, message)

    def wait_for_room(self, seconds: float) -> bool:
        """Whether there is room for a message, waiting for it that long; raises `RuntimeError` once closed."""
        with self._count:
            self._count.wait_for(lambda: self._has_room() or self._closing.is_set(), seconds)
            if self._closing.is_set():
                raise RuntimeError("the producer is closed")
            return self._has_room()

    def _has_room(self) -> bool:
        return not self._waiting.full and len(self._tokens) < MOST_UNSETTLED

    def acked(self) -> int | None:
        """Token of the last message before which, and including which, every message is acknowledged."""
        return self._acked

    def flush(self, seconds: float) -> bool:
        """Wait until everything sent is acknowledged; whether it is."""
        with self._count:
            return self._count.wait_for(lambda: not self._waiting, seconds)

    def state(self) -> ProducerState:
        """How it fares now."""
        with self._count:
            stalled = time.monotonic() - self._progress if self._waiting else 0.0
            return ProducerState(
                connected=self._producer is not None and not self._failed.is_set(),
                why=self._why,
                messages=len(self._waiting),
                bytes=self._waiting.bytes,
                stalled_s=stalled,
                acknowledged=self._acknowledged,
                created=self._created,
                errors=dict(self._errors),
            )

    def close(self, seconds: float = 10.0) -> bool:
        """Wait for what is in flight, then let go; whether everything was acknowledged."""
        whole = self.flush(seconds)
        self._closing.set()
        self._failed.set()
        with self._count:
            self._count.notify_all()
        self._keeper.join(30.0)
        return whole

    def __enter__(self) -> BoundedProducer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close(0.0 if kind is not None else 10.0)

    def _keep(self) -> None:
        """Have a working producer for as long as we are open (the keeper's thread)."""
        wait = FIRST_WAIT_S
        while not self._closing.is_set():
            before = self._acknowledged
            try:
                self._live_once()
            except Exception as error:  # noqa: BLE001 - a client may fail with anything; it is told, and tried again
                self._told(error)
            if self._acknowledged > before:
                wait = FIRST_WAIT_S
            self._closing.wait(wait)
            wait = min(wait * 2, LONGEST_WAIT_S)

    def _live_once(self) -> None:
        """One producer from its making to its end."""
        self._failed.clear()
        if self._closing.is_set():
            return
        producer = self._connect()
        try:
            self._created += 1
            self._resume(producer)
            self._failed.wait()
        finally:
            with self._order:
                self._producer = None
            _end(producer)

    def _resume(self, producer: KafkaProducer) -> None:
        """Send again what is not acknowledged, in order, before anything new."""
        with self._order:
            with self._count:
                again = list(self._waiting)
                self._why = ""
                self._progress = time.monotonic()
            for number, message in again:
                self._transmit(producer, number, message)
                if self._failed.is_set():
                    return
            self._producer = producer
        log.info("publishing to Kafka", client=self._name, servers=self._kafka.servers, sent_again=len(again))

    def _transmit(self, producer: KafkaProducer, number: int, message: _Message) -> None:
        if self._failed.is_set():
            return
        try:
            future = producer.send(
                message.topic, value=message.value, headers=message.headers, partition=message.partition
            )
        except (KafkaError, AssertionError) as error:
            self._fail(producer, error)
            return
        future.add_callback(self._acknowledge, number)
        future.add_errback(self._refuse, producer)

    def _acknowledge(self, number: int, _: object) -> None:
        """Kafka has the message (the sender's thread)."""
        with self._count:
            self._progress = time.monotonic()
            self._acknowledged += 1
            waiting, had_room = self._waiting, self._has_room()
            waiting.acknowledge(number)
            first, tokens = waiting.first, self._tokens
            while tokens and tokens[0][0] < first:
                self._acked = tokens.popleft()[1]
            if not waiting or (not had_room and self._has_room()):
                self._count.notify_all()

    def _refuse(self, producer: KafkaProducer, error: Exception) -> None:
        """A message failed for good (the sender's thread): nothing behind it may be sent by this producer."""
        if producer is self._producer or self._producer is None:
            self._fail(producer, error)

    def _fail(self, producer: KafkaProducer, error: Exception) -> None:
        # the sender's own switch: KafkaProducer.close would first send what is queued behind the failed message
        producer._sender.force_close()
        if not self._failed.is_set():
            self._failed.set()
            self._told(error)

    def _told(self, error: Exception) -> None:
        told = refused(self._kafka, error) if isinstance(error, KafkaError) else error
        with self._count:
            self._errors[type(error).__name__] += 1
            new = self._why != str(told)
            self._why = str(told)
        if new:
            log.error("cannot publish to Kafka, trying again", client=self._name, why=str(told))

    def _connect(self) -> KafkaProducer:
        """A producer that knows its topics; raises `KafkaError`, `Unavailable` or `Mistaken`."""
        reach(self._kafka)
        made: list[KafkaNetClient] = []

        def client(**configs: Any) -> KafkaNetClient:
            made.append(KafkaNetClient(**configs))
            return made[-1]

        try:
            producer = KafkaProducer(**client_config(self._kafka), **self._tuning(), kafka_client=client)
        except BaseException:  # whatever it was, also an interrupt: its sockets are closed, then raised again
            for one in made:
                one.close()
            raise
        try:
            self._check_topics(producer)
        except BaseException:  # whatever it was, also an interrupt: its thread is ended, then raised again
            _end(producer)
            raise
        return producer

    def _tuning(self) -> dict[str, Any]:
        return {
            "client_id": self._name,
            "acks": "all",
            "enable_idempotence": True,
            # giving up is not the client's to decide
            "delivery_timeout_ms": _FOR_EVER_MS,
            "request_timeout_ms": 6_000,
            "bootstrap_timeout_ms": 5_000,
            "max_block_ms": 5_000,
            "batch_size": 256 << 10,
            "linger_ms": self._linger_ms,
            "max_request_size": MESSAGE_BYTES,
            "allow_auto_create_topics": False,
            "metrics_enabled": False,
        }

    def _check_topics(self, producer: KafkaProducer) -> None:
        """Know every topic before the first message, which would otherwise wait for it; and that it fits."""
        for topic, wanted in self._topics.items():
            try:
                there = producer.partitions_for(topic)
            except AuthorizationError as error:
                raise refused(self._kafka, error) from error
            except KafkaError as error:
                raise Unavailable(
                    f"topic {topic} is not there ({type(error).__name__}): run sorwatch topics"
                ) from error
            if len(there) != wanted:
                raise Unavailable(
                    f"topic {topic} has {len(there)} partitions, kafka.partitions says {wanted}: run sorwatch topics"
                )


def _end(producer: KafkaProducer) -> None:
    """Let go of a producer whose messages are either acknowledged or will be sent again by another."""
    producer._sender.force_close()
    producer._sender.join(10.0)
    try:
        producer.close(0)
    except KafkaError as error:
        log.debug("a producer did not close well", error=str(error))

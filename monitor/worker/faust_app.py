"""``sorwatch watch``: the worker inside Faust.

Faust gives the consumer group, the flow and the commits; the worker keeps what is never lost by itself: raw bytes
come in through one agent over both topics, nothing is acknowledged by Faust on its own, and what a checkpoint covers
is acknowledged in order of offsets. So Faust never commits more than a checkpoint covers; should it ever skip
something all the same, the worker sees it by the offset and reads it itself.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import faust
import structlog
import uvloop
from aiokafka.errors import KafkaError
from faust.contrib.asgi import bind_to_running_loop
from faust.transport.drivers import aiokafka as driver

from monitor.config import load, settings
from monitor.config.settings import Settings
from monitor.kafka import connection
from monitor.kafka.embedded.properties import MESSAGE_BYTES
from monitor.kafka.range_reader import RangeReader
from monitor.process import command_line, gc_tuning
from monitor.process.health_server import CannotListen, HealthServer
from monitor.wire import codec
from monitor.worker.assignment import Arrival
from monitor.worker.health import WorkerHealth
from monitor.worker.metrics import Meters
from monitor.worker.partition import MakeJudge, Topic
from monitor.worker.sender import AGAIN_S, TOLD_EVERY, KafkaSender, why_away
from monitor.worker.worker import Worker

log = structlog.get_logger()

JUDGE_S, JUDGE_SELDOM_S = 0.005, 0.02
"""How often what has come in is judged: at best, and when there is much to do."""
SWITCH_S = 0.0005
"""How long judging keeps the interpreter while Faust's consumer waits for it, after each piece it reads from a socket.

With Python's own 5 ms half as many bytes a second come in beside a busy thread (measured).
"""
METADATA_MS = 5_000
"""How often it is asked which topics and partitions there are."""
COMMIT_S = 5.0
"""How long the last commit may take."""
STOP_S = 12.0
"""How long leaving the group may take before the process ends without it: less than a supervisor waits."""


FETCH_WAIT_MS = 20
"""How long a broker that has nothing may keep a fetch waiting."""


class PromptThread(driver.AIOKafkaConsumerThread):
    """The consumer's thread, with a fetch that does not wait for long.

    There is one fetch under way to a broker at a time. Faust lets it wait for 1.5 s: while one topic has nothing new
    the other, on the same broker, is not read on (measured: 7 MB/s instead of 100).
    """

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        return consumer


class PromptConsumer(driver.Consumer):
    """Faust's consumer with that thread."""

    def _new_consumer_thread(self) -> Any:
        return PromptThread(self, loop=self.loop, beacon=self.beacon)


class Split(RuntimeError):
    """The group gave this worker one topic of a partition and not the other."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``sorwatch watch``."""
    command_line.add_config(parser)


def run(args: argparse.Namespace) -> int:
    """Watch until told to stop; exit code 1 when something failed for good, so that a supervisor starts it anew."""
    from monitor.worker import engines  # not needed by those who bring an engine of their own

    config = load.load(args.config)
    make = engines.maker(config.watch)
    gc_tuning.collect_rarely()
    sys.setswitchinterval(SWITCH_S)
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    return asyncio.run(serve(config, make))


async def serve(config: Settings, make: MakeJudge) -> int:
    """The worker's whole life in one event loop."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    meters, sender, range_reader = Meters(), KafkaSender(config.kafka), RangeReader(config.kafka)
    worker = Worker(config.watch, make, sender, range_reader, meters)
    worker_health = WorkerHealth(worker, sender)
    try:
        probe = HealthServer(config.watch.probe, "watch.probe", meters.registry, worker_health.health)
    except CannotListen as error:
        sys.stderr.write(f"{error}\n")
        return command_line.UNAVAILABLE
    log.info("probe", port=probe.port)
    try:
        connecting = asyncio.create_task(_connect(sender, range_reader, config))
        if not await _first(connecting, stop):
            return command_line.OK
        return await _watch(config, worker, stop)
    finally:
        await sender.stop()
        await range_reader.stop()
        probe.close()


async def _first(task: asyncio.Task[None], stop: asyncio.Event) -> bool:
    """Wait for the task, unless told to stop before."""
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if task.done():
        task.result()
        return True
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return False


async def _connect(sender: KafkaSender, range_reader: RangeReader, config: Settings) -> None:
    await sender.start()
    for attempt in itertools.count():
        try:
            await range_reader.start()
        except KafkaError as error:
            await range_reader.stop()
            if attempt % TOLD_EVERY == 0:
                log.warning("waiting for Kafka", why=await why_away(config.kafka, error))
            await asyncio.sleep(AGAIN_S)
        else:
            return


async def _watch(config: Settings, worker: Worker, stop: asyncio.Event) -> int:
    app = build(config, worker)
    bind_to_running_loop(app)
    app.finalize()
    app.transport.Consumer = PromptConsumer
    work = [
        asyncio.create_task(app.start(), name="faust"),
        asyncio.create_task(_judging(worker), name="judge"),
        asyncio.create_task(_every(0.1, worker.tick), name="tick"),
        asyncio.create_task(_every(0.05, worker.write_due), name="checkpoints"),
        asyncio.create_task(_every(1.0, worker.health), name="health"),
        asyncio.create_task(_every(0.5, worker.sit, worker.listen), name="listen"),
        asyncio.create_task(_until_crashed(app), name="faust-crash"),
        asyncio.create_task(worker.sending(), name="sender"),
    ]
    failed = await _until_failed(work, worker, stop)
    for task in work[1:]:
        task.cancel()
    if failed is not None:
        log.error("the worker cannot go on; a supervisor starts it again", why=repr(failed), exc_info=failed)
    code = command_line.OK if failed is None else command_line.FAILED
    leaving = asyncio.create_task(_leave(app, worker))
    _, late = await asyncio.wait({leaving, *work}, timeout=STOP_S)
    if late:
        _end_at_once(code)
    return code


def _end_at_once(code: int) -> None:
    """End without what still hangs.

    After an outage Faust may wait for its consumer's thread for ever, deaf to cancellation (seen). What matters is in
    the checkpoint; what is not committed is read again; the group notices after the session timeout.
    """
    log.warning("did not leave the group in time; it notices after the session timeout")
    sys.stderr.flush()
    os._exit(code)


async def _until_failed(work: list[asyncio.Task[None]], worker: Worker, stop: asyncio.Event) -> BaseException | None:
    """Wait until told to stop (``None``) or until some part of the worker has failed."""
    stopping = asyncio.create_task(stop.wait())
    broken = asyncio.create_task(worker.broken.wait())
    watched = {stopping, broken, *work}
    while True:
        done, _ = await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
        for task in done - {stopping, broken}:
            if task.exception() is not None:
                return task.exception()
        if broken in done:
            return worker.failure
        if stopping in done:
            broken.cancel()
            return None
        watched -= done


async def _until_crashed(app: Any) -> None:
    await app.wait_until_stopped()
    if not app.crashed:
        return
    raise app.crash_reason or RuntimeError("Faust crashed without a reason")


async def _leave(app: Any, worker: Worker) -> None:
    """Last checkpoints, their acknowledgements, their commit; then leave the group, so that others need not wait."""
    try:
        await worker.release(worker.assigned)
        if worker.joined and not app.crashed:
            async with asyncio.timeout(COMMIT_S):
                await app.consumer.commit()
        await app.stop()
    except TimeoutError:
        log.warning("Kafka did not take the last commit: what it covers is read again, and skipped")
    except Exception as error:  # noqa: BLE001 - the process ends anyway, and what is not committed is read again
        log.warning("did not leave the group as it should", error=repr(error))


async def _judging(worker: Worker) -> None:
    """Judge at once what has come in meanwhile; as long as judging takes, others have their turn."""
    while True:
        begun = time.monotonic()
        worker.judge()
        await asyncio.sleep(min(max(time.monotonic() - begun, JUDGE_S), JUDGE_SELDOM_S))


async def _every(seconds: float, *works: Callable[[], Awaitable[None] | None]) -> None:
    """Call by the clock; while Kafka is away a call that needs it is made again later."""
    while True:
        await asyncio.sleep(seconds)
        for work in works:
            try:
                waiting = work()
                if waiting is not None:
                    await waiting
            except KafkaError as error:
                log.warning("Kafka did not answer", asked_by=work.__name__, error=repr(error))


def build(config: Settings, worker: Worker) -> Any:
    """The Faust app: one agent over both topics."""
    app: Any = faust.App(
        config.watch.group,
        broker=[f"kafka://{server}" for server in config.kafka.servers],
        **_credentials(config.kafka),
        **_settings(config),
    )
    names: dict[str, Topic] = {codec.topic(config.kafka.prefix, name): name for name in ("reports", "nbbo")}
    topic = app.topic(*names, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")

    async def watch(stream: Any) -> None:
        async for event in stream.noack().events():
            await _hand_over(app, worker, names, event)
            # the event must not live on here: Faust takes what is alive and not acknowledged for work in hand
            del event

    async def revoked(_: Any, revoked: set[Any], **__: Any) -> None:
        await worker.release({tp.partition for tp in revoked})
        await app.consumer.commit()

    async def assigned(_: Any, assigned: set[Any], **__: Any) -> None:
        worker.assign(_whole(assigned, names))
        log.info("assigned", partitions=sorted(worker.assigned))

    app.agent(topic, concurrency=1, name="watch")(watch)
    app.on_partitions_revoked.connect(revoked)
    app.on_partitions_assigned.connect(assigned)
    return app


async def _hand_over(app: Any, worker: Worker, names: dict[str, Topic], event: Any) -> None:
    message = event.message
    if message.generation_id != app.consumer_generation_id:
        return
    arrival = Arrival(
        topic=names[message.topic],
        partition=message.partition,
        offset=message.offset,
        value=event.value,
        headers=tuple(message.headers or ()),
        acknowledge=event.ack,
    )
    try:
        await worker.take(arrival)
    except Exception as error:  # noqa: BLE001 - Faust would acknowledge the event and go on: the process must end
        worker.fail(error)


def _whole(assigned: set[Any], names: dict[str, Topic]) -> set[int]:
    """The partitions of which this worker has both topics; raises `Split` when it has one of them only."""
    mine = {topic: {tp.partition for tp in assigned if tp.topic == name} for name, topic in names.items()}
    if mine["reports"] != mine["nbbo"]:
        raise Split(f"reports {sorted(mine['reports'])}, nbbo {sorted(mine['nbbo'])}: do they have as many partitions?")
    return mine["reports"]


def _settings(config: Settings) -> dict[str, Any]:
    session = config.watch.session_timeout_s
    return {
        "autodiscover": False,
        "origin": None,
        "datadir": str(config.directory("watch")),
        "key_serializer": "raw",
        "value_serializer": "raw",
        "consumer_auto_offset_reset": "earliest",
        "broker_session_timeout": session,
        "broker_heartbeat_interval": min(3.0, session / 3),
        # Faust refuses less than the session's; a frozen leader is given up after it
        "broker_request_timeout": max(session, 10.0),
        "broker_commit_interval": 0.5,
        # a broker that has just come back may name no topic for a moment: without another look the group would go
        # without its partitions for five minutes, and look well
        "consumer_metadata_max_age_ms": METADATA_MS,
        # as large as the largest message may be
        "consumer_max_fetch_size": MESSAGE_BYTES,
        "processing_guarantee": "at_least_once",
        # no tables; but only with standbys does Faust assign by partition number across topics, so that a
        # partition's reports and quotes come to the same worker whatever the number of workers
        "table_standby_replicas": 1,
        "topic_partitions": config.kafka.partitions,
        "topic_replication_factor": config.kafka.replication,
        "topic_allow_declare": False,
        "topic_disable_leader": True,
        # events waiting for their checkpoint are no work in hand: at a revocation the worker writes a last
        # checkpoint and forgets them, and with this on Faust would wait for them before it says so
        "stream_wait_empty": False,
        "stream_recovery_delay": 0.0,
        "stream_buffer_maxsize": 4096,
        "web_enabled": False,
        "web_tables_enabled": False,
        "web_router_enabled": False,
        "web_bind": "127.0.0.1",
    }


def _credentials(kafka: settings.Kafka) -> dict[str, Any]:
    config = connection.aiokafka_config(kafka)
    context = config.get("ssl_context")
    if kafka.protocol == "PLAINTEXT":
        return {}
    if kafka.protocol == "SSL":
        return {"broker_credentials": faust.SSLCredentials(context=context)}
    credentials = faust.SASLCredentials(
        username=kafka.username,
        password=config["sasl_plain_password"],
        mechanism=kafka.mechanism,
        ssl_context=context,
    )
    return {"broker_credentials": credentials}

"""The baseline: a plain Faust agent that receives quote by quote and joins each fill with a dictionary of last quotes.

What a newcomer to Faust writes first: one JSON message a quote and a fill, a typed-less agent for each topic, the
last quote of each symbol in a dictionary. It is measured at its best: everything lies on Kafka already and is drained
as fast as it goes. (Joined as it comes, it also joins wrongly; only its speed is measured here.)
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import faust
from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient

from monitor.kafka.embedded.broker import Broker

ROOT = Path(__file__).parent.parent
FILLS_ONE_IN = 50
"""As in the line's bench: 20,000 reports to 1,000,000 quotes."""


def run(quotes: int = 150_000, bootstrap: str | None = None) -> dict[str, Any]:
    """Quotes and fills drained each second by one plain Faust worker."""
    if bootstrap is not None:
        return _measure(bootstrap, quotes)
    with tempfile.TemporaryDirectory() as directory, Broker(Path(directory) / "broker") as broker:
        return _measure(broker.bootstrap, quotes)


def _measure(bootstrap: str, quotes: int) -> dict[str, Any]:
    prefix = f"plain{uuid.uuid4().hex[:6]}."
    _topics(bootstrap, prefix)
    _fill(bootstrap, prefix, quotes)
    out = subprocess.run(
        [sys.executable, "-m", "bench.plain_faust", bootstrap, prefix, str(quotes)],
        check=True,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        timeout=300,
    ).stdout
    return {"bench": "plain_faust", **json.loads(out.splitlines()[-1])}


def _topics(bootstrap: str, prefix: str) -> None:
    with KafkaAdminClient(bootstrap_servers=[bootstrap]) as admin:
        new = {prefix + name: {"num_partitions": 1, "replication_factor": 1} for name in ("quotes", "fills")}
        admin.create_topics(new)
        admin.wait_for_topics(list(new), timeout_ms=30_000)


def _fill(bootstrap: str, prefix: str, quotes: int) -> None:
    rng = random.Random(1)
    producer = KafkaProducer(bootstrap_servers=[bootstrap], linger_ms=20, batch_size=256 << 10)
    for i in range(quotes):
        symbol = f"SIM{rng.randrange(12_000):05d}"
        quote = {"symbol": symbol, "time": i * 1000, "bid": 10.0, "ask": 10.01, "bid_size": 100, "ask_size": 200}
        producer.send(prefix + "quotes", json.dumps(quote).encode())
        if i % FILLS_ONE_IN == 0:
            fill = {"symbol": symbol, "time": i * 1000, "price": 10.0, "qty": 100, "order_id": f"o{i}"}
            producer.send(prefix + "fills", json.dumps(fill).encode())
    producer.flush()
    producer.close()


def drain(bootstrap: str, prefix: str, quotes: int) -> None:
    """The worker process: prints its figures when all quotes have passed."""
    app = faust.App(
        prefix + "group",
        broker=f"kafka://{bootstrap}",
        value_serializer="json",
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        broker_session_timeout=10,
        broker_request_timeout=10,
        datadir=tempfile.mkdtemp(prefix="plain-faust-"),
    )
    quote_topic, fill_topic = app.topic(prefix + "quotes"), app.topic(prefix + "fills")
    last: dict[str, Any] = {}
    seen = {"quotes": 0, "fills": 0, "outside": 0}
    begun: list[float] = []

    @app.agent(quote_topic)
    async def on_quote(stream: Any) -> None:
        async for quote in stream:
            if not begun:
                begun.extend((time.perf_counter(), time.process_time()))
            last[quote["symbol"]] = quote
            seen["quotes"] += 1
            if seen["quotes"] == quotes:
                took, cpu = time.perf_counter() - begun[0], time.process_time() - begun[1]
                per_s, per_cpu_s = round(quotes / took), round(quotes / cpu)
                print(json.dumps({**seen, "seconds": round(took, 2), "quotes_per_s": per_s, "per_cpu_s": per_cpu_s}))
                sys.stdout.flush()
                app.loop.call_soon(_exit)

    @app.agent(fill_topic)
    async def on_fill(stream: Any) -> None:
        async for fill in stream:
            quote = last.get(fill["symbol"])
            seen["fills"] += 1
            if quote is not None and not quote["bid"] <= fill["price"] <= quote["ask"]:
                seen["outside"] += 1

    faust.Worker(app, loglevel="error", redirect_stdouts=False).execute_from_commandline()


def _exit() -> None:
    import os

    os._exit(0)  # measured: how Faust stops is not


if __name__ == "__main__":
    if len(sys.argv) == 4:
        drain(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    else:
        print(json.dumps(run(), indent=1))

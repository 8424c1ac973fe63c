"""The whole line on Apache Kafka: broker, feeder and one worker with all default rules, on the cores there are.

Reports are injected as finished messages of ``reports`` (see `line_feed`); the FIX listener has a bench of its own.
A step is *held* when the feeder kept its pace, the watermark's lag stayed below a second after the warm-up, every
planted fault was found and nothing else was accused with certainty.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import psutil

from bench import plain_faust
from bench.line_feed import Load
from monitor.config import settings
from monitor.kafka import readback, topics
from monitor.kafka.embedded.broker import Broker
from monitor.wire import codec
from monitor.wire.events import LineHealth

ROOT = Path(__file__).parent.parent
WARM_S = 5.0
"""What happens before is not counted: the JVM compiles, the consumer group gathers."""
PATIENCE_MS = 100
WORKERS = 2
"""They share the partitions; one alone has the interpreter of one core."""
STEPS = ((1_000_000, 20_000), (1_000_000, 10_000), (1_000_000, 5_000), (500_000, 10_000), (250_000, 5_000))


def run(
    steps: Iterable[tuple[int, int]] = STEPS,
    seconds: float = 25.0,
    patience_ms: int = PATIENCE_MS,
    *,
    workers: int = WORKERS,
    all_steps: bool = False,
) -> dict[str, Any]:
    """Try the steps from the highest rate down until one is held."""
    tried = []
    with tempfile.TemporaryDirectory() as directory, Broker(Path(directory) / "broker") as broker:
        for number, (quotes, reports) in enumerate(steps):
            load = Load(
                bootstrap=broker.bootstrap,
                prefix=f"b{number}.",
                quotes_per_s=quotes,
                reports_per_s=reports,
                seconds=seconds,
            )
            tried.append(_step(broker, Path(directory), load, patience_ms, workers))
            if tried[-1]["held"] and not all_steps:
                break
        plain = plain_faust.run(bootstrap=broker.bootstrap)
    held = [step for step in tried if step["held"]]
    best = max(held, key=lambda s: s["quotes_per_s"], default=None)
    rate = plain["quotes_per_s"]
    return {
        "bench": "line",
        "what": "Apache Kafka (embedded) + feeder + one worker with all default rules, reports sent as messages",
        "cores": psutil.cpu_count(),
        "highest_held": best,
        "baseline": plain,
        "ratio_to_plain_faust": None if best is None else round(best["quotes_per_s"] / rate, 1),
        "tried": tried,
    }


def _step(broker: Broker, directory: Path, load: Load, patience_ms: int, workers: int) -> dict[str, Any]:
    kafka = settings.Kafka(bootstrap=(broker.bootstrap,), prefix=load.prefix)
    topics.ensure(kafka)
    config = _config(directory, kafka, patience_ms)
    logs = [directory / f"watch-{load.prefix}{number}.log" for number in range(workers)]
    started = [_worker(config, log) for log in logs]
    try:
        _until(lambda: _shared_out(logs, kafka.partitions))
        before = _cpu(started, broker.pid)
        fed = json.loads(
            subprocess.run(
                [sys.executable, "-m", "bench.line_feed", msgspec.json.encode(load).decode()],
                check=True,
                stdout=subprocess.PIPE,
                cwd=ROOT,
            ).stdout
        )
        time.sleep(3.0)  # the end of the load is judged, or it was not held
        used = {name: round(cpu - before[name], 1) for name, cpu in _cpu(started, broker.pid).items()}
        memory = sum(psutil.Process(worker.pid).memory_info().rss >> 20 for worker in started)
    finally:
        for worker in started:
            worker.terminate()
        for worker in started:
            worker.wait(30)
    result = _judge(kafka, fed, patience_ms)
    topics.delete(kafka)
    asked = {"quotes_per_s": load.quotes_per_s, "reports_per_s": load.reports_per_s, "patience_ms": patience_ms}
    cpu = {**used, "feeder": fed["cpu_s"]}
    return {**asked, "workers": workers, **result, "cpu_s": cpu, "workers_mb": memory, "fed": fed}


def _worker(config: Path, log: Path) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-m", "monitor", "watch", "--config", str(config)]
    with log.open("wb") as out:
        return subprocess.Popen(words, stdout=out, stderr=out, cwd=ROOT)


def _shared_out(logs: list[Path], partitions: int) -> bool:
    """Whether every worker has its share, as it said last."""
    said = [[json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")] for log in logs]
    last = [[e["partitions"] for e in events if e.get("event") == "assigned"][-1:] for events in said]
    return sorted(p for shares in last for share in shares for p in share) == list(range(partitions)) and all(last)


def _judge(kafka: settings.Kafka, fed: dict[str, Any], patience_ms: int) -> dict[str, Any]:
    begin, end = fed["begin"] + int(WARM_S * 1e9), fed["begin"] + int(fed["seconds"] * 1e9)
    told = [h for m in readback.read(kafka, "line") for h in codec.decode_health(m.value)]
    inside = [h for h in told if begin <= h.wall <= end]
    lags = sorted((h.wall - h.watermark) / 1e9 for h in inside if h.watermark is not None)
    beyond = sorted((ns / 1e6 - patience_ms) for h in inside for ns in h.latency_ns)
    found = _found(kafka)
    confirmed = {f for f in found if f[1] == "confirmed"}
    result = {
        "watermark_lag_s": {"p50": _at(lags, 0.5), "max": _at(lags, 1.0)},
        "fill_to_finding_beyond_patience_ms": {
            "p50": _at(beyond, 0.5),
            "p99": _at(beyond, 0.99),
            "samples": len(beyond),
        },
        "executions": sum(h.counts.get("executions", 0) for h in _last(told)),
        "confirmed": len(confirmed),
        "other_findings": len(found) - len(confirmed),
    }
    late = fed["worst_lateness_s"] > 1.0
    result["held"] = bool(
        lags
        and lags[-1] < 1.0
        and not late
        and len(confirmed) == fed["planted"]
        and result["executions"] == fed["fills"]
    )
    return result


def _found(kafka: settings.Kafka) -> set[tuple[str | None, str]]:
    """Executions accused, each once however many ways it is poor, and how certainly."""
    return {(f.exec_id, f.certainty) for m in readback.read(kafka, "findings") for f in codec.decode_findings(m.value)}


def _last(told: list[LineHealth]) -> Iterable[LineHealth]:
    return {h.partition: h for h in told}.values()


def _at(values: list[float], share: float) -> float | None:
    return round(values[min(int(share * len(values)), len(values) - 1)], 3) if values else None


def _cpu(workers: list[subprocess.Popen[bytes]], broker: int | None) -> dict[str, float]:
    pids = {f"worker_{number}": worker.pid for number, worker in enumerate(workers)}
    pids |= {} if broker is None else {"broker": broker}
    times = {name: psutil.Process(pid).cpu_times() for name, pid in pids.items()}
    return {name: t.user + t.system for name, t in times.items()}


def _until(condition: Any, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("the worker did not get its partitions")
        time.sleep(0.1)


def _config(directory: Path, kafka: settings.Kafka, patience_ms: int) -> Path:
    path = directory / f"{kafka.prefix}toml"
    path.write_text(
        f"""state = "{directory}/state"
[kafka]
bootstrap = ["{kafka.servers[0]}"]
prefix = "{kafka.prefix}"
partitions = {kafka.partitions}
[watch]
group = "{kafka.prefix}watch"
probe = "127.0.0.1:0"
patience_ms = {patience_ms}
"""
    )
    return path


if __name__ == "__main__":
    asked = [(int(q), int(r)) for q, r in (step.split(":") for step in sys.argv[1:])]
    print(json.dumps(run(asked or STEPS), indent=1))

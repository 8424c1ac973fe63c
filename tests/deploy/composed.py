"""Runs the compose file's services as local processes in name spaces of their own: ``python -m tests.deploy.composed``.

The argument is a directory to work in.

Run under ``unshare -rnm``: the ports are the real ones and the service names resolve to loopback, so that every
command line and every configuration file is used as it is shipped. Prints one JSON object about what it saw.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import yaml

from monitor.config import load, settings
from monitor.demo import router
from monitor.demo.dropcopy import DropCopySource
from monitor.feeds.synthetic_market import SyntheticMarket
from monitor.kafka.embedded.broker import Broker
from tests import ROOT

LINE = ("listen", "publish", "quotes", "watch", "alert")
PROBES = {"listen": 9401, "publish": 9402, "quotes": 9403, "watch": 9404, "alert": 9405}


def name_services(directory: Path) -> None:
    """Let the compose file's service names mean loopback, in this mount name space only."""
    names = " ".join(yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"])
    hosts = directory / "hosts"
    hosts.write_text(f"127.0.0.1 localhost {names}\n", "utf-8")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["mount", "--bind", str(hosts), "/etc/hosts"], check=True)


def fetched(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own processes
            return answer.status, answer.read().decode()
    except OSError as error:
        return 0, str(error)


def wait_for(what: Callable[[], bool], seconds: float, why: str) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            raise SystemExit(f"never: {why}")
        time.sleep(0.1)


def start(words: list[str], environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as out:
        return subprocess.Popen(words, env=environment, stdout=out, stderr=out)


def sorwatch(service: dict[str, Any]) -> list[str]:
    return [sys.executable, "-m", "monitor", *service["command"]]


def send_orders(session: settings.Session) -> None:
    """Three seconds of synthetic orders, told after they have happened."""
    market, now = SyntheticMarket(7), time.time_ns()
    plan = router.Plan(
        seed=1,
        start=now,
        end=now + 3 * 10**9,
        orders_per_second=20,
        symbols=market.symbols,
        venues=("XNYS",),
        strange=("XLON",),
    )
    source = DropCopySource(session.begin_string, session.target, session.sender, "127.0.0.1", session.port)
    source.start()
    for sent, _ in router.messages(router.orders(plan, market.touch)):
        time.sleep(max(0.0, (sent.at - time.time_ns()) / 1e9))  # the orders' own pace
        source.send([list(sent.fields)])
    wait_for(lambda: source.wait_confirmed(1.0), 60, "the listener took every message")


def asked(query: str) -> dict[str, Any]:
    status, text = fetched(f"http://127.0.0.1:9090/api/v1/query?{urllib.parse.urlencode({'query': query})}")
    return {"status": status, "answer": text} if status != 200 else json.loads(text)


def queries() -> list[str]:
    board = json.loads((ROOT / "deploy/grafana/dashboards/sorwatch.json").read_text("utf-8"))
    return [t["expr"].replace("$vendor", ".*") for panel in board["panels"] for t in panel["targets"]]


def main(directory: Path) -> None:
    name_services(directory)
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
    services = compose["services"]
    paths = {"SORWATCH_CONFIG": str(ROOT / "deploy/sorwatch.toml"), "SORWATCH_STATE": str(directory / "state")}
    environment = os.environ | services["topics"]["environment"] | paths
    with ExitStack() as stack:
        stack.enter_context(Broker(directory / "kafka", port=9092))
        subprocess.run(sorwatch(services["topics"]), env=environment, check=True)
        line = {n: start(sorwatch(services[n]), environment, directory / f"{n}.log") for n in LINE}
        scrape = ["prometheus", "--config.file", str(ROOT / "deploy/prometheus/prometheus.yml")]
        scrape += ["--storage.tsdb.path", str(directory / "tsdb"), "--web.listen-address", "127.0.0.1:9090"]
        line["prometheus"] = start(scrape, environment, directory / "prometheus.log")
        for process in line.values():
            stack.callback(process.wait)
            stack.callback(process.terminate)
        for name, port in PROBES.items():
            wait_for(lambda p=port: fetched(f"http://127.0.0.1:{p}/healthz")[0] == 200, 60, f"{name} is healthy")
        send_orders(load.load(str(ROOT / "deploy/sorwatch.toml")).listen.session[0])
        wait_for(lambda: len(results("up == 1")) == len(LINE), 60, "every target is up")
        wait_for(lambda: bool(results("sorwatch_executions_total > 0")), 60, "Prometheus has seen an execution")
        wait_for(lambda: bool(results("rate(sorwatch_hop_seconds_count[5m])")), 60, "two scrapes with hops")
        report = {
            "queries": {query: asked(query) for query in queries()},
            "alerts": [r["metric"] for r in results('ALERTS{alertstate="firing"}')],
            "running": {name: process.poll() is None for name, process in line.items()},
        }
    sys.stdout.write(json.dumps(report) + "\n")


def results(query: str) -> list[dict[str, Any]]:
    return asked(query).get("data", {}).get("result", [])  # type: ignore[no-any-return]  # JSON


if __name__ == "__main__":
    main(Path(sys.argv[1]))

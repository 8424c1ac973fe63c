"""The demo's directory: settings with free ports, its policy, and where to look."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from monitor.config import load
from monitor.config.settings import Settings
from monitor.process import health_poll

POLICY = Path(__file__).with_name("demo_policy.toml")
UP_S = 60.0
VENUES_DECLARED = ("XNYS", "ARCX", "XNAS", "BATS", "IEXG")
"""What the demo's policy declares."""
VENUES_STRANGE = ("EDGA", "EPRL", "MEMX")
"""Real venues that it does not."""

HEAD = "# Written by `sorwatch demo`."
"""What the settings of a demo begin with."""

SETTINGS = """\
# Written by `sorwatch demo`. Also a start for settings of your own: docs/settings.md describes every field.
state = "{state}"

[kafka]
{kafka}
prefix = "{prefix}"
partitions = 4

[listen]
source = "demo"
probe = "127.0.0.1:{listen}"

[[listen.session]]
name = "demo-router"
role = "acceptor"
begin_string = "FIX.4.4"
sender = "SORWATCH"
target = "SIMROUTER"
port = {fix}
heartbeat_seconds = 5
vendor = "SIMULATED"

[publish]
probe = "127.0.0.1:{publish}"

[quotes]
probe = "127.0.0.1:{quotes}"

[watch]
policy = "{policy}"
probe = "127.0.0.1:{watch}"

[alert]
page = "127.0.0.1:{alert}"
quiet_s = 2.0

[alert.slack]
webhook_file = "{state}/slack_webhook"

[alert.mail]
host = "127.0.0.1"
port = {smtp}
tls = "none"
sender = "sorwatch@demo.invalid"
to = ["desk@demo.invalid"]

[[alert.links]]
name = "What Slack and the mailbox received"
url = "http://127.0.0.1:{slack}/received"
"""

WANTED = {
    "fix": 9878,
    "listen": 9401,
    "publish": 9402,
    "quotes": 9403,
    "watch": 9404,
    "alert": 9405,
    "slack": 9406,
    "smtp": 9407,
    "kafka": 9408,
}
"""Ports the demo likes to have; a taken one is replaced by any that is free."""


class Stage(Struct, frozen=True, kw_only=True):
    """Everything the demo's parts need to know of each other."""

    directory: Path
    config: Path
    settings: Settings
    ports: dict[str, int]
    feed: str
    """The market, in the notation of `sorwatch quotes`."""
    receiver: tuple[str, ...]
    """Command line of the demo's Slack and SMTP receiver."""


def prepare(directory: Path, kafka: str | None, seed: int, *, usual: bool = True) -> Stage:
    """Lay out the demo's directory; raises `OSError` when it cannot be written.

    Without ``usual`` all ports are left to the system: another demo is about to take the usual ones.
    """
    directory = directory.absolute()
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    ports = free_ports(WANTED if usual else dict.fromkeys(WANTED, 0))
    broker = f"embedded_port = {ports['kafka']}" if kafka is None else f'bootstrap = ["{kafka}"]'
    prefix = "demo." if kafka is None else f"demo-{time.time_ns()}."
    text = SETTINGS.format(state=directory, kafka=broker, prefix=prefix, policy=POLICY, **without(ports, "kafka"))
    webhook = directory / "slack_webhook"
    webhook.write_text(f"http://127.0.0.1:{ports['slack']}/services/T0DEMO/B0DEMO/demo-receiver\n", "utf-8")
    config = directory / "sorwatch.toml"
    config.write_text(text, "utf-8")
    return Stage(
        directory=directory,
        config=config,
        settings=load.parse(text, str(config)),
        ports=ports,
        feed=f"demo:?seed={seed}",
        receiver=_receiver(ports),
    )


def _receiver(ports: dict[str, int]) -> tuple[str, ...]:
    words = [sys.executable, "-m", "monitor.demo.receiver"]
    for name in ("slack", "smtp"):
        words += [f"--{name}-port", str(ports[name])]
    return tuple(words)


def without(ports: dict[str, int], *names: str) -> dict[str, int]:
    """The ports but for some."""
    return {name: port for name, port in ports.items() if name not in names}


def free_ports(wanted: dict[str, int]) -> dict[str, int]:
    """The wanted port of each name where it is free, else any other."""
    held: list[socket.socket] = []
    try:
        return {name: _hold(port, held) for name, port in wanted.items()}
    finally:
        for trial in held:
            trial.close()


def _hold(port: int, held: list[socket.socket]) -> int:
    trial = socket.socket()
    held.append(trial)
    trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        trial.bind(("127.0.0.1", port))
    except OSError:
        trial.bind(("127.0.0.1", 0))
    return int(trial.getsockname()[1])


def wait_until_up(stage: Stage, stop: threading.Event, check: Callable[[], None]) -> list[str]:
    """Wait until every process says it is healthy; answers those that did not before `UP_S` seconds were over."""
    deadline = time.monotonic() + UP_S
    waiting = ["listen", "publish", "quotes", "watch", "alert"]
    while waiting and not stop.is_set() and time.monotonic() < deadline:
        check()
        waiting = [name for name in waiting if not _healthy(stage.ports[name])]
        stop.wait(0.2)
    return waiting


def _healthy(port: int) -> bool:
    answer = health_poll.ask(f"127.0.0.1:{port}")
    return answer is not None and answer.ok


def announce(stage: Stage, write: Callable[[str], object]) -> None:
    """Say where to look."""
    at = "http://127.0.0.1:{}"
    places = {
        "the desk page": at.format(stage.ports["alert"]) + "/",
        "Slack and e-mail received": at.format(stage.ports["slack"]) + "/received",
        "Prometheus text": at.format(stage.ports["alert"]) + "/metrics",
        "the worker's own": at.format(stage.ports["watch"]) + "/metrics",
        "logs": str(stage.directory / "logs"),
        "settings": str(stage.config),
    }
    write("\nSYNTHETIC market and orders; everything between them and you is real. Look at:\n")
    for what, where in places.items():
        write(f"  {what:28}{where}\n")
    write("\n")

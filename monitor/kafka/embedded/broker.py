"""The embedded broker: Apache Kafka itself, one KRaft node on loopback, its data kept (``sorwatch kafka``).

`Broker` is what ``sorwatch kafka``, ``run``, ``demo``, the tests and the benches start. What a broker needs (a Java,
Kafka's jars) is looked for or fetched at the first start. Its data stays in its directory; a start with the same
directory and port goes on where the last one stopped, also after SIGKILL.
"""

from __future__ import annotations

import argparse
import os
import socket
import struct
import subprocess
import sys
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO

import structlog

from monitor.config import load, settings
from monitor.kafka.embedded import jars, java, properties
from monitor.kafka.embedded.properties import HOST
from monitor.process import command_line
from monitor.process.leash import leashed
from monitor.process.lockfile import held

log = structlog.get_logger()

START_S = 90.0
STOP_S = 20.0
LET_GO_S = 5.0
"""How long a node that was killed a moment ago may take to be gone."""
_JVM = ("-Xmx512m", "-Xms128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true")
_METADATA = struct.pack(">hhihi", 3, 0, 1, -1, 0)
"""Metadata request, version 0, correlation 1, no client id, no topic named."""


class BrokerFailed(RuntimeError):
    """The broker did not start; carries the last lines of its log."""


class Broker:
    """One Kafka node; a context manager that starts it and stops it.

    ``directory`` holds its data, configuration and logs. ``port`` 0 takes a free one and keeps it for later starts of
    this object. ``extra`` are lines of server.properties that go over sorwatch's, for listeners of one's own.
    ``mirror`` is the Maven repository; ``$SORWATCH_MAVEN_MIRROR`` goes over it.

    The node dies with the thread that called `start`: call it from one that lives as long as the node should.
    """

    def __init__(
        self,
        directory: Path | str,
        port: int = 0,
        *,
        mirror: str = settings.Kafka().mirror,
        extra: Mapping[str, str] | None = None,
        progress: Callable[[int, int], None] | None = jars.show,
    ) -> None:
        self.directory = Path(directory)
        self.port = port
        self._mirror = os.environ.get("SORWATCH_MAVEN_MIRROR", mirror)
        self._extra = dict(extra or {})
        self._progress = progress
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """``host:port`` for clients."""
        return f"{HOST}:{self.port}"

    @property
    def log_file(self) -> Path:
        """Where the node writes its log."""
        return self.directory / "kafka.log"

    @property
    def pid(self) -> int | None:
        """Process number while it runs."""
        return self._process.pid if self.running and self._process is not None else None

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def start(self, timeout: float = START_S) -> Broker:
        """Start and wait until it answers; raises `BrokerFailed`, `jars.JarsUnavailable` or `java.NoJava`."""
        if self.running:
            return self
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        command = self._command()
        with self._owned() as lock:
            return self._started(command, timeout, lock.fileno())

    def _owned(self) -> IO[bytes]:
        """The lock of the directory, which the node holds too and for longer; raises `BrokerFailed`.

        Kafka asks for its own only once it has touched the metadata: a second node breaks the first before it fails.
        """
        deadline = time.monotonic() + LET_GO_S
        while (file := held(self.directory / "broker.lock")) is None:
            if time.monotonic() > deadline:
                todo = "stop it, or give this one a `state` of its own"
                raise BrokerFailed(f"another broker runs on the data in {self.directory}: {todo}")
            time.sleep(0.05)
        return file

    def _started(self, command: list[str], timeout: float, lock: int) -> Broker:
        chosen = self.port == 0
        for attempt in range(5):
            if chosen:
                self.port = _free_port()
            self._configure()
            self._format(command)
            try:
                return self._launch(command, timeout, lock)
            except _PortTaken:
                # the controller's port is always ours to choose again
                if attempt == 4 or not (chosen or free(self.port)):
                    raise
        raise AssertionError("the last attempt returns or raises")

    def kill(self) -> None:
        """SIGKILL, as a machine that loses power would; its data stays."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self, timeout: float = STOP_S) -> None:
        """Ask it to stop and wait; SIGKILL when it does not."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            log.warning("the broker did not stop in time and was killed", seconds=timeout)
        self.kill()

    def wait(self) -> int:
        """Wait until the process ends by itself; its exit code."""
        return 0 if self._process is None else self._process.wait()

    def __enter__(self) -> Broker:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _command(self) -> list[str]:
        runtime = java.find()
        paths = jars.fetch(
            self._mirror, jars.cache_directory(), jars.locked(jars.LOCK.read_text("utf-8")), self._progress
        )
        config = f"-Dlog4j2.configurationFile={self.directory / 'log4j2.xml'}"
        return [str(runtime), *_JVM, config, "-cp", os.pathsep.join(map(str, paths))]

    def _configure(self) -> None:
        text = properties.properties(self.directory / "data", self.port, _free_port(), self._extra)
        (self.directory / "server.properties").write_text(text, "utf-8")
        (self.directory / "log4j2.xml").write_text(properties.logging_config(self.log_file), "utf-8")

    def _format(self, command: list[str]) -> None:
        if (self.directory / "data" / "meta.properties").exists():
            return
        # an id that began with a dash would be taken for an option
        identity = "S" + urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")[1:]
        tool = ["kafka.tools.StorageTool", "format", "--ignore-formatted", "-t", identity, "-c"]
        done = subprocess.run(  # noqa: S603 - Java, jars and paths are ours
            leashed([*command, *tool, str(self.directory / "server.properties")]), capture_output=True, text=True
        )
        if done.returncode != 0:
            raise BrokerFailed(f"Kafka could not prepare {self.directory / 'data'}:\n{done.stdout}{done.stderr}")

    def _launch(self, command: list[str], timeout: float, lock: int) -> Broker:
        if not free(self.port):
            raise _PortTaken(taken(self.port))
        words = leashed([*command, "kafka.Kafka", str(self.directory / "server.properties")])
        with (self.directory / "console.log").open("wb") as console:
            # a group of its own: Ctrl-C reaches sorwatch, which then stops the broker after its clients
            self._process = subprocess.Popen(  # noqa: S603 - Java, jars and paths are ours
                words,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
                pass_fds=(lock,),
            )
        deadline = time.monotonic() + timeout
        while not _answers(self.port):
            if self._process.poll() is not None:
                raise self._died(f"ended with code {self._process.returncode}")
            if time.monotonic() > deadline:
                self.kill()
                raise self._died(f"did not answer on {self.bootstrap} within {timeout:.0f} s")
            time.sleep(0.02)
        return self

    def _died(self, what: str) -> BrokerFailed:
        self._process = None
        lines = [*_tail(self.directory / "console.log"), *_tail(self.log_file)]
        kind = _PortTaken if any("Address already in use" in line for line in lines) else BrokerFailed
        return kind(f"Kafka {what}. The last lines of {self.log_file}:\n" + "\n".join(lines[-25:]))


class _PortTaken(BrokerFailed):
    """Somebody else has the port."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``sorwatch kafka``."""
    command_line.add_config(parser)
    parser.add_argument("--port", type=int, help="port to listen on, 0 for a free one (default: kafka.embedded_port)")


def run(args: argparse.Namespace) -> int:
    """Run the broker in the foreground until it is told to stop."""
    chosen = load.load(args.config)
    port = chosen.kafka.embedded_port if args.port is None else args.port
    broker = Broker(chosen.directory("kafka").resolve(), port, mirror=chosen.kafka.mirror)
    return serve(broker)


def serve(broker: Broker) -> int:
    """Start, say where it listens, wait for a signal or its end, stop; answers an exit code."""
    from monitor.process.signals import stopping

    with stopping() as stop:
        try:
            broker.start()
        except (BrokerFailed, jars.JarsUnavailable, java.NoJava) as error:
            sys.stderr.write(f"{error}\n")
            return command_line.UNAVAILABLE
        sys.stdout.write(f"Apache Kafka listens on {broker.bootstrap}; data and log in {broker.directory}\n")
        sys.stdout.flush()
        while not stop.wait(0.2):
            if not broker.running:
                sys.stderr.write(f"Kafka ended by itself; see {broker.log_file}\n")
                return command_line.FAILED
        broker.stop()
    return command_line.OK


def _free_port() -> int:
    with socket.socket() as chosen:
        chosen.bind((HOST, 0))
        return int(chosen.getsockname()[1])


def taken(port: int) -> str:
    """What to say of a port that is not free."""
    return (
        f"{HOST}:{port} is in use: by a broker started before? Choose kafka.embedded_port or --port, "
        "or name that broker in kafka.bootstrap"
    )


def free(port: int) -> bool:
    """Whether a broker can listen on this port of loopback."""
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((HOST, port))
        except OSError:
            return False
    return True


def _answers(port: int) -> bool:
    """Whether a node answers a Metadata request there and names at least one broker that is in service."""
    try:
        with socket.create_connection((HOST, port), timeout=2.0) as connection:
            connection.sendall(struct.pack(">i", len(_METADATA)) + _METADATA)
            answer = connection.recv(12, socket.MSG_WAITALL)
    except OSError:
        return False
    if len(answer) < 12:
        return False
    _, correlation, brokers = struct.unpack(">iii", answer)
    return bool(correlation == 1 and brokers > 0)


def _tail(path: Path, lines: int = 20) -> list[str]:
    try:
        return path.read_text("utf-8", "replace").splitlines()[-lines:]
    except OSError:
        return []

"""How many execution reports a second reach the journal, durably, against QuickFIX that does nothing with them.

One sender on a plain socket writes messages that were encoded beforehand, then a test request; the clock stops when
that is answered, which is when every message before it has been taken. Both receivers are processes of their own with
the same relaxed dictionary and a file store; the baseline's ``fromApp`` is empty, and it keeps Python's state of the
engine's thread as the listener does: without that a callback costs several times as much. The receiver's processor
time a report is given beside the rate: unlike the rate it does not depend on what else the machine does.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from fix_ingest.journal import read_all
from fix_ingest.session.dictionaries import write_relaxed
from monitor.demo.dropcopy import framed, sending_time

MESSAGES = 150_000
ROUNDS = 3


def run() -> dict[str, Any]:
    """Reports a second for each way, the median of the rounds."""
    wire = _wire()
    size = len(wire[1]) // MESSAGES
    results: dict[str, list[tuple[float, float]]] = {"never": [], "interval": [], "quickfix_alone": []}
    for _ in range(ROUNDS):
        for way in results:
            with tempfile.TemporaryDirectory() as name:
                results[way].append(_round(Path(name), way, wire))
    rates = {way: round(statistics.median(rate for rate, _ in values)) for way, values in results.items()}
    costs = {way: round(statistics.median(cost for _, cost in values), 1) for way, values in results.items()}
    return {
        "bench": "listener",
        "message_bytes": size,
        "messages": MESSAGES,
        "reports_per_s": rates,
        "cpu_us_per_report": costs,
        "rounds": {way: [round(rate) for rate, _ in values] for way, values in results.items()},
        "of_quickfix_alone": round(rates["interval"] / rates["quickfix_alone"], 2),
        "target": 60_000,
        "reached": rates["interval"] >= 60_000,
    }


def _round(directory: Path, way: str, wire: tuple[bytes, bytes, bytes]) -> tuple[float, float]:
    """Reports a second, and microseconds of the receiver's processor time a report."""
    port = _free_port()
    process = _quickfix(directory, port) if way == "quickfix_alone" else _listener(directory, port, way)
    try:
        connection = _connected(port)
        before = _cpu_seconds(process.pid)
        seconds = _send(connection, wire)
        cost = (_cpu_seconds(process.pid) - before) / MESSAGES * 1e6
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    if way != "quickfix_alone":
        taken = sum(b"\x0135=8\x01" in r.body for r in read_all(directory / "state" / "journal") if r.kind == "message")
        if taken != MESSAGES:
            raise AssertionError(f"{taken} of {MESSAGES} reports are in the journal")
    return MESSAGES / seconds, cost


def _cpu_seconds(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def _send(connection: socket.socket, wire: tuple[bytes, bytes, bytes]) -> float:
    logon, messages, question = wire
    with connection:
        connection.sendall(logon)
        _until(connection, b"\x0135=A\x01")
        start = time.perf_counter()
        connection.sendall(messages)
        connection.sendall(question)
        _until(connection, b"\x01112=last\x01")
        return time.perf_counter() - start


def _until(connection: socket.socket, wanted: bytes) -> None:
    data = b""
    while wanted not in data:
        got = connection.recv(65536)
        if not got:
            raise ConnectionError(f"the receiver went away: {data!r}")
        data += got


def _connected(port: int) -> socket.socket:
    deadline = time.monotonic() + 30
    while True:
        try:
            connection = socket.create_connection(("127.0.0.1", port), timeout=120)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection


def _wire() -> tuple[bytes, bytes, bytes]:
    """Logon, the reports, and the test request."""
    stamp = sending_time(time.time_ns()).decode()

    def message(kind: str, number: int, body: str) -> bytes:
        inside = f"35={kind}|49=ROUTER|56=SORWATCH|34={number}|52={stamp}|{body}"
        return framed("FIX.4.4", inside.replace("|", "\x01").encode())

    def report(i: int) -> str:
        return (
            f"37=ORDER{i:08}|11=CLIENT{i:08}|17=EXEC{i:09}|526=PARENT{i // 4:08}|150=F|39=1|55=IBM|54=1|38=500|32=100|"
            f"31=180.2500|14=100|6=180.2500|151=400|44=180.5000|40=2|59=3|30=XNAS|100=XNAS|60={stamp}|58=routed by sor|"
        )

    reports = b"".join(message("8", i + 2, report(i)) for i in range(MESSAGES))
    return message("A", 1, "98=0|108=30|"), reports, message("1", MESSAGES + 2, "112=last|")


def _listener(directory: Path, port: int, sync: str) -> subprocess.Popen[bytes]:
    config = directory / "sorwatch.toml"
    config.write_text(
        f'state = "{directory}/state"\n[listen]\nsync = "{sync}"\nprobe = "127.0.0.1:{_free_port()}"\n'
        f'[[listen.session]]\nname = "sor"\nsender = "SORWATCH"\ntarget = "ROUTER"\nport = {port}\n'
    )
    command = [sys.executable, "-m", "monitor", "listen", "--config", str(config)]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL)


def _quickfix(directory: Path, port: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "bench.listener", "--quickfix", str(directory), str(port)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _alone(directory: Path, port: int) -> None:
    """QuickFIX with callbacks that do nothing: what the session layer alone costs."""
    import ctypes

    import quickfix as fix

    class Nothing(fix.Application):
        def onCreate(self, session_id: Any) -> None: ...  # noqa: N802 - QuickFIX's name
        def onLogon(self, session_id: Any) -> None:  # noqa: N802 - QuickFIX's name
            ctypes.pythonapi.PyGILState_Ensure()

        def onLogout(self, session_id: Any) -> None: ...  # noqa: N802 - QuickFIX's name
        def toAdmin(self, message: Any, session_id: Any) -> None: ...  # noqa: N802 - QuickFIX's name
        def fromAdmin(self, message: Any, session_id: Any) -> None: ...  # noqa: N802 - QuickFIX's name
        def toApp(self, message: Any, session_id: Any) -> None: ...  # noqa: N802 - QuickFIX's name
        def fromApp(self, message: Any, session_id: Any) -> None: ...  # noqa: N802 - QuickFIX's name

    config = directory / "quickfix.cfg"
    config.write_text(
        f"[DEFAULT]\nConnectionType=acceptor\nFileStorePath={directory}/store\nNonStopSession=Y\nPersistMessages=N\n"
        f"DataDictionary={write_relaxed('FIX.4.4', (), directory)}\nValidateUserDefinedFields=N\n"
        "AllowUnknownMsgFields=Y\nValidateFieldsOutOfOrder=N\nValidateFieldsHaveValues=N\nCheckLatency=N\n"
        f"SocketAcceptPort={port}\n[SESSION]\nBeginString=FIX.4.4\nSenderCompID=SORWATCH\nTargetCompID=ROUTER\n"
    )
    application, settings = Nothing(), fix.SessionSettings(str(config))
    stores = fix.FileStoreFactory(settings)
    acceptor = fix.SocketAcceptor(application, stores, settings)
    acceptor.start()
    while True:
        time.sleep(1)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--quickfix"]:
        _alone(Path(sys.argv[2]), int(sys.argv[3]))
        os._exit(0)
    print(json.dumps(run(), indent=2))

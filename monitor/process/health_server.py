"""/healthz and /metrics of a process, on loopback unless told otherwise."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from msgspec import Struct
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from monitor.process import address


class Health(Struct, frozen=True, kw_only=True):
    """Whether a process does its work, and why not."""

    ok: bool
    why: str = ""
    restart_helps: bool = False
    """Whether it is the process itself that is stuck: what waits for Kafka in memory would be lost by a restart."""
    facts: dict[str, int | float | str | None] = {}


class CannotListen(OSError):
    """The address of a health server cannot be listened on; says which, why, and which setting names it."""

    def __str__(self) -> str:
        return str(self.strerror)


class HealthServer:
    """A small HTTP server in a daemon thread; ``port`` is the one it got when 0 was asked for."""

    def __init__(self, text: str, setting: str, registry: CollectorRegistry, health: Callable[[], Health]) -> None:
        """Bind the ``host:port`` that ``setting`` has named; raises `CannotListen`."""
        there = address.parse(text)

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/metrics":
                    self._answer(200, CONTENT_TYPE_LATEST, generate_latest(registry))
                elif self.path == "/healthz":
                    state = health()
                    body = json.dumps(
                        {"ok": state.ok, "why": state.why, "restart_helps": state.restart_helps, **state.facts}
                    ).encode()
                    self._answer(200 if state.ok else 503, "application/json", body)
                else:
                    self._answer(404, "text/plain", b"here: /healthz /metrics\n")

            def _answer(self, status: int, kind: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Probes come every few seconds: not worth a line."""

        class Server(ThreadingHTTPServer):
            address_family = socket.AF_INET6 if ":" in there.host else socket.AF_INET

        try:
            self._server = Server((there.host, there.port), Handler)
        except OSError as error:
            why = f"{setting}: cannot listen on {text}: {error.strerror or error}"
            raise CannotListen(error.errno, why) from None
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, name="probe", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

"""/healthz and /metrics of a process, on loopback unless told otherwise."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from msgspec import Struct
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest


class Health(Struct, frozen=True, kw_only=True):
    """Whether a process does its work, and why not."""

    ok: bool
    why: str = ""
    facts: dict[str, int | float | str | None] = {}


class Probe:
    """A small HTTP server in a daemon thread; ``port`` is the one it got when 0 was asked for."""

    def __init__(self, address: str, registry: CollectorRegistry, health: Callable[[], Health]) -> None:
        """Bind ``host:port``; raises `OSError` when it is taken."""
        host, port = address.rsplit(":", 1)

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/metrics":
                    self._answer(200, CONTENT_TYPE_LATEST, generate_latest(registry))
                elif self.path == "/healthz":
                    state = health()
                    body = json.dumps({"ok": state.ok, "why": state.why, **state.facts}).encode()
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

        self._server = ThreadingHTTPServer((host, int(port)), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, name="probe", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

"""The whole line on a Kafka that speaks TLS only and asks for a password: every process, each with its own client."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.demo.receiver import Receiver
from tests.end_to_end.scenario import NAMES, Stage, fill, order
from tests.safe_broker import PASSWORD, USER, SafeBroker
from tests.waiting import until

pytestmark = pytest.mark.line


def test_from_fix_to_the_page_over_tls_with_a_password(tmp_path: Path) -> None:
    password = tmp_path / "kafka-password"
    password.write_text(PASSWORD)
    with Receiver() as receiver, SafeBroker(tmp_path) as broker:
        access = f"""
protocol = "SASL_SSL"
mechanism = "PLAIN"
username = "{USER}"
password_file = "{password}"
ca_file = "{broker.certificate}"
"""
        stage = Stage(tmp_path, broker.safe, receiver, access)
        try:
            stage.start()
            until(lambda: all(stage.get(name, "/healthz") for name in NAMES), why=stage.logs)
            stage.feed({"symbol": "IBM", "bid": "10.04", "ask": "10.06"})
            until(lambda: stage.metric("quotes", "sorwatch_quotes_rows_total") >= 1)
            peer = stage.logon()
            peer.expect(b"A")
            peer.send("D", 2, *order("A", "IBM"))
            peer.send("8", 3, *fill("DEAR", "A", "IBM", price="10.50"))
            until(lambda: "DEAR" in (stage.get("alert", "/api/findings.json") or ""), why=stage.logs)
            assert stage.stop() == 0
        finally:
            stage.close()
        assert PASSWORD not in stage.logs()

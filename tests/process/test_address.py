"""HOST:PORT, IPv6 in brackets: read once, and used by everything that listens or calls."""

from __future__ import annotations

import socket

import pytest
from prometheus_client import CollectorRegistry

from monitor.process import address, health_poll
from monitor.process.health_server import CannotListen, Health, HealthServer


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [("127.0.0.1:9401", "127.0.0.1", 9401), ("[::1]:9401", "::1", 9401), ("kafka-1.desk:0", "kafka-1.desk", 0)],
)
def test_an_address_is_read_and_written_alike(text: str, host: str, port: int) -> None:
    assert (parsed := address.parse(text)) == address.Address(host, port)
    assert str(parsed) == text


@pytest.mark.parametrize(
    "text", ["", ":1", "host", "host:", "host:x", "host:65536", "::1:9401", "[::1:9", "[]:9", "h:٣"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not HOST:PORT"):
        address.parse(text)


def test_the_lowest_port_is_kept() -> None:
    with pytest.raises(ValueError, match="from 1 to 65535"):
        address.parse("host:0", lowest=1)


@pytest.mark.line
@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_a_health_server_answers_on_either_family(host: str) -> None:
    server = HealthServer(f"{host}:0", "x.probe", CollectorRegistry(), lambda: Health(ok=True))
    try:
        answer = health_poll.ask(f"{host}:{server.port}")
        assert answer is not None
        assert answer.ok
    finally:
        server.close()


@pytest.mark.line
def test_an_address_in_use_is_named_with_its_setting() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        there = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(CannotListen, match=f"listen.probe: cannot listen on {there}: Address already in use"):
            HealthServer(there, "listen.probe", CollectorRegistry(), lambda: Health(ok=True))

"""HOST:PORT as people write it, IPv6 in brackets. Pure."""

from __future__ import annotations

from msgspec import Struct


class Address(Struct, frozen=True):
    """Where something listens, or is called."""

    host: str
    """A name or an address, without brackets."""
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse(text: str, *, lowest: int = 0) -> Address:
    """An address of its text; raises `ValueError` when it is none, or its port is below ``lowest``."""
    host, _, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    bare = host[1:-1] if bracketed else host
    if not bare or any(mark in bare for mark in "[]") or (":" in bare) is not bracketed:
        raise ValueError(f"{text!r} is not HOST:PORT")
    if not (port.isascii() and port.isdecimal() and lowest <= int(port[:6]) <= 65535):
        raise ValueError(f"{text!r} is not HOST:PORT, the port from {lowest} to 65535")
    return Address(bare, int(port))

"""Listening on the address that was asked for, in place of QuickFIX, which listens on every interface.

QuickFIX is given a port nobody knows; once it listens there, our own listening socket is put in the place of its.
"""

from __future__ import annotations

import os
import socket
import stat


class AddressTaken(OSError):
    """An acceptor's address cannot be listened on."""


def listening(address: tuple[str, int]) -> socket.socket:
    """A socket that listens where the settings say; raises `AddressTaken`."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind(address)
        made.listen(128)
    except OSError as error:
        made.close()
        raise AddressTaken(error.errno, f"cannot listen on {address[0]}:{address[1]}: {error.strerror}") from None
    made.setblocking(False)
    return made


def unknown_port() -> int:
    """A port that is free now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("0.0.0.0", 0))  # noqa: S104 - asks for a number only: nothing listens on it
        return int(probe.getsockname()[1])


def listen_there(mine: socket.socket, port: int) -> None:
    """Put our listening socket in the place of the one QuickFIX has just made on every interface."""
    for name in os.listdir("/dev/fd"):  # noqa: PTH208 - numbers, not paths
        fd = int(name)
        try:
            if stat.S_ISSOCK(os.fstat(fd).st_mode) and _local_port(fd) == port:
                os.dup2(mine.fileno(), fd, inheritable=False)
                mine.close()
                return
        except OSError:
            continue
    raise AddressTaken(0, f"the FIX engine does not listen on its own port {port}: is this QuickFIX 1.16?")


def _local_port(fd: int) -> int | None:
    with socket.socket(fileno=os.dup(fd)) as copy:
        return copy.getsockname()[1] if copy.family == socket.AF_INET else None

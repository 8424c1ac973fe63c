"""FIX messages for a journal: orders of many symbols, one NewOrderSingle each."""

from __future__ import annotations

from fix_ingest.journal import Journal

SYMBOLS = [f"S{i:03d}" for i in range(40)]
BEGAN = 1_700_000_000_000_000_000


def message(kind: str, seq: int, *fields: tuple[int, str]) -> bytes:
    """One FIX 4.4 message with its length and checksum."""
    said = [(35, kind), (34, str(seq)), (49, "ROUTER"), (56, "DESK"), (52, "20231114-22:13:20.000"), *fields]
    body = b"".join(f"{tag}={value}\x01".encode() for tag, value in said)
    head = f"8=FIX.4.4\x019={len(body)}\x01".encode() + body
    return head + f"10={sum(head) % 256:03d}\x01".encode()


def order(i: int) -> bytes:
    """The i-th order."""
    return message(
        "D", i, (11, f"o{i}"), (55, SYMBOLS[i % len(SYMBOLS)]), (54, "1"), (38, "100"), (40, "1"), (60, when(i))
    )


def when(i: int) -> str:
    """A millisecond for each."""
    return f"20231114-22:{13 + i // 60000 % 40}:{i // 1000 % 60:02d}.{i % 1000:03d}"


def write(journal: Journal, first: int, last: int) -> None:
    """Orders ``first`` to ``last``, which get these numbers in an empty journal."""
    for i in range(first, last + 1):
        journal.append("one", "message", order(i), BEGAN + i * 1_000_000)

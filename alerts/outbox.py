"""Notices on their way out: what was decided to be told, to which channel, and every attempt to deliver it.

A notice is put here in the transaction that decided it. An attempt is on record before it is made: one that has no
end was in flight when the process died, and is made again. So each notice arrives at least once, and at most one of
each channel can arrive twice for each time the process is killed.
"""

from __future__ import annotations

from enum import StrEnum
from hashlib import blake2b

import msgspec
from msgspec import Struct

from alerts.notify import LastNotified
from alerts.render import Message
from alerts.store import Store


class NoticeState(StrEnum):
    """Where a notice stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    REFUSED = "refused"
    """The channel will not have it; tried again when the process starts, for settings may have been mended."""


class Notice(Struct, frozen=True, kw_only=True):
    """One message for one channel."""

    key: str
    """Deterministic: the same notice has the same key however often it is sent."""
    incident: str
    n: int
    channel: str
    made: int
    message: Message
    state: NoticeState
    tries: int
    due: int
    thread: str | None
    """What the channel called the message once it was delivered."""


class Attempt(Struct, frozen=True, kw_only=True):
    """One try to deliver."""

    started: int
    ended: int | None
    outcome: str
    detail: str


def key_of(incident: str, n: int, channel: str) -> str:
    """Key of the n-th notice of an incident to a channel."""
    return blake2b(f"{incident}\x1f{n}\x1f{channel}".encode(), digest_size=12).hexdigest()


class Outbox:
    """What was notified last, notices and attempts, in the store's file; changes happen in the store's transactions."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._db = store.db

    def told(self) -> dict[str, LastNotified]:
        """What was told last about each incident."""
        decoder = msgspec.json.Decoder(LastNotified)
        return {i: decoder.decode(body) for i, body in self._db.execute("SELECT incident, body FROM told")}

    def tell(self, told: LastNotified, message: Message, channels: tuple[str, ...]) -> None:
        """Keep that it was told, and one notice for each channel."""
        self._db.execute("INSERT OR REPLACE INTO told VALUES (?, ?)", (told.incident, msgspec.json.encode(told)))
        body = msgspec.json.encode(message)
        for channel in channels:
            self._db.execute(
                "INSERT INTO notices (key, incident, n, channel, made, body, state, due) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    key_of(told.incident, told.n, channel),
                    told.incident,
                    told.n,
                    channel,
                    told.at,
                    body,
                    NoticeState.PENDING,
                    told.at,
                ),
            )

    def due(self, channel: str, now: int) -> Notice | None:
        """The oldest notice to try now; those of one incident go out in their order."""
        found = self._db.execute(
            "SELECT * FROM notices AS m WHERE channel=? AND state='pending' AND due<=? AND NOT EXISTS ("
            " SELECT 1 FROM notices AS e WHERE e.incident=m.incident AND e.channel=m.channel AND e.n<m.n"
            " AND e.state='pending') ORDER BY made, n, key LIMIT 1",
            (channel, now),
        ).fetchone()
        return None if found is None else _notice(found)

    def next_due(self, channel: str) -> int | None:
        """When the next pending notice may be tried."""
        found = self._db.execute("SELECT min(due) FROM notices WHERE channel=? AND state='pending'", (channel,))
        due: int | None = found.fetchone()[0]
        return due

    def thread(self, incident: str, channel: str) -> str | None:
        """What the channel called the incident's first delivered message."""
        found = self._db.execute(
            "SELECT thread FROM notices WHERE incident=? AND channel=? AND thread IS NOT NULL ORDER BY n LIMIT 1",
            (incident, channel),
        ).fetchone()
        return None if found is None else str(found[0])

    def begin(self, key: str, now: int) -> int:
        """Put an attempt on record; answers its number."""
        self._db.execute("UPDATE notices SET tries=tries+1 WHERE key=?", (key,))
        made = self._db.execute(
            "INSERT INTO attempts (key, started, outcome, detail) VALUES (?, ?, 'in flight', '')", (key, now)
        )
        if made.lastrowid is None:
            raise RuntimeError("SQLite gave no row number for an attempt")
        return made.lastrowid

    def end(self, attempt: int, now: int, outcome: str, detail: str) -> None:
        """How an attempt ended."""
        self._db.execute("UPDATE attempts SET ended=?, outcome=?, detail=? WHERE n=?", (now, outcome, detail, attempt))

    def settle(self, key: str, state: NoticeState, due: int, thread: str | None) -> None:
        """Where a notice stands after an attempt."""
        self._db.execute("UPDATE notices SET state=?, due=?, thread=? WHERE key=?", (state, due, thread, key))

    def resume(self, now: int, channels: tuple[str, ...]) -> int:
        """At start: close what was in flight and try again what was refused; answers how many were in flight.

        A notice that waits for a channel which the settings name no more is given up, with that reason on record.
        """
        known = ",".join("?" * len(channels))
        self._db.execute(
            f"UPDATE notices SET state='pending', due=? WHERE state='refused' AND channel IN ({known})",  # noqa: S608 - our own marks
            (now, *channels),
        )
        waiting = f"SELECT key FROM notices WHERE state='pending' AND channel NOT IN ({known})"  # noqa: S608 - as above
        self._db.execute(
            f"INSERT INTO attempts (key, started, ended, outcome, detail) SELECT key, ?, ?, 'given up', ? "  # noqa: S608 - as above
            f"FROM ({waiting})",
            (now, now, "the settings name no such channel any more", *channels),
        )
        self._db.execute(
            f"UPDATE notices SET state='refused' WHERE state='pending' AND channel NOT IN ({known})",  # noqa: S608 - as above
            channels,
        )
        cut = self._db.execute(
            "UPDATE attempts SET ended=?, outcome='interrupted', detail=? WHERE outcome='in flight'",
            (now, "the process ended while it was being sent: it is sent again and may arrive twice"),
        )
        return cut.rowcount

    def trim(self, before: int) -> None:
        """Let go of what was delivered before a time, and of what was told of incidents that are gone."""
        self._db.execute("DELETE FROM notices WHERE made<? AND state='delivered'", (before,))
        self._db.execute("DELETE FROM attempts WHERE key NOT IN (SELECT key FROM notices)")
        self._db.execute(
            "DELETE FROM told WHERE incident NOT IN (SELECT incident FROM findings)"
            " AND incident NOT IN (SELECT incident FROM notices)"
        )

    def notices_of(self, incident: str) -> list[Notice]:
        """Notices of an incident, oldest first."""
        rows = self._db.execute("SELECT * FROM notices WHERE incident=? ORDER BY n, channel", (incident,))
        return [_notice(row) for row in rows]

    def newest(self, limit: int) -> list[Notice]:
        """Notices, newest first."""
        rows = self._db.execute("SELECT * FROM notices ORDER BY made DESC, n DESC LIMIT ?", (limit,))
        return [_notice(row) for row in rows]

    def attempts(self, key: str) -> list[Attempt]:
        """Every attempt to deliver a notice, oldest first."""
        rows = self._db.execute("SELECT started, ended, outcome, detail FROM attempts WHERE key=? ORDER BY n", (key,))
        return [Attempt(started=s, ended=e, outcome=o, detail=d) for s, e, o, d in rows]

    def counts(self) -> dict[tuple[str, str], int]:
        """Notices by channel and state."""
        rows = self._db.execute("SELECT channel, state, count(*) FROM notices GROUP BY channel, state")
        return {(channel, state): n for channel, state, n in rows}


def _notice(row: tuple[object, ...]) -> Notice:
    key, incident, n, channel, made, body, state, tries, due, thread = row
    plain = {
        "key": key,
        "incident": incident,
        "n": n,
        "channel": channel,
        "made": made,
        "message": msgspec.json.decode(body if isinstance(body, bytes) else b"", type=Message),
        "state": state,
        "tries": tries,
        "due": due,
        "thread": thread,
    }
    return msgspec.convert(plain, Notice)

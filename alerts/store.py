"""What the alert process knows, in one SQLite file: findings, executions, line health, running totals, offsets.

The place reached in Kafka is kept in the same transaction as what was read from there. So a process killed at any
instant goes on from exactly what it had taken in: nothing is lost, and nothing counts twice.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec
from msgspec import Struct

from alerts.incidents import Entry
from alerts.totals import Labels
from monitor.process.lockfile import held
from monitor.wire.events import Execution, Finding, LineHealth

FILE = "alerts.db"
VERSION = 2

_SCHEMA = """
CREATE TABLE offsets (topic TEXT, part INTEGER, next INTEGER NOT NULL, PRIMARY KEY (topic, part)) WITHOUT ROWID;
CREATE TABLE findings (
  id TEXT PRIMARY KEY, incident TEXT NOT NULL, order_id TEXT NOT NULL, at INTEGER NOT NULL, heard INTEGER NOT NULL,
  entry BLOB NOT NULL, body BLOB NOT NULL);
CREATE INDEX findings_incident ON findings (incident, at);
CREATE INDEX findings_order ON findings (order_id);
CREATE INDEX findings_heard ON findings (heard);
CREATE TABLE revisions (
  id TEXT, revision INTEGER, heard INTEGER NOT NULL, state TEXT NOT NULL, certainty TEXT NOT NULL,
  reason TEXT NOT NULL, PRIMARY KEY (id, revision)) WITHOUT ROWID;
CREATE TABLE executions (
  n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, order_id TEXT NOT NULL, route TEXT NOT NULL,
  body BLOB NOT NULL);
CREATE INDEX executions_order ON executions (order_id);
CREATE INDEX executions_route ON executions (route);
CREATE TABLE health (part INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE totals (name TEXT, labels TEXT, value REAL NOT NULL, PRIMARY KEY (name, labels)) WITHOUT ROWID;
CREATE TABLE unreadable (
  n INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, part INTEGER NOT NULL, place INTEGER NOT NULL,
  heard INTEGER NOT NULL, reason TEXT NOT NULL, body BLOB NOT NULL);
CREATE TABLE told (incident TEXT PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE notices (
  key TEXT PRIMARY KEY, incident TEXT NOT NULL, n INTEGER NOT NULL, channel TEXT NOT NULL, made INTEGER NOT NULL,
  body BLOB NOT NULL, state TEXT NOT NULL, tries INTEGER NOT NULL DEFAULT 0, due INTEGER NOT NULL, thread TEXT);
CREATE INDEX notices_due ON notices (channel, state, due);
CREATE INDEX notices_incident ON notices (incident, channel, n);
CREATE TABLE attempts (
  n INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, started INTEGER NOT NULL, ended INTEGER,
  outcome TEXT NOT NULL, detail TEXT NOT NULL);
CREATE INDEX attempts_key ON attempts (key);
"""


class WrongStore(Exception):
    """The file is not a store of this version."""


class StoreInUse(Exception):
    """Another process keeps this store."""


def own(directory: Path) -> IO[bytes]:
    """A lock that is held while the answer is open and the process lives; raises `StoreInUse`."""
    file = held(directory / "lock")
    if file is None:
        raise StoreInUse(
            f"another process keeps its store in {directory}: stop it, or give this one a `state` of its own"
        )
    return file


class Unreadable(Struct, frozen=True, kw_only=True):
    """A Kafka message that could not be read, here or by the worker."""

    topic: str
    part: int
    place: int
    """Its offset."""
    heard: int
    reason: str
    body: bytes


class Revision(Struct, frozen=True, kw_only=True):
    """One thing that was once said about a finding."""

    revision: int
    heard: int
    state: str
    certainty: str
    reason: str


def _route(execution: Execution) -> str:
    """The route of an execution as its id has it: with its trade date and sender."""
    return execution.id.removesuffix(execution.exec_id)


class Store:
    """The store. One connection, used by one thread; every change happens inside `transaction`."""

    def __init__(self, directory: Path) -> None:
        """Open or make the file; raises `WrongStore` or `sqlite3.Error`."""
        path = directory / FILE
        path.touch(mode=0o600)
        self.db = sqlite3.connect(path, isolation_level=None)
        self.rolled_back: list[Callable[[], None]] = []
        """Called after a transaction could not be finished: what is remembered of it has to be forgotten."""
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.execute("PRAGMA synchronous=FULL")
        self._make(path)

    def _make(self, path: Path) -> None:
        version = self.db.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            self.db.executescript(f"BEGIN;{_SCHEMA}PRAGMA user_version={VERSION};COMMIT;")
        elif version != VERSION:
            self.db.close()
            raise WrongStore(
                f"{path} was written by another version ({version}, not {VERSION}): move it away to start anew"
            )

    def close(self) -> None:
        """Let go of the file."""
        self.db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it or nothing of it."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.db.execute("COMMIT")
        except BaseException:  # whatever it was, also an interrupt: undone, then raised again
            if self.db.in_transaction:
                self.db.execute("ROLLBACK")
            for forget in self.rolled_back:
                forget()
            raise

    def offsets(self) -> dict[tuple[str, int], int]:
        """Next offset to read of each topic and partition."""
        return {(t, p): n for t, p, n in self.db.execute("SELECT topic, part, next FROM offsets")}

    def reached(self, topic: str, part: int, following: int) -> None:
        """Everything before ``following`` is in."""
        self.db.execute("INSERT OR REPLACE INTO offsets VALUES (?, ?, ?)", (topic, part, following))

    def keep_finding(self, entry: Entry, finding: Finding, heard: int) -> None:
        """Keep the newest revision of a finding."""
        self.db.execute(
            "INSERT OR REPLACE INTO findings VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                finding.id,
                entry.cause.id,
                finding.order_id,
                finding.at,
                heard,
                msgspec.json.encode(entry),
                msgspec.json.encode(finding),
            ),
        )

    def keep_revision(self, finding: Finding, heard: int) -> None:
        """Keep that this revision was heard, whether or not it is the newest."""
        self.db.execute(
            "INSERT OR IGNORE INTO revisions VALUES (?, ?, ?, ?, ?, ?)",
            (finding.id, finding.revision, heard, finding.state, finding.certainty, finding.reason),
        )

    def entries(self) -> Iterator[Entry]:
        """What incidents are made of, to begin with."""
        decoder = msgspec.json.Decoder(Entry)
        return (decoder.decode(body) for (body,) in self.db.execute("SELECT entry FROM findings"))

    def finding(self, finding: str) -> Finding | None:
        """The newest revision of a finding."""
        found = self.db.execute("SELECT body FROM findings WHERE id=?", (finding,)).fetchone()
        return None if found is None else msgspec.json.decode(found[0], type=Finding)

    def findings_of(self, incident: str, limit: int) -> list[Finding]:
        """Findings of an incident, newest first."""
        return self._findings("incident=? ORDER BY at DESC, id LIMIT ?", (incident, limit))

    def findings_about(self, order: str) -> list[Finding]:
        """Findings about an order, oldest first."""
        return self._findings("order_id=? ORDER BY at, id LIMIT 200", (order,))

    def newest_findings(self, limit: int) -> list[Finding]:
        """What was heard last."""
        return self._findings("1 ORDER BY heard DESC, at DESC LIMIT ?", (limit,))

    def _findings(self, which: str, values: tuple[object, ...]) -> list[Finding]:
        decoder = msgspec.json.Decoder(Finding)
        rows = self.db.execute(f"SELECT body FROM findings WHERE {which}", values)  # noqa: S608 - our own literals
        return [decoder.decode(body) for (body,) in rows]

    def revisions(self, finding: str) -> list[Revision]:
        """Everything that was said about a finding, oldest first."""
        rows = self.db.execute(
            "SELECT revision, heard, state, certainty, reason FROM revisions WHERE id=? ORDER BY revision", (finding,)
        )
        return [Revision(revision=r, heard=h, state=s, certainty=c, reason=w) for r, h, s, c, w in rows]

    def keep_execution(self, execution: Execution) -> tuple[bool, Execution | None]:
        """Keep it unless a later revision is known; answers whether it is news, and what was known before."""
        found = self.db.execute("SELECT body FROM executions WHERE id=?", (execution.id,)).fetchone()
        known = None if found is None else msgspec.json.decode(found[0], type=Execution)
        if known is not None and known.revision >= execution.revision:
            return False, known
        self.db.execute(
            "INSERT INTO executions (id, order_id, route, body) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (id) DO UPDATE SET body=excluded.body, order_id=excluded.order_id",
            (execution.id, execution.order_id, _route(execution), msgspec.json.encode(execution)),
        )
        return True, known

    def is_first_of_route(self, execution: Execution) -> bool:
        """Whether no other execution of its route is kept: the hops before it are counted once a route."""
        found = self.db.execute(
            "SELECT 1 FROM executions WHERE route=? AND id<>? LIMIT 1", (_route(execution), execution.id)
        )
        return found.fetchone() is None

    def executions_of(self, order: str) -> list[Execution]:
        """Executions of an order that are still kept, oldest first."""
        decoder = msgspec.json.Decoder(Execution)
        rows = self.db.execute("SELECT body FROM executions WHERE order_id=? ORDER BY n LIMIT 500", (order,))
        return [decoder.decode(body) for (body,) in rows]

    def keep_health(self, health: LineHealth) -> None:
        """Keep the newest word of a partition."""
        self.db.execute("INSERT OR REPLACE INTO health VALUES (?, ?)", (health.partition, msgspec.json.encode(health)))

    def health(self) -> list[LineHealth]:
        """The newest word of each partition."""
        decoder = msgspec.json.Decoder(LineHealth)
        return [decoder.decode(body) for (body,) in self.db.execute("SELECT body FROM health ORDER BY part")]

    def totals(self) -> dict[tuple[str, Labels], float]:
        """Running totals since the store was made, by metric and labels."""
        rows = self.db.execute("SELECT name, labels, value FROM totals")
        decoder = msgspec.json.Decoder(Labels)
        return {(name, decoder.decode(labels)): value for name, labels, value in rows}

    def keep_totals(self, changed: Mapping[tuple[str, Labels], float]) -> None:
        """Set the totals that changed."""
        self.db.executemany(
            "INSERT OR REPLACE INTO totals VALUES (?, ?, ?)",
            [(name, msgspec.json.encode(labels).decode(), value) for (name, labels), value in changed.items()],
        )

    def keep_unreadable(self, message: Unreadable) -> None:
        """Keep what could not be read, for a person to look at."""
        self.db.execute(
            "INSERT INTO unreadable (topic, part, place, heard, reason, body) VALUES (?, ?, ?, ?, ?, ?)",
            (message.topic, message.part, message.place, message.heard, message.reason, message.body),
        )

    def unreadable(self, limit: int) -> list[Unreadable]:
        """What could not be read, newest first."""
        rows = self.db.execute(
            "SELECT topic, part, place, heard, reason, body FROM unreadable ORDER BY n DESC LIMIT ?", (limit,)
        )
        return [Unreadable(topic=t, part=p, place=o, heard=h, reason=r, body=b) for t, p, o, h, r, b in rows]

    def count(self, table: str) -> int:
        """Rows of one of the store's own tables."""
        return int(self.db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608 - our own names

    def forget_findings(self, incident: str) -> None:
        """Let go of the findings of an incident."""
        self.db.execute("DELETE FROM revisions WHERE id IN (SELECT id FROM findings WHERE incident=?)", (incident,))
        self.db.execute("DELETE FROM findings WHERE incident=?", (incident,))

    def trim(self, executions: int, unreadable: int) -> None:
        """Keep only so many of the newest."""
        self.db.execute("DELETE FROM executions WHERE n <= (SELECT max(n) FROM executions) - ?", (executions,))
        self.db.execute("DELETE FROM unreadable WHERE n <= (SELECT max(n) FROM unreadable) - ?", (unreadable,))

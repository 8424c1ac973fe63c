"""Settings of every process, from one TOML file; read at the edge and handed down as values.

Every field has a default that suits one machine on loopback. Secrets are never in the file: ``*_file`` names a file
that holds one, and ``env:NAME`` in its place names an environment variable.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from monitor.wire.events import Tie

Port = Annotated[int, Meta(ge=1, le=65535)]
Positive = Annotated[int, Meta(ge=1)]
Natural = Annotated[int, Meta(ge=0)]
Seconds = Annotated[float, Meta(gt=0)]
Days = Annotated[float, Meta(gt=0)]


class Kafka(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the broker is and how to speak to it."""

    bootstrap: tuple[str, ...] = ()
    """``host:port``; empty means the embedded broker."""
    prefix: str = "sorwatch."
    partitions: Positive = 4
    replication: Positive = 1
    protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    ca_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    username: str | None = None
    password_file: str | None = None
    nbbo_kept_hours: Seconds = 24.0
    """Quotes are kept no longer than this on the topic."""
    nbbo_kept_bytes: Positive = 16 << 30
    """Nor more of them, over all partitions: the disk they need on each broker that holds them."""
    reports_kept_days: Seconds = 30.0
    """Everything else but checkpoints is kept for so long."""
    embedded_port: Port = 9092
    mirror: str = "https://repo1.maven.org/maven2"
    """Maven repository the embedded broker's jars are fetched from."""

    @property
    def servers(self) -> tuple[str, ...]:
        """Where to connect: the named brokers, or else the embedded one."""
        return self.bootstrap or (f"127.0.0.1:{self.embedded_port}",)


class Session(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One FIX session of the drop copy."""

    name: str
    role: Literal["acceptor", "initiator"] = "acceptor"
    begin_string: Literal["FIX.4.0", "FIX.4.1", "FIX.4.2", "FIX.4.3", "FIX.4.4", "FIXT.1.1"] = "FIX.4.4"
    default_appl_ver: str | None = None
    """DefaultApplVerID for FIXT.1.1, such as ``FIX.5.0SP2``."""
    sender: str
    """Our SenderCompID."""
    target: str
    """The counterparty's CompID."""
    host: str = "127.0.0.1"
    """Address to listen on (acceptor) or to connect to (initiator)."""
    port: Port
    heartbeat_seconds: Positive = 30
    start_time: str | None = None
    """UTC time of day at which sequence numbers start again, as the counterparty has it; none: they never do."""
    end_time: str | None = None
    username: str | None = None
    password_file: str | None = None
    reconnect_seconds: Positive = 5
    """How long an initiator waits before it connects again."""
    message_types: tuple[str, ...] = ()
    """MsgTypes of the counterparty's own, which the session would otherwise reject."""
    gap_seconds: Positive = 30
    """A gap that does not shrink for so long ends the connection: at the next logon it is asked for again."""
    dialect: str = "default"
    """Name of a shipped dialect or path of one's own."""
    vendor: str | None = None
    """Who runs the router behind this session."""
    counterparty: str | None = None
    """Whose order and execution ids come over this session; its own name when none. Name it alike for a primary session
    and its backup, and only for those."""


class Listen(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The FIX side: sessions and the journal."""

    source: str = "dropcopy"
    """Name of the journal, and the ``source`` of every event in it."""
    sync: Literal["always", "interval", "never"] = "interval"
    """When the journal is forced to disk: before each acknowledgement, every 50 ms, or when the system likes."""
    segment_bytes: Positive = 64 << 20
    probe: str = "127.0.0.1:9401"
    session: tuple[Session, ...] = ()


class Publish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The journal's way to Kafka."""

    clock: Literal["wall", "events"] = "wall"
    """What the ticks tell: the time of day (live), or the newest event's time (history sent again)."""
    tick_ms: Positive = 20
    in_flight_bytes: Positive = 32 << 20
    journal_kept_days: Days = 30.0
    """Parts of the journal that are wholly published and older than this are deleted: archive them before."""
    journal_kept_bytes: Positive | None = None
    """So are the oldest while the journal is larger than this; what is not published is never deleted."""
    probe: str = "127.0.0.1:9402"


class Quotes(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The quote feed."""

    feed: str | None = None
    """What `sorwatch run` plays, in the notation of `sorwatch quotes`; none when quotes come from elsewhere."""
    source: str = "nbbo"
    tick_ms: Positive = 20
    block_rows: Positive = 2048
    probe: str = "127.0.0.1:9403"


class Watch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The worker."""

    group: str = "sorwatch-watch"
    ties: Tie = "before"
    patience_ms: Natural = 250
    silence_s: Seconds = 30.0
    """A source that says nothing for so long is set aside."""
    policy: str | None = None
    """Path of the policy file; the shipped one when none."""
    closed_kept: Natural = 2000
    """Finished orders each partition remembers, for busts and corrections."""
    probe: str = "127.0.0.1:9404"
    session_timeout_s: Seconds = 10.0
    """After how long without a sign of life the group gives a worker's partitions to another."""
    checkpoint_s: Seconds = 1.0
    """How often each partition's state is written to Kafka."""


class Slack(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Slack, by incoming webhook or by bot token."""

    webhook_file: str | None = None
    token_file: str | None = None
    channel: str | None = None
    api: str = "https://slack.com/api/"


class Mail(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """E-mail by SMTP."""

    host: str
    port: Port = 587
    tls: Literal["starttls", "tls", "none"] = "starttls"
    sender: str
    to: tuple[str, ...]
    username: str | None = None
    """None: no authentication is tried."""
    password_file: str | None = None
    ca_file: str | None = None
    """Certificate authority of the server's certificate; the system's own when none."""


class Link(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A link shown on the desk page."""

    name: str
    url: Annotated[str, Meta(pattern="^https?://")]


class Alert(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What happens once a rule has fired."""

    group: str = "sorwatch-alert"
    page: str = "127.0.0.1:9405"
    """Desk page, /metrics and /healthz."""
    base_url: str | None = None
    """How people reach the page; put into notices."""
    quiet_s: Seconds = 2.0
    """How long an incident gathers findings before it is told."""
    again_s: Seconds = 300.0
    """An incident that still grows is told again at most this often."""
    close_s: Seconds = 900.0
    """An incident without a new finding for so long is over."""
    slack: Slack | None = None
    mail: Mail | None = None
    links: tuple[Link, ...] = ()
    """Other places worth a look, shown on the desk page."""


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything, by process."""

    state: str = ".state"
    """Directory for journal, positions, broker data and notices."""
    kafka: Kafka = field(default_factory=Kafka)
    listen: Listen = field(default_factory=Listen)
    publish: Publish = field(default_factory=Publish)
    quotes: Quotes = field(default_factory=Quotes)
    watch: Watch = field(default_factory=Watch)
    alert: Alert = field(default_factory=Alert)

    def directory(self, name: str) -> Path:
        """A directory of its own under ``state``, made when it is not there."""
        path = Path(self.state).expanduser() / name
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        return path

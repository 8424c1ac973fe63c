"""A configured session in the words of QuickFIX's settings."""

from __future__ import annotations

from pathlib import Path

from fix_ingest.session.dictionaries import write_relaxed
from monitor.config.settings import Session


def quickfix_settings(session: Session, port: int, state: Path) -> dict[str, str]:
    """Settings of one session; writes its dictionaries, which let everything through, below ``state``.

    ``port`` is the one QuickFIX's own acceptor listens on. PersistMessages=N: we send nothing but session messages,
    which are never resent but gap-filled, so the store holds sequence numbers only and its files do not grow.
    """
    values = {
        "ConnectionType": session.role,
        "FileStorePath": str(state / "store"),
        "PersistMessages": "N",
        "UseDataDictionary": "Y",
        "ValidateUserDefinedFields": "N",
        "AllowUnknownMsgFields": "Y",
        "ValidateFieldsOutOfOrder": "N",
        "ValidateFieldsHaveValues": "N",
        "CheckLatency": "N",
        "SocketNodelay": "Y",
        "HeartBtInt": str(session.heartbeat_seconds),
    }
    return values | _schedule(session) | _dictionaries(session, state) | _address(session, port)


def _address(session: Session, port: int) -> dict[str, str]:
    if session.role == "acceptor":
        return {"SocketAcceptPort": str(port)}
    return {
        "SocketConnectHost": session.host,
        "SocketConnectPort": str(session.port),
        "ReconnectInterval": str(session.reconnect_seconds),
    }


def _schedule(session: Session) -> dict[str, str]:
    if session.start_time is None:
        return {"NonStopSession": "Y"}
    return {"StartTime": session.start_time, "EndTime": session.end_time or session.start_time}


def _dictionaries(session: Session, state: Path) -> dict[str, str]:
    directory = state / "dictionaries"
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    own = str(write_relaxed(session.begin_string, session.message_types, directory))
    if session.default_appl_ver is None:
        return {"DataDictionary": own}
    application = str(write_relaxed(session.default_appl_ver, session.message_types, directory))
    return {
        "TransportDataDictionary": own,
        "AppDataDictionary": application,
        "DefaultApplVerID": session.default_appl_ver,
    }

"""How to reach Kafka, as plain dictionaries for kafka-python and for aiokafka; imports neither."""

from __future__ import annotations

import socket
import ssl
from typing import Any

from monitor.config import load, settings
from monitor.config.toml import Mistake, Mistaken
from monitor.process import address


class Unavailable(RuntimeError):
    """Kafka could not be spoken to; says where it was looked for, why not, and which setting to look at."""


def client_config(kafka: settings.Kafka) -> dict[str, Any]:
    """What every client of kafka-python needs; raises `Mistaken` when a secret or certificate cannot be read."""
    config: dict[str, Any] = {
        "bootstrap_servers": list(kafka.servers),
        "security_protocol": kafka.protocol,
        # a broker that comes back is found again within a second
        "reconnect_backoff_ms": 50,
        "reconnect_backoff_max_ms": 1000,
        **_tls(kafka),
    }
    if kafka.protocol.startswith("SASL"):
        config |= {
            "sasl_mechanism": kafka.mechanism,
            "sasl_plain_username": kafka.username,
            "sasl_plain_password": _password(kafka),
        }
    return config


def aiokafka_config(kafka: settings.Kafka) -> dict[str, Any]:
    """What every client of aiokafka needs; raises `Mistaken` when a secret or certificate cannot be read."""
    config = client_config(kafka)
    del config["reconnect_backoff_ms"], config["reconnect_backoff_max_ms"]
    return config


def reach(kafka: settings.Kafka, seconds: float = 3.0) -> None:
    """Return once one of the servers takes a connection; raises `Unavailable` with what each of them said.

    Asked before a client is made: it fails at once and with the reason, where a client tries for long and says less.
    """
    said = []
    for server in kafka.servers:
        try:
            there = address.parse(server, lowest=1)
            with socket.create_connection((there.host, there.port), seconds):
                return
        except ValueError as error:
            said.append(str(error))
        except OSError as error:
            said.append(f"{server}: {error.strerror or error}")
    raise Unavailable(
        f"Kafka cannot be reached ({'; '.join(said)}): is it running, and are host and port in kafka.bootstrap right?"
    )


def refused(kafka: settings.Kafka, error: Exception) -> Unavailable:
    """What a client's failure means for the person who has to mend it."""
    where = ", ".join(kafka.servers)
    kind = type(error).__name__
    silent = kind in ("KafkaTimeoutError", "KafkaConnectionError", "NodeNotReadyError")
    if kind == "SaslAuthenticationFailedError" or (silent and kafka.protocol.startswith("SASL")):
        # a broker may end the connection of a wrong password without a word
        what = (
            f"refuses user {kafka.username!r}, or ends the connection: look at kafka.username, kafka.password_file, "
            f"kafka.mechanism {kafka.mechanism!r} and kafka.protocol {kafka.protocol!r}"
        )
    elif kind in ("UnsupportedSaslMechanismError", "IllegalSaslStateError"):
        what = f"does not take kafka.mechanism {kafka.mechanism!r} over kafka.protocol {kafka.protocol!r}"
    elif "Authorization" in kind:
        what = f"does not allow it ({kind}): user {kafka.username!r} needs rights on topics {kafka.prefix}*"
    elif silent:
        what = (
            f"takes connections but does not answer as Kafka: does that port speak kafka.protocol {kafka.protocol!r}, "
            "is kafka.ca_file the one that signed its certificate, and can its advertised listeners be reached?"
        )
    else:
        what = f"answers with an error: {kind}: {error}"
    return Unavailable(f"Kafka at {where} {what}")


def _tls(kafka: settings.Kafka) -> dict[str, Any]:
    if not kafka.protocol.endswith("SSL"):
        return {}
    try:
        context = ssl.create_default_context(cafile=kafka.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise _mistaken(f"kafka.ca_file: {kafka.ca_file!r} cannot be used: {error}") from None
    if kafka.certificate_file is not None:
        try:
            context.load_cert_chain(kafka.certificate_file, kafka.key_file)
        except (OSError, ssl.SSLError) as error:
            names = f"{kafka.certificate_file!r}, {kafka.key_file!r}"
            raise _mistaken(f"kafka.certificate_file, kafka.key_file: {names} cannot be used: {error}") from None
    return {"ssl_context": context}


def _password(kafka: settings.Kafka) -> str:
    if kafka.password_file is None:
        raise _mistaken(f"kafka.password_file: {kafka.protocol} needs one")
    try:
        return load.secret(kafka.password_file)
    except OSError as error:
        raise _mistaken(f"kafka.password_file: {kafka.password_file!r} cannot be read: {error.strerror}") from None
    except KeyError:
        raise _mistaken(f"kafka.password_file: {kafka.password_file!r}: that variable is not set") from None


def _mistaken(what: str) -> Mistaken:
    return Mistaken("settings", [Mistake(None, what)])

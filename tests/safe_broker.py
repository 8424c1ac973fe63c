"""A broker whose further listeners ask for a password, speak TLS, or both."""

from __future__ import annotations

import subprocess
from pathlib import Path

from monitor.kafka.embedded import java
from monitor.kafka.embedded.broker import HOST, Broker
from tests.waiting import free_port

USER, PASSWORD = "desk", "kafka-marker-5153"


class SafeBroker(Broker):
    """The embedded broker with three more listeners: ``password``, ``tls`` and ``safe`` (both) are their ports."""

    def __init__(self, directory: Path) -> None:
        port, controller, self.password, self.tls, self.safe = (free_port() for _ in range(5))
        self.certificate = certificate(directory)
        ports = {"PLAINTEXT": port, "PASSWORD": self.password, "TLS": self.tls, "SAFE": self.safe}
        listeners = ",".join(f"{name}://{HOST}:{at}" for name, at in ports.items())
        users = f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
        extra = {
            "listeners": f"{listeners},CONTROLLER://{HOST}:{controller}",
            "advertised.listeners": listeners,
            "listener.security.protocol.map": (
                "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,PASSWORD:SASL_PLAINTEXT,TLS:SSL,SAFE:SASL_SSL"
            ),
            "controller.quorum.voters": f"1@{HOST}:{controller}",
        }
        for name in ("password", "safe"):
            extra[f"listener.name.{name}.sasl.enabled.mechanisms"] = "PLAIN"
            extra[f"listener.name.{name}.plain.sasl.jaas.config"] = users
        for name in ("tls", "safe"):
            extra |= {
                f"listener.name.{name}.ssl.keystore.type": "PKCS12",
                f"listener.name.{name}.ssl.keystore.location": str(directory / "keys.p12"),
                f"listener.name.{name}.ssl.keystore.password": "keeper",
                f"listener.name.{name}.ssl.key.password": "keeper",
            }
        super().__init__(directory, port, extra=extra)


def certificate(directory: Path) -> Path:
    """A certificate for 127.0.0.1 that signs itself, made by Java's own tool."""
    made = directory / "certificate.pem"
    store = ["-keystore", str(directory / "keys.p12"), "-storetype", "PKCS12", "-storepass", "keeper", "-alias", "b"]
    key = ["-genkeypair", "-keyalg", "EC", "-dname", "CN=broker", "-ext", "san=ip:127.0.0.1", "-validity", "2"]
    for words in ([*key, *store], ["-exportcert", "-rfc", "-file", str(made), *store]):
        subprocess.run([java.find().with_name("keytool"), *words], check=True, capture_output=True)
    return made

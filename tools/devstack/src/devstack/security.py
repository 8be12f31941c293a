"""TLS, users and ACLs for Kafka, beside the plain listener that devstack itself and tests use.

A SASL_SSL and an SSL listener, where nobody is granted anything unless an ACL says so; whoever
comes over the plain one is the superuser. (The packaged PostgreSQL is built without TLS.)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from devstack.ports import free_port

HOST: Final = "localhost"  # what the servers' certificate must be good for; 127.0.0.1 it is not
MECHANISM: Final = "SCRAM-SHA-512"

LOGIN: Final = "org.apache.kafka.common.security.scram.ScramLoginModule required;"


@dataclass(frozen=True, slots=True)
class Security:
    ca: Path  # who signed the servers' certificate, and the clients' ones
    certificate: Path
    key: Path
    users: Mapping[str, str]  # Kafka's, with their SCRAM passwords
    sasl_port: int
    mutual_port: int

    @classmethod
    def of(cls, ca: Path, certificate: Path, key: Path, users: Mapping[str, str]) -> "Security":
        return cls(ca, certificate, key, users, free_port(), free_port())

    @property
    def kafka_sasl(self) -> str:
        return f"{HOST}:{self.sasl_port}"

    @property
    def kafka_mutual(self) -> str:
        return f"{HOST}:{self.mutual_port}"

    def broker_properties(self, port: int, controller_port: int, folder: Path) -> str:
        """Lines that come after the plain ones and replace them.

        A client certificate speaks for the principal that its common name says.
        """
        store = folder / "server.pem"
        store.touch(mode=0o600)
        store.write_text(self.key.read_text() + self.certificate.read_text())
        return f"""\
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port},\
SASL_SSL://127.0.0.1:{self.sasl_port},SSL://127.0.0.1:{self.mutual_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},\
SASL_SSL://{self.kafka_sasl},SSL://{self.kafka_mutual}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,\
SASL_SSL:SASL_SSL,SSL:SSL
sasl.enabled.mechanisms={MECHANISM}
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config={LOGIN}
ssl.keystore.type=PEM
ssl.keystore.location={store}
ssl.truststore.type=PEM
ssl.truststore.location={self.ca}
listener.name.ssl.ssl.client.auth=required
ssl.principal.mapping.rules=RULE:^CN=([^,]+).*$/$1/,DEFAULT
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=false
super.users=User:ANONYMOUS
"""

    def format_arguments(self) -> list[str]:
        """Options of Kafka's format tool that make the users."""
        return [
            part
            for name, password in self.users.items()
            for part in ("--add-scram", f"{MECHANISM}=[name={name},password={password}]")
        ]

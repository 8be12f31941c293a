"""One server process under a guard: started, watched, stopped, and found again after a crash."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from devstack.errors import DevStackError, no_room

GUARD = Path(__file__).with_name("guard.py")
# What belongs to other Javas, PostgreSQLs and services of this machine, and would change ours.
FOREIGN_VARIABLES = (
    "LULL_",
    "PG",
    "KAFKA_",
    "JAVA_TOOL_OPTIONS",
    "_JAVA_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "CLASSPATH",
)
DISK_FULL = (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT), os.strerror(errno.EFBIG))
LOG_KEPT_BYTES = 20_000_000  # of an old log; a larger one is begun anew


@dataclass(frozen=True, slots=True)
class User:
    """Who the server runs as, where that is not us."""

    uid: int
    gid: int
    reach_all: bool  # folders above its files are closed to it


@dataclass(frozen=True, slots=True)
class Program:
    name: str  # "Kafka"
    command: list[str]
    folder: Path  # its working folder; the command names files below it
    log: Path
    stop_signal: str = "SIGTERM"
    grace_seconds: float = 10
    user: User | None = None
    environment: Mapping[str, str] = field(default_factory=dict)  # over what we have ourselves


class ServerEndedError(DevStackError):
    """It ended before it was ready; `log` is what it wrote since it was started."""

    def __init__(self, name: str, log_file: Path, log: str) -> None:
        super().__init__(
            no_room(log_file.parent.parent).args[0]
            if any(mark in log for mark in DISK_FULL)
            else f"{name} ended while starting: {cause_in(log)} (all of it: {log_file})."
        )
        self.log = log


class Server:
    """A running program. `pid` is the server's own, not the guard's: kill -9 it as you like."""

    def __init__(self, program: Program, pid_file: Path) -> None:
        self.program = program
        self.pid_file = pid_file
        self._log_from = _shorten(program.log)
        user = program.user
        spec = {
            "command": program.command,
            "cwd": str(program.folder),
            "log": str(program.log),
            "stop_signal": program.stop_signal,
            "grace_seconds": program.grace_seconds,
            "uid": user.uid if user else None,
            "gid": user.gid if user else None,
            "reach_all": bool(user and user.reach_all),
        }
        self._guard = subprocess.Popen(
            [sys.executable, "-I", "-S", str(GUARD), json.dumps(spec)],
            # Not in the arguments, which every user of the machine may read.
            env=_own_environment() | dict(program.environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C in the terminal is ours to answer, not the server's
        )
        line = self._guard.stdout.readline() if self._guard.stdout else b""
        if not line:
            _, said = self._guard.communicate()
            reason = said.decode(errors="replace").strip().rpartition("\n")[2]
            raise DevStackError(f"{program.name} can't be started: {reason}.")
        self.pid = int(line)
        with suppress(psutil.NoSuchProcess):
            created = psutil.Process(self.pid).create_time()
            pid_file.write_text(json.dumps({"pid": self.pid, "created": created}))

    def is_running(self) -> bool:
        return self._guard.poll() is None

    def said(self) -> str:
        """Its log since this start."""
        with self.program.log.open("rb") as log:
            log.seek(self._log_from)
            return log.read().decode(errors="replace")

    def wait_until(self, ready: Callable[[], bool], seconds: float) -> None:
        """Poll until ready; a server that ends or takes too long is an error."""
        name, log = self.program.name, self.program.log
        until = time.monotonic() + seconds
        while not ready():
            if not self.is_running():
                raise ServerEndedError(name, log, self.said())
            if time.monotonic() > until:
                self.stop()
                raise DevStackError(
                    f"{name} was not ready after {seconds:.0f} s and was stopped: "
                    f"{cause_in(self.said())} (all of it: {log})."
                )
            time.sleep(0.03)

    def wait(self, seconds: float) -> int:
        """For programs that end by themselves: their exit code."""
        try:
            return self._guard.wait(seconds)
        finally:
            self.stop()

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self._guard.wait(10)

    def stop(self) -> None:
        """Gently, then by force; answers when it and its children are gone. May be repeated."""
        for pipe in (self._guard.stdin, self._guard.stdout, self._guard.stderr):
            if pipe is not None:
                pipe.close()
        try:
            self._guard.wait(self.program.grace_seconds + 10)
        except subprocess.TimeoutExpired:
            end_process(self.pid)
            self._guard.kill()
            self._guard.wait()
        self.pid_file.unlink(missing_ok=True)


def _own_environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith(FOREIGN_VARIABLES)}


def end_leftover(pid_file: Path, grace_seconds: float) -> None:
    """End the server of a run that could not: only if the pid still is that very process."""
    try:
        noted = json.loads(pid_file.read_text())
        process = psutil.Process(noted["pid"])
        if abs(process.create_time() - noted["created"]) < 1:
            end_process(process.pid, grace_seconds)
    except (FileNotFoundError, ValueError, KeyError, psutil.NoSuchProcess):
        pass
    pid_file.unlink(missing_ok=True)


def forget_reused_pid(postmaster_pid: Path) -> None:
    """After a crash its pid may be another program's, which PostgreSQL would take for itself."""
    with suppress(FileNotFoundError, ValueError, IndexError, psutil.NoSuchProcess):
        pid = int(postmaster_pid.read_text().splitlines()[0])
        if psutil.Process(pid).name() != "postgres":
            postmaster_pid.unlink()


def end_process(pid: int, grace_seconds: float = 5) -> None:
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
        process.terminate()
        _, alive = psutil.wait_procs([process], timeout=grace_seconds)
        for one in alive:
            one.kill()
        psutil.wait_procs(family, timeout=5)


CAUSES = ("Exception:", "Error:", "FATAL:", "PANIC:", "error:", "ERROR", "Address already in use")


def cause_in(log: str) -> str:
    """The last line that names a cause, else the last line."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    named = [line for line in lines if any(mark in line for mark in CAUSES)]
    line = (named or lines or ["it said nothing"])[-1]
    return line.rstrip(".")[:300]


def _shorten(log: Path) -> int:
    """Where this start's lines will begin; a log that grew past its size starts anew."""
    if log.exists() and log.stat().st_size > LOG_KEPT_BYTES:
        log.unlink()
    return log.stat().st_size if log.exists() else 0

"""One contender as a process: how far it is, what it has used, killed and started again."""

import asyncio
import os
import re
import signal
import subprocess
import threading
import time
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from bench.debounce.contenders import Contender
from bench.debounce.load import Load

_PROCESSED = re.compile(rb"^processed (\d+) probes (\d+)")
_HEALTH = re.compile(rb'"health": ?"(http[^"]+)"')
_FIGURE = re.compile(r"^lull_debounce_(pending|read_lag)\{[^}]*\} (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Moment:
    at_s: float
    cpu_s: float


class Running:
    def __init__(self, contender: Contender, load: Load, run: str, folder: Path) -> None:
        self.contender = contender
        self._load = load
        self.log = folder / f"{run}.log"
        folder.mkdir(parents=True, exist_ok=True)
        command = contender.command()
        environment = contender.environment(load, run, folder)
        self.began = time.monotonic()
        self._process = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._family = psutil.Process(self._process.pid)
        self.ready: Moment | None = None
        self.first_s = 0.0  # until the outputs that were waited for
        self.processed = 0
        self.probes = 0
        self._url = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def now(self) -> Moment:
        """Elapsed since it was started, and CPU time (user and system) used since then."""
        cpu_s = 0.0
        with suppress(psutil.NoSuchProcess):
            for process in (self._family, *self._family.children(recursive=True)):
                cpu_s += sum(process.cpu_times()[:2])
        return Moment(time.monotonic() - self.began, cpu_s)

    def rss(self) -> int:
        with suppress(psutil.NoSuchProcess):
            return int(self._family.memory_info().rss)
        return 0

    def peak_rss(self) -> int:
        """As the system has kept it."""
        with suppress(FileNotFoundError, ProcessLookupError):
            status = Path(f"/proc/{self._process.pid}/status").read_text()
            return int(status.partition("VmHWM:")[2].split()[0]) * 1024
        return 0

    def alive(self) -> bool:
        return self._process.poll() is None

    async def progress(self) -> tuple[int, int]:
        """Ours: pending conversations and records not yet read (-1: unknown). Else zeros."""
        if not self._url:
            return 0, -1
        try:
            text = await asyncio.to_thread(self._metrics)
        except OSError:
            return 0, -1
        pending, lags = 0, []
        for figure, value in _FIGURE.findall(text):
            if figure == "pending":
                pending += int(float(value))
            else:
                lags.append(int(float(value)))
        return pending, sum(lags) if len(lags) == self._load.partitions else -1

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._reader.join()

    def stop(self) -> int:
        """Gently; after 20 s by force."""
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        return self._process.returncode

    def _metrics(self) -> str:
        with urllib.request.urlopen(f"{self._url}/metrics", timeout=5) as answer:  # noqa: S310
            return str(answer.read().decode())

    def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - it was asked for
        with self._process.stdout as stdout, self.log.open("ab", buffering=0) as log:
            for line in stdout:
                if self.ready is None and self.contender.ready in line:
                    self.ready = self.now()
                if found := _PROCESSED.match(line):
                    self.processed, self.probes = int(found[1]), int(found[2])
                    continue
                if found := _HEALTH.search(line):
                    self._url = found[1].decode()
                log.write(line)

"""Every API request received: call, answer and duration. No bodies, no query."""

from collections import deque
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

KEPT = 100_000


@dataclass(frozen=True, slots=True)
class Entry:
    seq: int
    at: float
    vendor: str
    account: str | None
    method: str
    path: str
    status: int  # 0: the connection ended without an answer
    latency_ms: float
    fault: str | None


class Journal:
    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=KEPT)
        self._seq = 0

    def record(
        self,
        *,
        at: float,
        vendor: str,
        account: str | None,
        method: str,
        path: str,
        status: int,
        latency_ms: float,
        fault: str | None,
    ) -> None:
        self._seq += 1
        self._entries.append(
            Entry(self._seq, at, vendor, account, method, path, status, round(latency_ms, 2), fault)
        )

    def latest(self, count: int) -> list[Entry]:
        """Newest first."""
        return list(islice(reversed(self._entries), count))

    def select(
        self, *, vendor: str | None = None, account: str | None = None, since_seq: int = 0
    ) -> list[dict[str, Any]]:
        return [
            asdict(entry)
            for entry in self._entries
            if entry.seq > since_seq
            and vendor in (None, entry.vendor)
            and account in (None, entry.account)
        ]

"""A Salesloft team: plain-text notes, and its points by the minute."""

import itertools
import uuid
from collections.abc import Iterable, Mapping
from typing import Any, Final

from simulators.crm import CrmAccount, User
from simulators.rate_limits import GridWindow

POINTS_PER_MINUTE: Final = 600
CONTENT_MAX_CHARS: Final = 65_535  # no limit is documented
_GUIDS: Final = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")


class SalesloftAccount(CrmAccount):
    """`id` is the team id. Record ids count from 1 in each team, so they repeat."""

    crm = "salesloft"
    html = False

    def __init__(self, account_id: str, name: str, users: Iterable[User]) -> None:
        super().__init__(account_id, name, users, itertools.count(1))
        self.points = GridWindow(POINTS_PER_MINUTE, 60)
        self.task_keys: dict[str, str] = {}  # idempotency key to task id

    def guid(self, user_id: str) -> str:
        return str(uuid.uuid5(_GUIDS, f"{self.id}/{user_id}"))

    def set_limits(self, limits: Mapping[str, Any]) -> None:
        for name, value in limits.items():
            if name != "points_per_minute":
                message = f"no such limit: {name}"
                raise ValueError(message)
            self.points.limit = int(value)

    def limits(self) -> dict[str, Any]:
        return {"points_per_minute": self.points.limit}

    def sanitize(self, html: str) -> str:
        """Notes are plain text: tags are letters like any others."""
        return html.replace("\r\n", "\n").strip()

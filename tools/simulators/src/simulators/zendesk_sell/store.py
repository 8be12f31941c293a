"""A Sell account: its limits per token, and notes of plain text."""

import itertools
from collections.abc import Iterable, Mapping
from typing import Any, Final

from simulators.crm import CrmAccount, Person, User
from simulators.rate_limits import RollingWindow

CONTENT_MAX_CHARS: Final = 65_535  # no limit is documented
PER_HOUR: Final = 36_000
PER_SECOND: Final = 10


class SellAccount(CrmAccount):
    """`id` is the account's number. Record ids count from 1 in each account, so they repeat."""

    crm = "zendesk_sell"
    html = False

    def __init__(self, account_id: str, name: str, users: Iterable[User]) -> None:
        super().__init__(account_id, name, users, itertools.count(1))
        self._limits = {"requests_per_hour": PER_HOUR, "requests_per_second": PER_SECOND}
        self._windows: dict[str, tuple[RollingWindow, RollingWindow]] = {}

    def take(self, token: str, now: float) -> bool:
        """Whether the token may make this call."""
        hour, second = self._windows.setdefault(
            token, (RollingWindow(PER_HOUR, 3600), RollingWindow(PER_SECOND, 1))
        )
        hour.limit = self._limits["requests_per_hour"]
        second.limit = self._limits["requests_per_second"]
        return second.take(now) and hour.take(now)

    def set_limits(self, limits: Mapping[str, Any]) -> None:
        for name, value in limits.items():
            if name not in self._limits:
                message = f"no such limit: {name}"
                raise ValueError(message)
            self._limits[name] = int(value)

    def limits(self) -> dict[str, Any]:
        return dict(self._limits)

    def sanitize(self, html: str) -> str:
        """Notes are plain text: tags are letters like any others."""
        return html.replace("\r\n", "\n").strip()

    def live(self, kind: str, record_id: str) -> Person | None:
        """A contact or lead that is still there; a merged one leaves no trace."""
        person = self.live_person(record_id)
        return None if person is None or kind_of(person) != kind else person


def kind_of(person: Person) -> str:
    return "lead" if person.extra.get("lead") else "contact"

"""A Pipedrive company: its token budget and burst limits, and its HTML sanitizer."""

import itertools
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

import nh3

from simulators.crm import Activity, By, CrmAccount, Note, Person, User
from simulators.rate_limits import GridWindow

NOTE_MAX_BYTES = 100_000
DAY_S, BURST_S = 86_400, 2
TOKENS_PER_SEAT = 30_000
PLANS = {"lite": (1, 80), "growth": (2, 160), "premium": (5, 400), "ultimate": (7, 480)}
"""Plan to (factor of the daily budget, calls per token in 2 s)."""

ACTIVITY_TYPES = ("call", "meeting", "task", "deadline", "email", "lunch")

_TAGS = {
    "a", "b", "blockquote", "br", "div", "em", "i", "li", "ol", "p", "s", "span", "strong", "u",
    "ul",
}  # fmt: skip


class PipedriveAccount(CrmAccount):
    """`id` is the company domain. Record ids count from 1 in each company, so they repeat."""

    crm = "pipedrive"

    def __init__(self, account_id: str, name: str, users: Iterable[User]) -> None:
        super().__init__(account_id, name, users, itertools.count(1))
        self.company_id = zlib.crc32(account_id.encode()) % 10_000_000
        self.budget = GridWindow(TOKENS_PER_SEAT, DAY_S)
        self.calls_per_burst = PLANS["lite"][1]
        self.search_window = GridWindow(10, BURST_S)
        self._bursts: dict[str, GridWindow] = {}

    def burst_of(self, token: str) -> GridWindow:
        """The burst limit counts per token."""
        window = self._bursts.setdefault(token, GridWindow(self.calls_per_burst, BURST_S))
        window.limit = self.calls_per_burst
        return window

    def delete_person(self, person: Person, now: float, by: By) -> None:
        """With the notes and activities that are nobody else's: unconfirmed, and worse for us."""
        super().delete_person(person, now, by)
        records: list[Note | Activity] = [*self.notes_of(person.id), *self.activities_of(person.id)]
        for record in records:
            if record.person_ids == [person.id]:
                record.delete(now, by)

    def set_limits(self, limits: Mapping[str, Any]) -> None:
        rest = dict(limits)
        if "plan" in rest:
            factor, self.calls_per_burst = PLANS[rest.pop("plan")]
            self.budget.limit = TOKENS_PER_SEAT * factor * int(rest.pop("seats", 1))
        for name, value in rest.items():
            if name == "daily_tokens":
                self.budget.limit = int(value)
            elif name == "requests_per_2s":
                self.calls_per_burst = int(value)
            elif name == "searches_per_2s":
                self.search_window.limit = int(value)
            else:
                message = f"no such limit: {name}"
                raise ValueError(message)

    def limits(self) -> dict[str, Any]:
        return {
            "daily_tokens": self.budget.limit,
            "requests_per_2s": self.calls_per_burst,
            "searches_per_2s": self.search_window.limit,
        }

    def sanitize(self, html: str) -> str:
        return nh3.clean(html, tags=_TAGS)

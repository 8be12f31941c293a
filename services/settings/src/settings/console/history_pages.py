"""Sync history and failures: what became of conversations, found again and tried again."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from common.catalog import APPS
from common.outcomes import SENTENCES, Outcome
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from settings.console.links import Links
from settings.console.visitors import Visitors, field, form
from settings.domain.history import AGAIN, DONE, Entry, Filter, Place
from settings.domain.installations import Workspace
from settings.domain.links import conversation_meant
from settings.handlers.history import History
from settings.handlers.installations import Installations, teammate
from settings.handlers.retrying import Retrying
from settings.ports.history import Asked

_NAMES = ("app", "outcome", "from", "to", "conversation")
_FAILED = frozenset({Outcome.FAILED})


@dataclass(frozen=True, slots=True)
class Search:
    """The filter as the form shows it, and as the store takes it; `fault`: what was not understood.

    Nothing is looked for where something was not understood: a wider answer would mislead.
    """

    fields: dict[str, str]
    wanted: Filter
    fault: str | None = None

    @property
    def is_set(self) -> bool:
        return any(self.fields.values())

    def query(self, **more: str) -> str:
        return urlencode({name: value for name, value in (self.fields | more).items() if value})


@dataclass(frozen=True, slots=True)
class HistoryPages:
    visitors: Visitors
    installations: Installations
    history: History
    retrying: Retrying
    links: Links

    def routes(self) -> list[Route]:
        base = "/w/{workspace_id}"
        return [
            Route(f"{base}/history", self.show_history),
            Route(f"{base}/failures", self.show_failures),
            Route(f"{base}/again", self.again, methods=["POST"]),
            Route(f"{base}/again-all", self.again_all, methods=["POST"]),
        ]

    async def show_history(self, request: Request) -> Response:
        return await self._show(request, "history")

    async def show_failures(self, request: Request) -> Response:
        return await self._show(request, "failures")

    async def _show(self, request: Request, tab: str) -> Response:
        visit = await self.visitors.admin(request)
        search = read_search(request.query_params, visit.workspace, failures=tab == "failures")
        after = _place(request.query_params.get("after"))
        installed = await self.installations.apps(visit.workspace.id)
        entries: list[Entry] = []
        following, again = None, None
        counts = tab == "failures" or search.is_set  # all of it is nobody's wish
        if search.fault is None:
            entries, following = await self.history.page(visit.workspace.id, search.wanted, after)
            if counts:
                again = await self.retrying.count(visit.workspace.id, search.wanted)
        return await self.visitors.page(
            visit,
            "history.html",
            tab,
            400 if search.fault else 200,
            entries=entries,
            search=search,
            is_first=after is None,
            next_query=search.query(after=_written(following)) if following else None,
            again=again,
            uncounted=counts and again is None and search.fault is None,
            outcomes=list(Outcome),
            sentences=SENTENCES,
            done=DONE,
            links=self.links.of(visit.workspace, installed),
            asked=_told(request.query_params),
        )

    async def again(self, request: Request) -> Response:
        """Ask for one conversation once more."""
        visit = await self.visitors.admin(request)
        fields = await form(request)
        conversation = conversation_meant(field(fields, "conversation"))
        app = field(fields, "app")
        if conversation is None or app not in APPS:
            raise HTTPException(400)
        done = await self.retrying.try_again(
            visit.workspace.id,
            Filter(app=app, outcomes=AGAIN, conversation_id=conversation),
            teammate(visit.teammate_id),
        )
        query = urlencode({"conversation": conversation} | _said(done))
        return RedirectResponse(f"/w/{visit.workspace.id}/history?{query}", 303)

    async def again_all(self, request: Request) -> Response:
        """Ask for all that the filter finds and that is not written."""
        visit = await self.visitors.admin(request)
        fields = await form(request)
        tab = "failures" if "failures" in fields else "history"
        search = read_search(
            {name: values[0] for name, values in fields.items()},
            visit.workspace,
            failures=tab == "failures",
        )
        if search.fault is not None or field(fields, "confirm") != "again":
            raise HTTPException(400)
        done = await self.retrying.try_again(
            visit.workspace.id, search.wanted, teammate(visit.teammate_id)
        )
        query = search.query(**_said(done))
        return RedirectResponse(f"/w/{visit.workspace.id}/{tab}?{query}", 303)


def read_search(given: Mapping[str, str], workspace: Workspace, *, failures: bool) -> Search:
    """The filter in an address or a form; days are the workspace's own."""
    fields = {name: given.get(name, "").strip() for name in _NAMES}
    if failures:
        fields["outcome"] = ""
    try:
        since, until = _day(fields["from"], workspace), _day(fields["to"], workspace)
        outcomes = frozenset({Outcome(fields["outcome"])} if fields["outcome"] else ())
    except ValueError:
        return Search(fields, Filter(), "One of the fields was not understood.")
    if fields["app"] and fields["app"] not in APPS:
        return Search(fields, Filter(), "There is no such app.")
    conversation = conversation_meant(fields["conversation"]) if fields["conversation"] else None
    if fields["conversation"] and conversation is None:
        fault = "That is neither a conversation's id nor an Intercom link to one."
        return Search(fields, Filter(), fault)
    wanted = Filter(
        app=fields["app"] or None,
        outcomes=_FAILED if failures else outcomes,
        since=since,
        until=None if until is None else until + timedelta(days=1),
        conversation_id=conversation,
    )
    return Search(fields, wanted)


def _day(text: str, workspace: Workspace) -> datetime | None:
    if not text:
        return None
    return datetime.combine(date.fromisoformat(text), time(), ZoneInfo(workspace.time_zone))


def _written(place: Place) -> str:
    plain = f"{place.decided_at.isoformat()} {place.outcome_id}"
    return base64.urlsafe_b64encode(plain.encode()).decode()


def _place(text: str | None) -> Place | None:
    if not text:
        return None
    try:
        at, _, outcome_id = base64.urlsafe_b64decode(text).decode().partition(" ")
        decided_at = datetime.fromisoformat(at)
    except ValueError:
        raise HTTPException(400) from None
    if decided_at.tzinfo is None:
        raise HTTPException(400)
    return Place(decided_at, outcome_id)


def _said(done: Asked) -> dict[str, str]:
    """What the page that follows tells of it."""
    more = {"more": "1"} if done.after is not None else {}
    return {"asked": str(done.asked), "open": str(done.already_open)} | more


def _told(query: Mapping[str, str]) -> Asked | None:
    asked = _count(query.get("asked"))
    if asked is None:
        return None
    return Asked(asked, _count(query.get("open")) or 0, query.get("more"))


def _count(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 7 else None

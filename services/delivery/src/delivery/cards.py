"""What a card of the inbox app shows: who the contact is in each CRM, and how the sync stands.

Whom the ledger knows is not searched for. What a search finds is held in memory for a minute, so
that a card which asks again and again costs the CRM one search; nothing is stored (R11).
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, Protocol

from common.catalog import APPS, ActionKind
from common.eligibility import Installation

from delivery.acting import actor_of
from delivery.carrying_out import Acting
from delivery.domain.acted import SYNC
from delivery.domain.conversation import Contact
from delivery.domain.row import Key, Row
from delivery.persons import chosen_of
from delivery.ports import CrmAccess, GiveUp, Gone, LedgerAway, ReconnectNeeded, RetryLater
from delivery.reaching import reach

HELD_FOR_S: Final = 60.0
# What could not be found out is asked again sooner, but not by each look at the card.
FAILED_HELD_FOR_S: Final = 5.0
HELD_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class Asked:
    workspace_id: str
    conversation_id: str
    actor_id: str
    contact: Contact = field(repr=False)
    apps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Person:
    state: str  # matched, lead, none, several or unknown
    id: str | None = None
    url: str | None = None
    reason: str | None = None


class History(Protocol):
    async def deliveries(self, workspace_id: str, conversation_id: str) -> list[dict[str, Any]]: ...


@dataclass(slots=True)
class _Search:
    task: "asyncio.Task[Person]"
    until: float  # monotonic


_Place = tuple[str, str, str, str]  # workspace, app, CRM account, contact


@dataclass(slots=True)
class Cards:
    """By the name of the CRM: those that this process serves."""

    crms: Mapping[str, Acting]
    history: History
    monotonic: Callable[[], float] = time.monotonic
    _searches: "OrderedDict[_Place, _Search]" = field(default_factory=OrderedDict)

    async def of(self, asked: Asked, wait: timedelta) -> list[dict[str, Any]]:
        """An entry per app that is installed, in the order asked for.

        Raises:
            LedgerAway, RetryLater: nothing can be said.

        """
        until = self.monotonic() + wait.total_seconds()
        served = [app for app in asked.apps if APPS[app].crm in self.crms]
        entries = self.history.deliveries(asked.workspace_id, asked.conversation_id)
        installed = asyncio.gather(
            *(
                self.crms[APPS[app].crm].needs.settings.installation(asked.workspace_id, app)
                for app in served
            )
        )
        try:
            async with asyncio.timeout(wait.total_seconds()):
                history, installations = await asyncio.gather(entries, installed)
        except TimeoutError:
            raise RetryLater("slow") from None
        cards = (
            self._card(asked, installation, history, until)
            for installation in installations
            if installation is not None
        )
        return list(await asyncio.gather(*cards))

    async def _card(
        self,
        asked: Asked,
        installation: Installation,
        history: Sequence[Mapping[str, Any]],
        until: float,
    ) -> dict[str, Any]:
        app = installation.app
        entry: Mapping[str, Any] = next(
            (
                one
                for one in history
                if (one["app"], one["crm_account"]) == (app, installation.crm_account)
            ),
            {},
        )
        person = await self._person(asked, installation, until)
        last, waiting = entry.get("last"), entry.get("waiting")
        offered = [kind.value for kind in ActionKind if kind in APPS[app].actions]
        return {
            "app": app,
            "actor": actor_of(installation, asked.actor_id),
            "person": {
                "state": person.state,
                "id": person.id,
                "url": person.url,
                "reason": person.reason,
            },
            "last": last
            and {
                "outcome": last["outcome"],
                "sentence": last["sentence"],
                "at": last["decided_at"],
            },
            "waiting": waiting and {name: waiting[name] for name in ("for", "until", "reason")},
            "actions": [*offered, SYNC],
        }

    async def _person(self, asked: Asked, installation: Installation, until: float) -> Person:
        acting = self.crms[APPS[installation.app].crm]
        crm, account = acting.needs.crm.name, installation.crm_account
        key = Key(asked.workspace_id, asked.conversation_id, crm, account)
        known = _known(await acting.needs.ledger.read(key))
        if known is not None:
            return await self._shown(acting, installation, known, until)
        contact = asked.contact
        if not contact.emails and not contact.phones:
            return Person("none", reason="no_address")
        search = self._search(acting, installation, contact)
        await asyncio.wait([search], timeout=max(0.0, until - self.monotonic()))
        if not search.done():
            return Person("unknown", reason="slow")
        return search.result()

    def _search(
        self, acting: Acting, installation: Installation, contact: Contact
    ) -> "asyncio.Task[Person]":
        place = (
            installation.workspace_id,
            installation.app,
            installation.crm_account,
            contact.id,
        )
        held = self._searches.get(place)
        if held is not None and (held.until > self.monotonic() or not held.task.done()):
            return held.task
        task = asyncio.create_task(_searched(acting, installation, contact))
        self._searches[place] = search = _Search(task, self.monotonic() + HELD_FOR_S)
        self._searches.move_to_end(place)
        task.add_done_callback(lambda _: self._hold(search))
        while len(self._searches) > HELD_MAX:
            self._searches.popitem(last=False)
        return task

    def _hold(self, search: _Search) -> None:
        """A search that told nothing is not held for long."""
        if search.task.cancelled() or search.task.result().state == "unknown":
            search.until = self.monotonic() + FAILED_HELD_FOR_S

    async def _shown(
        self, acting: Acting, installation: Installation, person_id: str, until: float
    ) -> Person:
        url: str | None = None
        settings, workspace_id = acting.needs.settings, installation.workspace_id
        try:
            async with asyncio.timeout(max(0.0, until - self.monotonic())):
                access = await settings.crm_access(workspace_id, installation.app)
                url = acting.crm.person_url(access, person_id)
        except (TimeoutError, RetryLater, ReconnectNeeded, Gone):
            pass  # who it is, is known all the same
        return Person(_state(acting, person_id), person_id, url)


async def _searched(acting: Acting, installation: Installation, contact: Contact) -> Person:
    """Never raises: it is held for whoever asks next."""
    needs, app = acting.needs, installation.app
    deadline = needs.limits.call_deadline

    async def find(access: CrmAccess) -> Person:
        ids = await needs.crm.find_persons(access, contact, deadline)
        if not ids and APPS[app].leads:
            ids = await needs.crm.find_leads(access, contact, deadline)
        if not ids:
            return Person("none")
        chosen = chosen_of(ids, needs.limits)
        if chosen is None:
            return Person("several")
        return Person(_state(acting, chosen), chosen, acting.crm.person_url(access, chosen))

    try:
        return await reach(needs.settings, installation.workspace_id, app, find)
    except (RetryLater, ReconnectNeeded, GiveUp) as error:
        return Person("unknown", reason=error.reason)
    except (Gone, LedgerAway):
        return Person("unknown", reason="away")


def _state(acting: Acting, person_id: str) -> str:
    return "lead" if acting.crm.is_lead(person_id) else "matched"


def _known(row: Row | None) -> str | None:
    """Whom an action that is yet to be synced made or touched, else whom the last sync found."""
    if row is None:
        return None
    acted = [request.person.id for request in row.requests if request.person]
    return acted[-1] if acted else row.known.person_id

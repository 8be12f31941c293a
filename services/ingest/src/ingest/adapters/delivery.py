"""Delivery's internal API for the inbox app: cards and actions, each CRM at its own address.

The whole answer stands within a second: the card waits for no one CRM, and a press that takes
longer goes on at delivery, where the next press of the same button joins it.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import httpx
from common.catalog import APPS
from common.health import Need
from common.http import Answer, Calls
from common.peers import place_of
from pydantic import BaseModel, ValidationError

from ingest.domain.action import Action
from ingest.domain.action_card import Asked
from ingest.domain.canvas_request import Looking
from ingest.domain.standing import AppStanding, End, Ends
from ingest.ports import Unavailable

# What delivery itself may wait for a CRM, and what the way there and back may take on top.
CARD_WAIT_MS: Final = 600
PRESS_WAIT_MS: Final = 700
_CARD_WITHIN: Final = timedelta(milliseconds=850)
_PRESS_WITHIN: Final = timedelta(milliseconds=900)
_PERSON_MAX_CHARS: Final = 100  # a CRM's ids are far shorter
_ANSWER_MAX_BYTES: Final = 256 * 1024
_AWAY: Final = (
    "Lull's delivery to {app} cannot be reached now. Nothing was done. Press again: it is done "
    "once, however often you press."
)
_DARK: Final = (
    "Lull's delivery to {app} did not answer, so it is not known whether it was done. Press "
    "again: it is done once, however often you press."
)


class _Cards(BaseModel):
    apps: list[AppStanding]


@dataclass(frozen=True, slots=True)
class HttpActions:
    calls: Calls
    need: Need  # a peer
    url: str  # `{crm}` stands for the CRM's name
    token: str

    async def standings(self, looking: Looking) -> tuple[list[AppStanding], Sequence[str]]:
        places: dict[str, list[str]] = {}
        for app in APPS.values():
            places.setdefault(place_of(self.url, app.crm), []).append(app.key)
        answers = await asyncio.gather(
            *(self._standings(looking, place, apps) for place, apps in places.items())
        )
        found = [one for answer in answers for one in answer or []]
        order = list(APPS)
        silent = [
            app
            for apps, answer in zip(places.values(), answers, strict=True)
            for app in apps
            if answer is None
        ]
        return sorted(found, key=lambda one: order.index(one.app)), silent

    async def press(self, looking: Looking, asked: Asked) -> End:
        place, name = place_of(self.url, APPS[asked.app].crm), APPS[asked.app].name
        body = {
            "action_id": asked.action_id,
            "workspace_id": looking.workspace_id,
            "conversation_id": looking.conversation_id,
            "app": asked.app,
            "actor_id": looking.actor_id,
            "kind": asked.kind,
            "person_id": asked.person_id,
            "form": asked.form(),
            "wait_ms": PRESS_WAIT_MS,
        }
        try:
            answer = await self._post(f"{place}/v1/actions", body, _PRESS_WITHIN)
        except httpx.ConnectError:
            self.need.missing("cannot be reached")
            return End(state=Ends.AWAY, sentence=_AWAY.format(app=name))
        except (httpx.HTTPError, TimeoutError, OSError):
            self.need.missing("did not answer")
            return End(state=Ends.UNKNOWN, sentence=_DARK.format(app=name))
        try:
            end = End.model_validate_json(answer.content)
        except ValidationError:
            self.need.missing(f"answers {answer.status_code}")
            return End(state=Ends.UNKNOWN, sentence=_DARK.format(app=name))
        self.need.met()
        return end

    async def is_new_or_same(self, action: Action) -> bool:
        person = action.person
        body = {
            "action_id": action.action_id,
            "workspace_id": action.workspace_id,
            "conversation_id": action.conversation_id,
            "app": action.app,
            "actor_id": action.actor_id,
            "kind": action.kind,
            "person": None if person is None else f"{person.kind}.{person.id}"[:_PERSON_MAX_CHARS],
        }
        url = f"{place_of(self.url, APPS[action.app].crm)}/v1/actions/told"
        try:
            answer = await self._post(url, body, _PRESS_WITHIN)
        except (httpx.HTTPError, TimeoutError, OSError):
            self.need.missing("cannot be reached")
            raise Unavailable from None
        if answer.status_code not in (httpx.codes.OK, httpx.codes.CONFLICT):
            self.need.missing(f"answers {answer.status_code}")
            raise Unavailable
        self.need.met()
        return answer.status_code == httpx.codes.OK

    async def _standings(
        self, looking: Looking, place: str, apps: Sequence[str]
    ) -> list[AppStanding] | None:
        """None where nothing can be told."""
        contact = looking.contact
        body = {
            "workspace_id": looking.workspace_id,
            "conversation_id": looking.conversation_id,
            "actor_id": looking.actor_id,
            "contact": {
                "id": contact.id,
                "emails": [contact.email] if contact.email else [],
                "phones": [contact.phone] if contact.phone else [],
            },
            "apps": apps,
            "wait_ms": CARD_WAIT_MS,
        }
        try:
            answer = await self._post(f"{place}/v1/cards", body, _CARD_WITHIN)
        except (httpx.HTTPError, TimeoutError, OSError):
            self.need.missing("cannot be reached")
            return None
        try:
            cards = _Cards.model_validate_json(answer.content)
        except ValidationError:
            self.need.missing(f"answers {answer.status_code}")
            return None
        self.need.met()
        return cards.apps

    async def _post(self, url: str, body: dict[str, Any], within: timedelta) -> Answer:
        return await self.calls.call(
            "POST",
            url,
            within,
            headers={"Authorization": f"Bearer {self.token}"},
            body=body,
            max_bytes=_ANSWER_MAX_BYTES,
        )

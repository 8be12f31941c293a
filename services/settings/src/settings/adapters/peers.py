"""What delivery tells of conversations that wait, by its internal API."""

from dataclasses import dataclass
from datetime import timedelta

from common.catalog import APPS, CRMS
from common.outcomes import Outcome
from common.peers import Peer, PeerUnavailable, instant, number, place_of

from settings.ports import Preview, Waiting

_PREVIEW_DEADLINE = timedelta(seconds=15)  # it asks Intercom and the CRM


@dataclass(frozen=True, slots=True)
class HttpDeliveries(Peer):
    """Delivery: any replica reads the whole ledger, and previews for the CRMs that it serves."""

    url: str  # `{crm}` stands for the CRM's name
    token: str | None  # for previews

    async def preview(self, workspace_id: str, conversation_id: str, app: str) -> Preview:
        if self.token is None:
            raise PeerUnavailable
        path = f"/v1/previews/{workspace_id}/{conversation_id}/{app}"
        url = place_of(self.url, APPS[app].crm) + path
        answer = await self.get(url, self.token, _PREVIEW_DEADLINE)
        if answer is None:
            raise PeerUnavailable
        refused = answer.get("refused")
        try:
            return Preview(
                refused=None if refused is None else Outcome(refused),
                quiet_at=instant(answer.get("quiet_at")),
                person_id=answer.get("person_id"),
                note=answer.get("note"),
            )
        except ValueError:
            raise PeerUnavailable from None

    async def waiting(self, workspace_id: str, conversation_id: str) -> list[Waiting]:
        path = f"/v1/deliveries/{workspace_id}/{conversation_id}"
        answer = await self.get(place_of(self.url, CRMS[0]) + path)
        found = (answer or {}).get("deliveries")
        if answer is not None and not isinstance(found, list):
            raise PeerUnavailable
        return [
            Waiting(
                conversation_id=conversation_id,
                app=str(one.get("app")),
                waits_for=str(one["waiting"].get("for")),
                until=instant(one["waiting"].get("until")),
                failed_attempts=number(one["waiting"].get("failed_attempts")),
                reason=one["waiting"].get("reason"),
            )
            for one in found or []
            if isinstance(one, dict) and isinstance(one.get("waiting"), dict)
        ]

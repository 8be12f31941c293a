"""What delivery tells and does for the console, by its internal API."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from common.catalog import APPS, CRMS
from common.outcomes import Outcome
from common.peers import Peer, PeerUnavailable, instant, number, place_of

from settings.domain.history import Again
from settings.ports.history import Asked, ForgottenContact, Preview, Unwritten, Waiting

_PREVIEW_DEADLINE = timedelta(seconds=15)  # it asks Intercom and the CRM
_CHANGE_DEADLINE = timedelta(seconds=15)  # some hundred rows, each in its own transaction
_REPLAYS = "/v1/replays"


@dataclass(frozen=True, slots=True)
class HttpDeliveries(Peer):
    """Delivery: any replica reads the whole ledger, and previews for the CRMs that it serves."""

    url: str  # `{crm}` stands for the CRM's name
    token: str | None  # for all but what waits

    async def preview(self, workspace_id: str, conversation_id: str, app: str) -> Preview:
        path = f"/v1/previews/{workspace_id}/{conversation_id}/{app}"
        answer = await self._ours("GET", path, crm=APPS[app].crm, deadline=_PREVIEW_DEADLINE)
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
        answer = await self.ask("GET", place_of(self.url, CRMS[0]) + path)
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

    async def unwritten(self, workspace_id: str, wanted: Again) -> Unwritten:
        selection = _selection(workspace_id, wanted) | {"dry_run": True}
        answer = await self._ours("POST", _REPLAYS, json=selection)
        until = instant(answer.get("until"))
        if until is None:
            raise PeerUnavailable
        return Unwritten(number(answer.get("count")), until)

    async def ask_again(
        self, workspace_id: str, wanted: Again, until: datetime, after: Any
    ) -> Asked:
        selection = _selection(workspace_id, wanted)
        selection |= {"dry_run": False, "until": until.isoformat(), "after": after}
        answer = await self._ours("POST", _REPLAYS, json=selection, deadline=_CHANGE_DEADLINE)
        open_already = number(answer.get("already_open"))
        return Asked(number(answer.get("asked")), open_already, answer.get("after"))

    async def forget(self, workspace_id: str) -> Mapping[str, int]:
        path = f"/v1/deliveries/{workspace_id}"
        return _rows(await self._ours("DELETE", path, deadline=_CHANGE_DEADLINE))

    async def forget_contact(
        self, workspace_id: str, conversation_ids: Sequence[str], record: tuple[str, str] | None
    ) -> ForgottenContact:
        asked: dict[str, Any] = {"conversation_ids": list(conversation_ids)}
        if record is not None:
            asked["record"] = {"crm": record[0], "person_id": record[1]}
        path = f"/v1/deliveries/{workspace_id}/forget"
        answer = await self._ours("POST", path, json=asked, deadline=_CHANGE_DEADLINE)
        return ForgottenContact(_rows(answer), list(map(str, answer.get("conversation_ids", []))))

    async def _ours(
        self, method: str, path: str, *, crm: str = CRMS[0], **options: Any
    ) -> dict[str, Any]:
        """What takes our credential; any delivery's ledger is the same."""
        if self.token is None:
            self.need.missing("no credential of ours: set LULL_SETTINGS_DELIVERY_TOKEN")
            raise PeerUnavailable
        answer = await self.ask(method, place_of(self.url, crm) + path, token=self.token, **options)
        if answer is None:
            raise PeerUnavailable
        return answer


def _selection(workspace_id: str, wanted: Again) -> dict[str, Any]:
    """As delivery's replays take it."""
    return {
        "workspace_id": workspace_id,
        "conversation_ids": wanted.conversation_ids,
        "apps": [wanted.app] if wanted.app else [],
        "outcomes": sorted(wanted.outcomes),
        "since": wanted.since.isoformat() if wanted.since else None,
        "until": wanted.until.isoformat() if wanted.until else None,
    }


def _rows(answer: Mapping[str, Any]) -> dict[str, int]:
    deleted = answer.get("deleted")
    if not isinstance(deleted, dict):
        raise PeerUnavailable
    return {str(table): number(count) for table, count in deleted.items()}

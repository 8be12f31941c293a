"""The control API from Python, synchronous: one method per call. See the README."""

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Literal, Self

import httpx

Json = dict[str, Any]


class ControlCallError(Exception):
    """The control API refused; the text is its sentence."""


class SimulatorControl:
    """One set of simulators. Ids are strings throughout, times Unix seconds."""

    def __init__(self, base_url: str, *, timeout_s: float = 30) -> None:
        self.base_url = base_url.rstrip("/")
        self._client = httpx.Client(
            base_url=self.base_url + "/_control", timeout=timeout_s, trust_env=False
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._client.close()

    def call(self, method: str, path: str, body: object = None, **query: str | None) -> Json:
        """Any control call.

        Raises:
            ControlCallError: it was refused.

        """
        params = {k: v for k, v in query.items() if v is not None}
        answer = self._client.request(method, path, json=body or {}, params=params)
        if answer.status_code != httpx.codes.OK:
            message = f"{method} {path}: {answer.status_code} {answer.text}"
            raise ControlCallError(message)
        result: Json = answer.json()
        return result

    # the process

    def reset(self) -> None:
        self.call("POST", "/reset")

    def knobs(self, **change: object) -> Json:
        """Turn some knobs, e.g. `knobs(rate_limits=False, latency_ms={"hubspot": 50})`."""
        return self.call("PATCH", "/knobs", change)

    def advance_clock(self, seconds: float) -> float:
        """Move the simulators' clock forward; returns its new time."""
        return float(self.call("POST", "/clock", {"advance_s": seconds})["now"])

    def journal(
        self, vendor: str | None = None, account: str | None = None, since_seq: int = 0
    ) -> list[Json]:
        answer = self.call(
            "GET", "/journal", vendor=vendor, account=account, since_seq=str(since_seq)
        )
        return list(answer["requests"])

    def violations(self) -> list[Json]:
        """What broke the vendors' descriptions.

        Raises:
            ControlCallError: nothing was looked at, so an empty list would say nothing.

        """
        answer = self.call("GET", "/violations")
        if not answer["validating"]:
            message = "the simulators run without --validate"
            raise ControlCallError(message)
        return list(answer["violations"])

    def add_fault(
        self,
        vendor: str,
        kind: str,
        *,
        account: str | None = None,
        method: str | None = None,
        path: str | None = None,
        times: int | None = 1,
        skip: int = 0,
        ms: float | None = None,
        status: int = 400,
        headers: dict[str, str] | None = None,
    ) -> str:
        """Switch a fault on; returns its id."""
        fault = self.call(
            "POST",
            "/faults",
            {
                "vendor": vendor,
                "kind": kind,
                "account": account,
                "method": method,
                "path": path,
                "times": times,
                "skip": skip,
                "ms": ms,
                "status": status,
                "headers": headers or {},
            },
        )
        return str(fault["id"])

    def faults(self) -> list[Json]:
        return list(self.call("GET", "/faults")["faults"])

    def clear_fault(self, fault: str) -> None:
        self.call("DELETE", f"/faults/{fault}")

    def clear_faults(self) -> None:
        self.call("DELETE", "/faults")

    # Intercom

    def set_intercom_app(self, **values: object) -> Json:
        """`webhook_url`, `client_id`, `client_secret`, `redirect_uri`, `topics`."""
        return self.call("PUT", "/intercom/app", values)

    def create_workspace(
        self,
        workspace_id: str,
        *,
        region: Literal["US", "EU", "AU"] = "US",
        name: str | None = None,
        timezone: str = "Europe/Vienna",
        admins: Sequence[Json] = (),
        teams: Sequence[Json] = (),
        contacts: Sequence[Json] = (),
    ) -> Json:
        body = {
            "id": workspace_id,
            "region": region,
            "name": name,
            "timezone": timezone,
            "admins": list(admins),
            "teams": list(teams),
            "contacts": list(contacts),
        }
        return self.call("POST", "/intercom/workspaces", body)

    def workspace(self, workspace: str) -> Json:
        return self.call("GET", f"/intercom/workspaces/{workspace}")

    def add_contact(self, workspace: str, **contact: object) -> Json:
        return self.call("POST", f"/intercom/workspaces/{workspace}/contacts", contact)

    def merge_contact(self, workspace: str, contact: str, into: str) -> Json:
        path = f"/intercom/workspaces/{workspace}/contacts/{contact}/merge"
        return self.call("POST", path, {"into": into})

    def delete_contact(self, workspace: str, contact: str) -> None:
        self.call("DELETE", f"/intercom/workspaces/{workspace}/contacts/{contact}")

    def add_admin(self, workspace: str, **admin: object) -> Json:
        return self.call("POST", f"/intercom/workspaces/{workspace}/admins", admin)

    def remove_admin(self, workspace: str, admin: str) -> None:
        self.call("DELETE", f"/intercom/workspaces/{workspace}/admins/{admin}")

    def intercom_token(self, workspace: str, admin_id: str | None = None) -> str:
        path = f"/intercom/workspaces/{workspace}/tokens"
        return str(self.call("POST", path, {"admin_id": admin_id})["access_token"])

    def revoke_intercom_tokens(self, workspace: str) -> int:
        return int(self.call("DELETE", f"/intercom/workspaces/{workspace}/tokens")["revoked"])

    def create_conversation(
        self,
        workspace: str,
        *,
        contacts: Sequence[str],
        author: Json,
        body: str = "",
        delivered_as: str | None = None,
        source_type: str | None = None,
        subject: str | None = None,
        attachments: Sequence[Json] = (),
        **rest: object,
    ) -> Json:
        """POSTED.

        `rest`: id, admin_assignee_id, team_assignee_id, state, created_at, and SENDING (notify,
        topics, deliver, hold, wait).
        """
        opening = {
            "author": author,
            "body": body,
            "delivered_as": delivered_as,
            "type": source_type,
            "subject": subject,
            "attachments": list(attachments),
        }
        given = {"workspace": workspace, "contacts": list(contacts), "opening": opening, **rest}
        return self.call("POST", "/intercom/conversations", given)

    def add_part(self, workspace: str, conversation: str, author: Json, **rest: object) -> Json:
        """POSTED. `rest`: part_type, body, attachments, assign, state, created_at, id, SENDING."""
        path = f"/intercom/conversations/{workspace}/{conversation}/parts"
        return self.call("POST", path, {"author": author, **rest})

    def reply(
        self, workspace: str, conversation: str, author: Json, body: str, **rest: object
    ) -> Json:
        """A plain comment."""
        return self.add_part(workspace, conversation, author, body=body, **rest)

    def assign(
        self, workspace: str, conversation: str, author: Json, *, admin: str, **rest: object
    ) -> Json:
        """An assignment; with `body` among `rest` it is assign-and-reply."""
        given: Json = {"part_type": "assignment", "assign": {"admin": admin}, **rest}
        return self.add_part(workspace, conversation, author, **given)

    def close_conversation(
        self, workspace: str, conversation: str, author: Json, **rest: object
    ) -> Json:
        """A close; with `body` among `rest` it is close-and-reply."""
        return self.add_part(workspace, conversation, author, part_type="close", **rest)

    def redact_part(self, workspace: str, conversation: str, part: str) -> Json:
        path = f"/intercom/conversations/{workspace}/{conversation}/parts/{part}/redact"
        return self.call("POST", path)

    def delete_conversation(self, workspace: str, conversation: str) -> Json:
        return self.call("DELETE", f"/intercom/conversations/{workspace}/{conversation}")

    def conversation(self, workspace: str, conversation: str) -> Json:
        return self.call("GET", f"/intercom/conversations/{workspace}/{conversation}")

    def canvas(
        self, workspace: str, conversation: str, admin: str, pressed: Json | None = None
    ) -> Json:
        """Open the inbox card as a teammate, or press one of its buttons: signed as by Intercom.

        Args:
            workspace: the conversation's.
            conversation: the one that is open.
            admin: the teammate.
            pressed: `component_id`, `input_values` and `current_canvas`; None opens the card.

        Returns:
            `status` (0: no answer), `ms`, `canvas`, and `faults`: what Intercom would not show.

        """
        path = f"/intercom/conversations/{workspace}/{conversation}/canvas"
        return self.call("POST", path, {"admin": admin, "pressed": pressed})

    def conversations(self, workspace: str | None = None) -> list[Json]:
        answer = self.call("GET", "/intercom/conversations", workspace=workspace)
        return list(answer["conversations"])

    def release(
        self,
        ids: Sequence[str] | None = None,
        *,
        newest_first: bool = False,
        wait: bool = False,
    ) -> list[Json]:
        body = {
            "ids": None if ids is None else list(ids),
            "newest_first": newest_first,
            "wait": wait,
        }
        return list(self.call("POST", "/intercom/release", body)["notifications"])

    def notifications(
        self, workspace: str | None = None, conversation: str | None = None
    ) -> list[Json]:
        answer = self.call(
            "GET", "/intercom/notifications", workspace=workspace, conversation=conversation
        )
        return list(answer["notifications"])

    def redeliver(self, notification: str, *, wait: bool = False) -> Json:
        path = f"/intercom/notifications/{notification}/redeliver"
        return self.call("POST", path, {"wait": wait})

    def ping(self, workspace: str) -> Json:
        return self.call("POST", "/intercom/ping", {"workspace": workspace})

    # CRMs

    def create_account(self, crm: str, account: str, **rest: object) -> Json:
        """ACCOUNT plus access_token, refresh_token, api_base.

        `rest`: name, users, persons, limits, search_lag_s, token_lifetime_s.
        """
        return self.call("POST", f"/crm/{crm}/accounts", {"id": account, **rest})

    def account(self, crm: str, account: str) -> Json:
        """The store, whole."""
        return self.call("GET", f"/crm/{crm}/accounts/{account}")

    def change_account(self, crm: str, account: str, **change: object) -> Json:
        return self.call("PATCH", f"/crm/{crm}/accounts/{account}", change)

    def notes(self, crm: str, account: str, *, deleted: bool = False) -> list[Json]:
        """Live notes; with `deleted`, the deleted ones too."""
        return [n for n in self.account(crm, account)["notes"] if deleted or not n["deleted"]]

    def activities(self, crm: str, account: str, *, deleted: bool = False) -> list[Json]:
        return [a for a in self.account(crm, account)["activities"] if deleted or not a["deleted"]]

    def persons(self, crm: str, account: str, *, deleted: bool = False) -> list[Json]:
        return [p for p in self.account(crm, account)["persons"] if deleted or not p["deleted"]]

    def add_person(self, crm: str, account: str, **person: object) -> Json:
        return self.call("POST", f"/crm/{crm}/accounts/{account}/persons", person)

    def merge_persons(self, crm: str, account: str, person: str, into: str) -> Json:
        path = f"/crm/{crm}/accounts/{account}/persons/{person}/merge"
        return self.call("POST", path, {"into": into})

    def delete_person(self, crm: str, account: str, person: str) -> Json:
        return self.call("DELETE", f"/crm/{crm}/accounts/{account}/persons/{person}")

    def write_note(self, crm: str, account: str, person_id: str, body: str) -> Json:
        path = f"/crm/{crm}/accounts/{account}/notes"
        return self.call("POST", path, {"person_id": person_id, "body": body})

    def edit_note(self, crm: str, account: str, note: str, **change: str) -> Json:
        """`body`, or `prepend` and `append`."""
        return self.call("PATCH", f"/crm/{crm}/accounts/{account}/notes/{note}", change)

    def delete_note(self, crm: str, account: str, note: str) -> Json:
        return self.call("DELETE", f"/crm/{crm}/accounts/{account}/notes/{note}")

    def delete_activity(self, crm: str, account: str, activity: str) -> Json:
        return self.call("DELETE", f"/crm/{crm}/accounts/{account}/activities/{activity}")

    def crm_tokens(self, crm: str, account: str, user_id: str | None = None) -> Json:
        path = f"/crm/{crm}/accounts/{account}/tokens"
        return self.call("POST", path, {"user_id": user_id})

    def revoke_crm_tokens(self, crm: str, account: str) -> int:
        return int(self.call("DELETE", f"/crm/{crm}/accounts/{account}/tokens")["revoked"])

"""Rows in Dataverse, the database behind Dynamics 365, created at ids that we choose ourselves.

Source: Microsoft's pages on the Dataverse Web API (conditional operations, upsert, update, errors,
service protection limits), MicrosoftDocs/powerapps-docs, read 2026-11-22.

The id is made of where the row belongs, so a create that is repeated, by whatever process and for
whichever of the apps on one environment, meets the row that is there and makes no second one.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import ClassVar, Final
from uuid import UUID, uuid5

from common.http import Answer

from delivery.adapters.calls import Deadline, error_body
from delivery.adapters.crm.acting import ActingCrm
from delivery.adapters.crm.base import Json
from delivery.domain.note import Marker
from delivery.domain.rates import Call, RateLimit, Scope
from delivery.ports import CrmAccess, GiveUp, Gone

API: Final = "/api/data/v9.2"
# 429 carries Retry-After; this is for one that does not.
RATE_LIMIT_WAIT: Final = timedelta(minutes=1)
# Two creates at one id at the same moment: 412, or (unconfirmed) this code with another status.
DUPLICATE_KEY: Final = "0x80040237"
IDS: Final = UUID("5b1c8d6e-7c52-5f0b-9a8e-2d0a2b6f4c11")
CREATE_ONLY: Final = {"If-None-Match": "*"}
CHANGE_ONLY: Final = {"If-Match": "*"}  # without one of these a PATCH may do either
ANSWER_ROW: Final = {"Prefer": "return=representation"}  # a bare 204 could be anybody's
_GUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class ExistsAlready(Exception):
    """The row that was to be created is there."""


class Dataverse(ActingCrm):
    # Of one user; counted by each web server, of which a larger environment has several.
    limits: ClassVar[tuple[RateLimit, ...]] = (
        RateLimit("requests", Scope.CONNECTION, 6_000, timedelta(minutes=5)),
    )
    rate_limit_wait = RATE_LIMIT_WAIT
    headers: ClassVar[Mapping[str, str]] = {"OData-Version": "4.0", "OData-MaxVersion": "4.0"}
    read_headers: ClassVar[Mapping[str, str]] = {"If-None-Match": "null"}  # nothing out of a cache

    def _failure(self, access: CrmAccess, response: Answer, *, write: bool) -> Exception:
        said = error_body(response).get("error")
        code = said.get("code") if isinstance(said, dict) else None
        if response.status_code == 412 or code == DUPLICATE_KEY:
            return ExistsAlready()
        return super()._failure(access, response, write=write)

    async def create_at(
        self,
        access: CrmAccess,
        path: str,
        key: str,
        body: Json,
        person_id: str | None,
        until: Deadline,
        call: Call,
    ) -> Json:
        """The row's key. Raises ExistsAlready, or Gone where the person no longer exists."""
        query, headers = {"$select": key}, CREATE_ONLY | ANSWER_ROW
        try:
            return await self._send(
                access, "PATCH", path, until, call, body, query, write=True, headers=headers
            )
        except GiveUp:
            if person_id and await self.person(access, person_id, until.left()) is None:
                raise Gone("person") from None
            raise


def id_of_marker(access: CrmAccess, marker: Marker, number: int = 0) -> str:
    """Unique in the whole environment, so the account goes into the name as well."""
    return str(uuid5(IDS, f"{access.account_id}/{marker}#{number}"))


def owned_by(user_id: str | None) -> Json:
    return {} if user_id is None else {"ownerid@odata.bind": f"/systemusers({guid(user_id)})"}


def quoted(text: str) -> str:
    """A text in a filter: nothing in it can end it, since a quote inside is doubled."""
    return "'" + text.replace("'", "''") + "'"


def any_of(column_values: Sequence[tuple[str, str]]) -> str:
    """`(column eq value or ...)`, each value written as the filter wants it."""
    return f"({' or '.join(f'{column} eq {value}' for column, value in column_values)})"


def guid(raw: str) -> str:
    if not _GUID.fullmatch(raw.lower()):
        raise GiveUp("bad_id")
    return raw.lower()

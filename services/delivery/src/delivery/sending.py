"""Sending a write: fenced by the lease, asked of settings a second before, its unknown end noted.

Before every create `unknown_write` is saved under the lease; a definite answer of the CRM clears
it, and only that or two finished probes do.
"""

from dataclasses import dataclass, replace
from typing import Final

from common.updates import Update

from delivery.domain.heal import unsure_of_text
from delivery.domain.note import Note
from delivery.domain.rates import Call
from delivery.domain.row import Kind, Known, UnknownWrite, Written
from delivery.judging import look_again
from delivery.ports import (
    CrmAccess,
    GiveUp,
    Gone,
    ReconnectNeeded,
    RetryLater,
    TokenRejected,
    UnknownEnd,
)
from delivery.records import Records, records
from delivery.working import Created, Needs, NobodyLeft, Working

# A look at the toggle is good for one second (promise 7).
LOOK_IS_GOOD_FOR_S = 1.0
_LOOKS_MAX = 3
_CREATES: Final[dict[Kind, Call]] = {"note": Call.CREATE_NOTE, "activity": Call.CREATE_ACTIVITY}
_UPDATES: Final[dict[Kind, Call]] = {"note": Call.UPDATE_NOTE, "activity": Call.UPDATE_ACTIVITY}


@dataclass(frozen=True, slots=True)
class Sending:
    needs: Needs
    working: Working
    access: CrmAccess

    def records(self, kind: Kind) -> Records:
        return records(kind, self.needs.crm, self.access, self.needs.limits.call_deadline)

    async def present(self, person_id: str | None) -> str | None:
        """The id of that person by now; None: gone, or merged without a trace."""
        if person_id is None:
            return None
        crm, deadline = self.needs.crm, self.needs.limits.call_deadline
        state = await crm.person(self.access, person_id, deadline)
        return None if state is None else state.id

    async def create(
        self, kind: Kind, person_id: str, note: Note, period: int | None, newest: Update | None
    ) -> None:
        """Create it, and know it. Raises Gone where the person no longer exists."""
        working = self.working
        # First, as it may take a while: nothing may hold the request back once it is announced.
        await self.needs.reserve(self.access, _CREATES[kind])
        unknown = UnknownWrite(person_id, period, working.now(), newest)
        known = working.known.created_as(self.access.user_id, person_id)
        await self.save(known.with_unknown(kind, unknown))
        try:
            await self._clear_to_send()
            record_id = await self.records(kind).create(person_id, note)
        except UnknownEnd:
            raise
        except (RetryLater, TokenRejected, ReconnectNeeded, GiveUp, Gone, NobodyLeft):
            await self.save(working.known.with_unknown(kind, None))
            raise
        working.created.append(Created(kind, record_id, unknown.started_at))
        written = Written(record_id, period, newest)
        known = working.known.with_record(kind, written, person_id)
        working.known = replace(known.with_unknown(kind, None), person_id=person_id)

    async def update(self, kind: Kind, record_id: str, body: str, note: Note) -> None:
        """Replace its whole body. Raises Gone."""
        await self.needs.reserve(self.access, _UPDATES[kind])
        await self._clear_to_send()
        working = self.working
        try:
            await self.records(kind).update(record_id, body, note)
        except UnknownEnd:
            heal_at = working.now() + self.needs.limits.heal_after
            working.known = unsure_of_text(working.known, heal_at)
            raise
        working.rewrote = True

    async def save(self, known: Known) -> None:
        await self.needs.ledger.save(self.working.claim, known)
        self.working.known = known

    async def _clear_to_send(self) -> None:
        """The lease outlives the call, and settings said within the last second that it may go."""
        limits = self.needs.limits
        for _ in range(_LOOKS_MAX):
            looked_at = await look_again(self.needs, self.working)
            now = limits.monotonic()
            if self.working.claim.good_until - now < limits.call_deadline.total_seconds():
                raise RetryLater("lease_too_short")
            if now - looked_at <= LOOK_IS_GOOD_FOR_S:
                return
        raise RetryLater("look_too_slow")

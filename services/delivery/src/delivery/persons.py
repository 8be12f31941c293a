"""Which person of the CRM the note belongs to: exactly one, or none (R4); and which user."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from common.catalog import APPS
from common.outcomes import Outcome

from delivery.domain.conversation import Conversation
from delivery.ports import CrmAccess, Gone, IntercomAccess, RetryLater, TokenRejected
from delivery.working import Ended, Limits, Needs, Working


@dataclass(slots=True)
class Persons:
    """Finds the person once per attempt."""

    needs: Needs
    working: Working
    access: CrmAccess
    intercom: IntercomAccess
    conversation: Conversation
    _found: str | None = field(default=None)

    async def find(self) -> str:
        """The id of the one person. Raises Ended where there is none, or no telling which."""
        if self._found is None:
            self._found = await self._by_id() or await self._by_address()
        return self._found

    async def owner(self) -> str | None:
        """The CRM's user whom the conversation is assigned to."""
        return await self.needs.owners.of(
            self.needs.crm,
            self.access,
            self.needs.intercom,
            self.intercom,
            self.conversation.assignee_id,
        )

    def forget(self) -> None:
        self._found = None

    @property
    def _deadline(self) -> timedelta:
        return self.needs.limits.call_deadline

    async def _by_id(self) -> str | None:
        """The person that an action made or touched, else the one remembered."""
        newest_first = sorted(self.working.left, key=lambda r: r.number, reverse=True)
        # Where notes are not for leads, the contact behind one is looked up instead.
        ids = [
            request.person.id
            for request in newest_first
            if request.person and (request.person.kind != "lead" or APPS[request.app].leads)
        ]
        if self.working.known.person_id is not None:
            ids.append(self.working.known.person_id)
        for person_id in ids:
            state = await self.needs.crm.person(self.access, person_id, self._deadline)
            if state is not None:
                return state.id
        return None

    async def candidates(self) -> Sequence[str]:
        """Everybody whom an address of the contact finds, however many."""
        if not self.conversation.contact_ids:
            raise Ended(Outcome.NO_PERSON, "no_contact")
        try:
            contact = await self.needs.intercom.contact(
                self.intercom, self.conversation.contact_ids[0], self._deadline
            )
        except Gone:
            raise Ended(Outcome.NO_PERSON, "contact_gone") from None
        except TokenRejected:  # the next attempt reads the conversation with a newer one first
            raise RetryLater("intercom_token_rejected") from None
        ids = await self.needs.crm.find_persons(self.access, contact, self._deadline)
        if not ids and any(APPS[request.app].leads for request in self.working.left):
            ids = await self.needs.crm.find_leads(self.access, contact, self._deadline)
        return ids

    async def _by_address(self) -> str:
        ids = await self.candidates()
        if not ids:
            raise Ended(Outcome.NO_PERSON)
        chosen = chosen_of(ids, self.needs.limits)
        if chosen is None:
            raise Ended(Outcome.SEVERAL_PERSONS)
        return chosen


def chosen_of(ids: Sequence[str], limits: Limits) -> str | None:
    """Which of these persons it is; None where there is no telling."""
    if len(ids) > 1 and limits.several_persons == "none":
        return None
    return min(ids, key=lambda person_id: (len(person_id), person_id))

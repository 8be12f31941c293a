"""What people make in a CRM from our inbox app, over HTTP: persons, leads, deals, tasks, notes.

A CRM's own file says how each record looks and how it is found again; in which order that happens,
and that nothing is made twice, is said here.
"""

from abc import abstractmethod
from dataclasses import replace
from datetime import timedelta

from common.catalog import ActionKind
from common.http import Answer

from delivery.adapters.calls import Deadline, shape
from delivery.adapters.crm.base import Json
from delivery.adapters.crm.finding import FindingCrm
from delivery.domain import person
from delivery.domain.action import Action, Made, NewLead, NewNote, NewPerson, Who, body_of
from delivery.domain.conversation import Contact
from delivery.domain.note import Note
from delivery.domain.rates import Call
from delivery.ports import CrmAccess, GiveUp, RetryLater


class AlreadyThere(RetryLater):
    """Refused because such a record exists; its id, where the CRM tells it."""

    def __init__(self, reason: str, record_id: str | None) -> None:
        super().__init__(reason)
        self.record_id = record_id


class ActingCrm(FindingCrm):
    lead_hangs_on_person = False

    # What the CRM's file says.

    @abstractmethod
    async def new_record(
        self, access: CrmAccess, action: Action, person_id: str | None, until: Deadline
    ) -> tuple[str, Json]:
        """Path and body that create it: a person, lead, deal or task."""

    @abstractmethod
    async def made_before(
        self, access: CrmAccess, action: Action, person_id: str | None, until: Deadline
    ) -> str | None:
        """The lead, deal or task that an earlier attempt at this action made."""

    def already_there(self, response: Answer) -> AlreadyThere | None:
        """Whether a refusal says that such a person exists."""
        return None

    def person_url(self, access: CrmAccess, person_id: str) -> str | None:
        return None

    def note_url(self, access: CrmAccess, person_id: str, note_id: str) -> str | None:
        """Most CRMs show a note on its person's page only."""
        return self.person_url(access, person_id)

    def record_url(
        self, access: CrmAccess, kind: ActionKind, record_id: str, person_id: str | None
    ) -> str | None:
        """The page of a lead, deal or task; its person's where it has none."""
        return self.person_url(access, person_id) if person_id else None

    def is_lead(self, person_id: str) -> bool:
        """Only where leads are people of their own."""
        return False

    def made_url(
        self, access: CrmAccess, kind: ActionKind, record_id: str, person_id: str | None
    ) -> str | None:
        if kind is ActionKind.PERSON:
            return self.person_url(access, record_id)
        if kind is ActionKind.NOTE and person_id is not None:
            return self.note_url(access, person_id, record_id)
        return self.record_url(access, kind, record_id, person_id)

    # The calls.

    async def act(self, access: CrmAccess, action: Action, deadline: timedelta) -> Made:
        if action.kind not in self.actions:
            raise GiveUp("action_not_offered")
        until, what, kind = Deadline(deadline), action.what, action.kind
        if isinstance(what, NewPerson):
            made, was_there = await self._one_person(access, action, what.who, until)
            return Made(kind, made, made, self.made_url(access, kind, made, made), was_there)
        person_id: str | None = None
        if not isinstance(what, NewLead):
            person_id = what.person_id
        elif self.lead_hangs_on_person:
            person_id, _ = await self._one_person(access, action, what.who, until)
        if isinstance(what, NewNote):
            return await self._plain_note(access, action, what, until)
        found = await self.made_before(access, action, person_id, until) if action.again else None
        made = found or await self._new(access, action, person_id, until)
        url = self.made_url(access, kind, made, person_id)
        return Made(kind, made, person_id, url, was_there=found is not None)

    async def _one_person(
        self, access: CrmAccess, action: Action, who: Who, until: Deadline
    ) -> tuple[str, bool]:
        """The person with this address, made where there is none; whether it was there already."""
        contact = _contact(who)
        found = await self.find_persons(access, contact, until.left())
        found = found or await self.made_lately(access, contact, action.asked_at, until)
        if found:
            return min(found, key=lambda one: (len(one), one)), True  # the oldest of several
        try:
            only_person = replace(action, what=NewPerson(who))
            return await self._new(access, only_person, None, until), False
        except AlreadyThere as there:
            if there.record_id is None:
                raise  # a search will show it soon
            return there.record_id, True

    async def _plain_note(
        self, access: CrmAccess, action: Action, what: NewNote, until: Deadline
    ) -> Made:
        person_id = what.person_id
        found: str | None = None
        if action.again:
            marked = await self.notes_marked(
                access, person_id, action.marker, action.asked_at, until.left()
            )
            found = marked[0].id if marked else None
        body = body_of(what.text, action.marker, html=self.html)
        note = Note(body, action.marker, action.dated_at, str(action.marker), action.owner_id)
        made = found or await self.create_note(access, person_id, note, until.left())
        url = self.made_url(access, action.kind, made, person_id)
        return Made(action.kind, made, person_id, url, was_there=found is not None)

    async def _new(
        self, access: CrmAccess, action: Action, person_id: str | None, until: Deadline
    ) -> str:
        path, body = await self.new_record(access, action, person_id, until)
        if person_id is not None:
            left = until.left()
            return await self._create_for(access, person_id, path, body, left, Call.OTHER)
        made = await self._send(access, "POST", path, until, Call.OTHER, body, write=True)
        with shape(write=True):
            return self.id_in(made)

    def _failure(self, access: CrmAccess, response: Answer, *, write: bool) -> Exception:
        refused = 400 <= response.status_code < 500
        there = self.already_there(response) if refused else None
        return there or super()._failure(access, response, write=write)


def _contact(who: Who) -> Contact:
    """Whom to look for: by the address alone where there is one."""
    emails = [who.email] if who.email else []
    return person.contact("", emails, [who.phone] if who.phone and not emails else [])

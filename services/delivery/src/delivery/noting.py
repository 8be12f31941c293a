"""The note: created, found by its marker, brought up to date, or left to people."""

from dataclasses import dataclass, replace

from common.outcomes import Outcome

from delivery.domain import write
from delivery.domain.answer import Verdict
from delivery.domain.conversation import Conversation
from delivery.domain.row import Lost
from delivery.persons import Persons
from delivery.ports import GiveUp, Gone
from delivery.probing import Probing
from delivery.rendering import Rendering
from delivery.sending import Sending

_LEFT_AS_IT_IS = {
    write.Step.HANDED_OVER: Outcome.HANDED_OVER,
    write.Step.LEFT_DELETED: Outcome.LEFT_DELETED,
    write.Step.LEAVE: Outcome.UP_TO_DATE,
}


@dataclass(frozen=True, slots=True)
class Noting:
    conversation: Conversation
    period: int | None  # None: policy `update`
    rendering: Rendering
    persons: Persons
    sending: Sending
    probing: Probing

    async def run(self) -> Verdict:
        working, refound = self.sending.working, False
        while True:
            step = self._next_step()
            if step in _LEFT_AS_IT_IS:
                return Verdict(_LEFT_AS_IT_IS[step])
            if step is write.Step.PROBE:
                await self.probing.probe("note")
            elif step is write.Step.UPDATE:
                verdict = self._said_already() or await self._update()
                if verdict is not None:
                    return verdict
            elif not await self.probing.doubt("note", self.period):
                try:
                    return await self._create()
                except Gone:
                    # Deleted or merged between our look and the write.
                    if refound:
                        raise GiveUp("person_gone") from None
                    refound = True
                    self.persons.forget()
                    working.known = replace(working.known, person_id=None)

    def _next_step(self) -> write.Step:
        working = self.sending.working
        return write.next_step(
            working.known,
            self.period,
            newest=self.conversation.newest_update,
            by_quiet=working.by_quiet,
            may_create=not working.only_removal,
        )

    def _said_already(self) -> Verdict | None:
        """The note was found or made by this attempt; one that is only known may be gone."""
        newest, working = self.conversation.newest_update, self.sending.working
        seen = working.known.note != working.row.known.note
        if working.rewrites or not seen or not write.shows(working.known.note, newest):
            return None
        made = any(created.kind == "note" for created in working.created)
        return Verdict(Outcome.DELIVERED if made else Outcome.ALREADY_THERE, through=newest)

    async def _create(self) -> Verdict:
        newest, working = self.conversation.newest_update, self.sending.working
        note = self.rendering.note(self.period)
        person_id = await self.persons.find()
        note = replace(note, owner_id=await self.persons.owner())
        await self.sending.create("note", person_id, note, self.period, newest)
        working.known = replace(working.known, lost=None, lost_through=None)
        return Verdict(Outcome.DELIVERED, through=newest)

    async def _update(self) -> Verdict | None:
        """None: the note is gone together with its person, so look up afresh and create."""
        working, newest = self.sending.working, self.conversation.newest_update
        known = working.known.note
        if known is None:
            return None
        stored = await self.sending.records("note").read(known.id)
        if stored is None:
            return await self._is_gone()
        note, rewrite = self.rendering.within(stored.body, known.period)
        if rewrite is None:
            working.known = write.lose(working.known, Lost.HANDED_OVER, newest)
            return Verdict(Outcome.HANDED_OVER)
        if rewrite.changes:
            try:
                await self.sending.update("note", known.id, rewrite.body, note)
            except Gone:
                return await self._is_gone()
        working.known = replace(working.known, note=replace(known, through=newest))
        outcome = Outcome.UPDATED if rewrite.changes else Outcome.ALREADY_THERE
        return Verdict(outcome, through=newest)

    async def _is_gone(self) -> Verdict | None:
        working, recorded = self.sending.working, self.sending.working.known.person_id
        present = await self.sending.present(recorded)
        if write.was_deleted_by_people(recorded, present):
            newest = self.conversation.newest_update
            working.known = write.lose(working.known, Lost.DELETED, newest)
            return Verdict(Outcome.LEFT_DELETED)
        working.known = replace(working.known, note=None, person_id=present)
        self.persons.forget()
        return None

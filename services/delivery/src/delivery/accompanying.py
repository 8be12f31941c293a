"""The activity beside the note (R5): made once and kept up to date, by one event each time.

One that went with its person is made again at the note's, as the note is.

Policy `new`: one for each period, for automations that start where an activity is added.
"""

from dataclasses import dataclass, replace

from delivery.domain import write
from delivery.domain.conversation import Conversation
from delivery.domain.note import StoredNote
from delivery.domain.row import Written
from delivery.persons import Persons
from delivery.ports import Gone
from delivery.probing import Probing
from delivery.rendering import Rendering
from delivery.sending import Sending


@dataclass(frozen=True, slots=True)
class Accompanying:
    conversation: Conversation
    period: int | None  # policy `new`: the present one; None under policy `update`
    rendering: Rendering
    persons: Persons
    sending: Sending
    probing: Probing

    async def run(self) -> None:
        """Raises Gone where the person no longer exists, and the note may have gone with it."""
        working = self.sending.working
        await self.probing.probe("activity")
        known = working.known.activity
        may_create = working.known.note is not None and not working.only_removal
        is_of_today = known is not None and self.period in (None, known.period)
        if known is not None and (is_of_today or not may_create) and await self._kept(known):
            return
        if not may_create:
            return
        if await self.probing.doubt("activity", self.period):
            await self.run()
        else:
            await self._create()

    async def _create(self) -> None:
        person_id = self.sending.working.known.person_id or await self.persons.find()
        newest = self.conversation.newest_update
        note = replace(
            self.rendering.note(self.period),
            owner_id=await self.persons.owner(),
            activity_type=self.sending.working.installation.activity_type,
        )
        await self.sending.create("activity", person_id, note, self.period, newest)

    async def _kept(self, known: Written) -> bool:
        """Bring it up to date, or leave it to people; False: it went with its person."""
        working, newest = self.sending.working, self.conversation.newest_update
        at = working.known.activity_person_id or working.row.known.person_id
        moved = at != working.known.person_id
        if write.shows(known, newest) and not (moved or working.rewrites):
            return True
        stored = await self._updated(known)
        if stored is not None:
            at = stored.person_id or at
        elif not write.was_deleted_by_people(at, await self.sending.present(at)):
            working.known = working.known.with_record("activity", None)
            return False
        # One that people deleted, or took our marker from, is theirs and left alone; its id stays
        # recorded, so that no second one is made.
        written = replace(known, through=newest)
        working.known = working.known.with_record("activity", written, at)
        return True

    async def _updated(self, known: Written) -> StoredNote | None:
        """As it was read; None: it is gone."""
        stored = await self.sending.records("activity").read(known.id)
        if stored is None:
            return None
        note, rewrite = self.rendering.within(stored.body, known.period)
        if rewrite is not None and rewrite.changes:
            try:
                await self.sending.update("activity", known.id, rewrite.body, note)
            except Gone:
                return None
        return stored

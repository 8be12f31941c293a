"""The activity beside the note (R5): made once and kept up to date, by one event each time.

Policy `new`: one for each period, for automations that start where an activity is added.
"""

from contextlib import suppress
from dataclasses import dataclass, replace

from delivery.domain import write
from delivery.domain.conversation import Conversation
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
        is_of_today = known is not None and self.period in (None, known.period)
        if known is not None and (is_of_today or working.only_removal):
            await self._update(known)
        elif not working.only_removal:
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

    async def _update(self, known: Written) -> None:
        working, newest = self.sending.working, self.conversation.newest_update
        if write.shows(known, newest) and not working.rewrites:
            return
        stored = await self.sending.records("activity").read(known.id)
        # One that people deleted, or took our marker from, is theirs and left alone; its id stays
        # recorded, so that no second one is made.
        note, rewrite = self.rendering.within(stored.body if stored else "", known.period)
        if rewrite is not None and rewrite.changes:
            with suppress(Gone):
                await self.sending.update("activity", known.id, rewrite.body, note)
        working.known = replace(working.known, activity=replace(known, through=newest))

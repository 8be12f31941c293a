"""What was removed in Intercom is taken out of the notes of earlier periods too (policy `new`).

The ledger knows the latest by its id; the others are found by their markers, at the recorded
person. Each shows the conversation as far as its own period went.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import pairwise

from delivery.domain.conversation import Conversation
from delivery.domain.note import Marker
from delivery.domain.period import starts_of
from delivery.domain.probe import HEALED_PERIODS_MAX, is_by_us
from delivery.domain.row import Kind
from delivery.ports import Gone
from delivery.probing import CLOCK_SLACK
from delivery.rendering import Rendering
from delivery.sending import Sending


@dataclass(frozen=True, slots=True)
class Retracting:
    conversation: Conversation
    quiet_period: timedelta
    rendering: Rendering
    sending: Sending

    async def run(self, kind: Kind) -> bool:
        """Bring them up to date; whether that changed any."""
        working, needs = self.sending.working, self.sending.needs
        recorded, person_id = working.known.record(kind), working.known.person_id
        if person_id is None or recorded is None or recorded.period is None:
            return False  # under policy `update` there are no others
        deadline = needs.limits.call_deadline
        person = await needs.crm.person(self.sending.access, person_id, deadline)
        if person is None:  # and whatever was written for them
            return False
        changed = False
        for period, talk in self._earlier():
            if period != recorded.period:
                changed |= await self._take_out(kind, person.id, period, talk)
        return changed

    def _earlier(self) -> Iterator[tuple[int, Conversation]]:
        """Those before the last, and the conversation as it stood when the next one began."""
        talk = self.conversation
        starts = starts_of(talk, self.quiet_period)[-HEALED_PERIODS_MAX:]
        for start, following in pairwise(starts):
            end = following.updated_at, following.part_id
            until = tuple(m for m in talk.messages if (m.sent_at, m.part_id) < end)
            yield start.part_id, replace(talk, messages=until)

    async def _take_out(self, kind: Kind, person_id: str, period: int, talk: Conversation) -> bool:
        sending, changed = self.sending, False
        marker = Marker(talk.workspace_id, talk.id, period)
        since = talk.messages[0].sent_at - CLOCK_SLACK
        for stored in await sending.records(kind).marked(person_id, marker, since):
            if not is_by_us(stored, sending.working.known, sending.access.user_id):
                continue
            note, rewrite = replace(self.rendering, conversation=talk).within(stored.body, period)
            if rewrite is not None and rewrite.changes:
                try:
                    await sending.update(kind, stored.id, rewrite.body, note)
                except Gone:  # people were faster
                    continue
                changed = True
        return changed

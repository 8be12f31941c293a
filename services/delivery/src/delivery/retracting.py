"""What was removed in Intercom is taken out of every note that is still ours, not the latest alone.

The ledger knows the latest by its id, if people left it to us. The others (policy `new`, or another
policy in former times) are found by their markers, at everybody we wrote for. Each shows the
conversation as far as its own period went.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from delivery.domain.conversation import Conversation
from delivery.domain.heal import persons_to_look_at
from delivery.domain.note import Marker
from delivery.domain.period import starts_of
from delivery.domain.probe import HEALED_PERIODS_MAX, is_by_us
from delivery.domain.row import Kind
from delivery.persons import Persons
from delivery.ports import Gone
from delivery.probing import CLOCK_SLACK
from delivery.rendering import Rendering
from delivery.sending import Sending
from delivery.whereabouts import whereabouts
from delivery.working import Ended


@dataclass(slots=True)
class Retracting:
    conversation: Conversation
    quiet_period: timedelta
    rendering: Rendering
    persons: Persons
    sending: Sending
    _at: list[str] | None = field(default=None)  # persons, once per attempt

    async def run(self, kind: Kind) -> bool:
        """Bring them up to date; whether that changed any."""
        working, changed = self.sending.working, False
        recorded = working.known.record(kind)
        if recorded is not None and recorded.period is None and not working.removes:
            return False  # the one note is written once more; others were not meant
        for period, talk in self._shown():
            if recorded is None or period != recorded.period:
                for person_id in await self._persons():
                    changed |= await self._take_out(kind, person_id, period, talk)
        return changed

    def _shown(self) -> Iterator[tuple[int | None, Conversation]]:
        """What there may be notes of: the whole (policy `update`), and each period to its end."""
        talk = self.conversation
        if talk.messages:
            yield None, talk
        starts = starts_of(talk, self.quiet_period)
        periods = [0, *(start.part_id for start in starts)]  # 0: before anybody had spoken
        ends = list(zip(periods, [*starts, None], strict=True))
        for period, following in ends[-HEALED_PERIODS_MAX:]:
            until = talk.messages
            if following is not None:
                end = following.updated_at, following.part_id
                until = tuple(m for m in talk.messages if (m.sent_at, m.part_id) < end)
            if until:
                yield period, replace(talk, messages=until)

    async def _persons(self) -> list[str]:
        if self._at is None:
            known = self.sending.working.known
            persons = dict.fromkeys((*persons_to_look_at(known), *known.persons))
            self._at = await whereabouts(
                self.sending.needs, self.sending.access, known, list(persons), self._candidates
            )
        return self._at

    async def _candidates(self) -> Sequence[str]:
        try:
            return await self.persons.candidates()
        except Ended:  # no contact, or none any more
            return []

    async def _take_out(
        self, kind: Kind, person_id: str, period: int | None, talk: Conversation
    ) -> bool:
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

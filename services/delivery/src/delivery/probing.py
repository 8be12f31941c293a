"""Looking for what a create of unknown end may have made, before anything else is created."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from delivery.domain import probe
from delivery.domain.answer import Wait
from delivery.domain.conversation import Conversation
from delivery.domain.note import Marker, StoredNote
from delivery.domain.period import periods_of
from delivery.domain.row import Kind, UnknownWrite, Waiting
from delivery.persons import Persons
from delivery.sending import Sending
from delivery.working import Ended, Postponed

# Clocks of the CRM and ours may differ by this much when notes are listed by time.
CLOCK_SLACK = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Probing:
    sending: Sending
    persons: Persons
    conversation: Conversation

    async def probe(self, kind: Kind) -> None:
        """Settle the unknown end, one way or the other. Raises Postponed where it is too early."""
        needs, working = self.sending.needs, self.sending.working
        unknown = working.known.unknown(kind)
        if unknown is None:
            return
        chosen = needs.limits.visible_after
        visible_after = needs.crm.visible_after if chosen is None else chosen
        at = probe.visible_at(unknown, needs.limits.call_deadline, visible_after)
        now = working.now()
        if now < at:
            raise Postponed(Wait(Waiting.PROBE, at, "unknown_end"))
        found, person_id = await self._marked(kind, unknown)
        probed = probe.probed(
            working.known,
            kind,
            found,
            person_id=person_id,
            now=now,
            visible_after=visible_after,
            heal_after=needs.limits.heal_after,
        )
        working.known = probed.known
        if probed.again_at is not None:
            raise Postponed(Wait(Waiting.PROBE, probed.again_at, "unknown_end"))

    async def doubt(self, kind: Kind, period: int | None) -> bool:
        """Whether it must be probed for, as the ledger may have lost its id in a restore."""
        working = self.sending.working
        began_at = min((m.sent_at for m in self.conversation.messages), default=None)
        if began_at is None or not probe.is_doubtful(
            working.known, kind, working.row.distrust, began_at
        ):
            return False
        person_id = working.known.person_id or await self.persons.find()
        try:
            candidates = await self.persons.candidates()
        except Ended:
            candidates = []
        working.known = probe.doubted(
            working.known,
            kind,
            person_id=person_id,
            candidates=candidates,
            period=period,
            periods=periods_of(self.conversation, self.sending.needs.limits.quiet_period),
            began_at=began_at,
            now=working.now(),
        )
        return True

    async def _marked(self, kind: Kind, unknown: UnknownWrite) -> tuple[Sequence[StoredNote], str]:
        """Ours by marker and author, oldest first: where it was tried, then at today's person."""
        sending, deadline = self.sending, self.sending.needs.limits.call_deadline
        looked_at = set[str]()
        tried = (unknown.person_id, *sending.working.known.heal_persons)
        for person_id in dict.fromkeys((*tried, None)):
            if person_id is not None:
                state = await sending.needs.crm.person(sending.access, person_id, deadline)
                found_id = state.id if state else None
            else:
                found_id = await self._todays_person()
            if found_id is None or found_id in looked_at:
                continue
            looked_at.add(found_id)
            found = await self._listed(kind, found_id, unknown)
            if found:
                return found, found_id
        return [], unknown.person_id

    async def _todays_person(self) -> str | None:
        try:
            return await self.persons.find()
        except Ended:  # nobody, or several: nowhere else to look
            return None

    async def _listed(self, kind: Kind, person_id: str, unknown: UnknownWrite) -> list[StoredNote]:
        marker = Marker(self.conversation.workspace_id, self.conversation.id, unknown.period)
        since = unknown.started_at - CLOCK_SLACK
        listed = await self.sending.records(kind).marked(person_id, marker, since)
        known, user_id = self.sending.working.known, self.sending.access.user_id
        return [note for note in listed if probe.is_by_us(note, known, user_id)]

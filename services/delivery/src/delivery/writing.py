"""Writing to the CRM: the note, the activity beside it, and looking for what may already be there.

Before every create `unknown_write` is saved under the lease; then settings is asked once more and
the request is sent within a second of its answer. A definite answer of the CRM clears it, and only
that or two finished probes do.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from common.outcomes import Outcome
from common.updates import Update

from delivery.domain import plan
from delivery.domain.answer import Verdict, Wait
from delivery.domain.conversation import Conversation
from delivery.domain.note import Marker, Note, StoredNote
from delivery.domain.period import period_of
from delivery.domain.row import Kind, Known, Lost, UnknownWrite, Waiting, Written
from delivery.domain.text import Size
from delivery.domain.transcript import render
from delivery.judging import look_again
from delivery.persons import Persons
from delivery.ports import (
    ActivityCrm,
    CrmAccess,
    GiveUp,
    Gone,
    ReconnectNeeded,
    RetryLater,
    TokenRejected,
    UnknownEnd,
)
from delivery.working import (
    Created,
    Ended,
    Needs,
    NobodyLeft,
    Postponed,
    Working,
    as_activity_crm,
)

# A look at the toggle is good for one second (promise 7).
LOOK_IS_GOOD_FOR_S = 1.0
_LOOKS_MAX = 3
# Between the two probes of one unknown end, where the CRM lists what it has at once.
_PROBE_PAUSE_MIN = timedelta(seconds=1)
# Clocks of the CRM and ours may differ by this much when notes are listed by time.
_CLOCK_SLACK = timedelta(minutes=10)

_LEFT_AS_IT_IS = {
    plan.Step.HANDED_OVER: Outcome.HANDED_OVER,
    plan.Step.LEFT_DELETED: Outcome.LEFT_DELETED,
    plan.Step.LEAVE: Outcome.UP_TO_DATE,
}


def _shows(record: Written | None, newest: Update | None) -> bool:
    """Whether everything that was said stands in it."""
    through = record.through if record else None
    return through is not None and newest is not None and through >= newest


@dataclass(slots=True)
class Writing:
    needs: Needs
    working: Working
    access: CrmAccess
    conversation: Conversation
    link: str
    persons: Persons
    unknown_end_before: bool = False  # what is created now may turn out to be a second one

    async def write(self, *, activity: bool) -> Verdict:
        """Bring note (and activity) up to what was said."""
        newest = self.conversation.newest_update
        if not self.working.only_removal and plan.is_up_to_date(
            self.known, self.period, newest, activity
        ):
            return Verdict(Outcome.UP_TO_DATE)
        verdict = await self._note()
        if activity and self.known.note is not None:
            await self._activity()
            if self.known.activity is None:
                # A removal makes none; whoever asks for that reply next still has to.
                return replace(verdict, through=None)
        return verdict

    @property
    def known(self) -> Known:
        return self.working.known

    @known.setter
    def known(self, known: Known) -> None:
        self.working.known = known

    @property
    def period(self) -> int | None:
        if self.working.installation.note_policy == "update":
            return None
        return period_of(self.conversation, self.needs.limits.quiet_period)

    @property
    def _deadline(self) -> timedelta:
        return self.needs.limits.call_deadline

    @property
    def _visible_after(self) -> timedelta:
        chosen = self.needs.limits.visible_after
        return self.needs.crm.visible_after if chosen is None else chosen

    def _marker(self, period: int | None) -> Marker:
        return Marker(self.conversation.workspace_id, self.conversation.id, period)

    @property
    def _limit(self) -> Size:
        crm = self.needs.crm
        return Size(crm.note_max_chars, crm.note_max_bytes or crm.note_max_chars * 4)

    def _rendered(self, period: int | None, limit: Size | None = None) -> Note:
        limit = limit or self._limit
        try:
            return render(
                self.conversation,
                marker=self._marker(period),
                link=self.link,
                time_zone=self.working.installation.time_zone,
                copied_at=self.conversation.read_at,
                html=self.needs.crm.html,
                max_chars=limit.chars,
                max_bytes=limit.octets,
            )
        except ValueError:
            raise GiveUp("no_room_in_note") from None

    async def _note(self) -> Verdict:
        refound = False
        while True:
            step = self._next_step()
            if step in _LEFT_AS_IT_IS:
                return Verdict(_LEFT_AS_IT_IS[step])
            if step is plan.Step.PROBE:
                await self._probe("note")
            elif step is plan.Step.UPDATE:
                verdict = self._said_already() or await self._update_note()
                if verdict is not None:
                    return verdict
            else:
                try:
                    return await self._create_note()
                except Gone:
                    # Deleted or merged between our look and the write.
                    if refound:
                        raise GiveUp("person_gone") from None
                    refound = True
                    self.persons.forget()
                    self.known = replace(self.known, person_id=None)

    def _next_step(self) -> plan.Step:
        return plan.next_step(
            self.known,
            self.period,
            newest=self.conversation.newest_update,
            by_quiet=self.working.by_quiet,
            may_create=not self.working.only_removal,
        )

    def _said_already(self) -> Verdict | None:
        """The note was found by a probe, or only the activity was still missing."""
        newest, note = self.conversation.newest_update, self.known.note
        if self.working.only_removal or not _shows(note, newest):
            return None
        return Verdict(Outcome.ALREADY_THERE, through=newest)

    async def _create_note(self) -> Verdict:
        crm, period = self.needs.crm, self.period
        note = self._rendered(period)
        person_id = await self.persons.find()
        unknown = self._unknown(person_id, period)
        await self._save(replace(self.known, unknown_note=unknown))
        try:
            await self._clear_to_send()
            note_id = await crm.create_note(self.access, person_id, note, self._deadline)
        except UnknownEnd:
            raise
        except (RetryLater, TokenRejected, ReconnectNeeded, GiveUp, Gone, NobodyLeft):
            await self._save(replace(self.known, unknown_note=None))
            raise
        self.working.created.append(Created("note", note_id, unknown.started_at))
        self.known = replace(
            self.known,
            person_id=person_id,
            note=Written(note_id, period, unknown.through),
            unknown_note=None,
            lost=None,
            lost_through=None,
            heal_at=self._heal_at(),
        )
        return Verdict(Outcome.DELIVERED, through=unknown.through)

    async def _update_note(self) -> Verdict | None:
        """None: the note is gone together with its person, so look up afresh and create."""
        crm, newest, known = self.needs.crm, self.conversation.newest_update, self.known.note
        if known is None:
            return None
        stored = await crm.note(self.access, known.id, self._deadline)
        if stored is None:
            return await self._note_is_gone()
        note, rewrite = self._rewritten(stored.body, known.period)
        if rewrite is None:
            self.known = plan.lose(self.known, Lost.HANDED_OVER, newest)
            return Verdict(Outcome.HANDED_OVER)
        if rewrite.changes:
            await self._clear_to_send()
            try:
                await crm.update_note(self.access, known.id, rewrite.body, note, self._deadline)
            except Gone:
                return await self._note_is_gone()
            self.working.rewrote = True
        self.known = replace(self.known, note=replace(known, through=newest))
        outcome = Outcome.UPDATED if rewrite.changes else Outcome.ALREADY_THERE
        return Verdict(outcome, through=newest)

    def _rewritten(self, stored: str, period: int | None) -> tuple[Note, plan.Rewrite | None]:
        note = self._rendered(period)
        rewrite = plan.rewritten(stored, note.marker, note)
        if rewrite is not None and not Size.of(rewrite.body).fits(self._limit):
            # People's own text stays whole; ours is cut to what is left.
            theirs = Size.of(rewrite.body) - Size.of(note.body)
            note = self._rendered(period, self._limit - theirs)
            rewrite = plan.rewritten(stored, note.marker, note)
        return note, rewrite

    async def _note_is_gone(self) -> Verdict | None:
        person_id = self.known.person_id
        person = (
            await self.needs.crm.person(self.access, person_id, self._deadline)
            if person_id
            else None
        )
        if person is not None and person.id == person_id:
            # The person is still there, so it was the note that somebody deleted.
            self.known = plan.lose(self.known, Lost.DELETED, self.conversation.newest_update)
            return Verdict(Outcome.LEFT_DELETED)
        self.known = replace(self.known, note=None, person_id=person.id if person else None)
        self.persons.forget()
        return None

    async def _activity(self) -> None:
        """R5: one per conversation, made once and kept up to date."""
        crm = as_activity_crm(self.needs.crm)
        if self.known.unknown_activity is not None:
            await self._probe("activity")
        newest = self.conversation.newest_update
        known = self.known.activity
        if known is None:
            if self.working.only_removal:
                return
            try:
                await self._create_activity(crm, self._rendered(None))
            except Gone:  # deleted or merged since the note was written
                self.persons.forget()
                self.known = replace(self.known, person_id=None)
                try:
                    await self._create_activity(crm, self._rendered(None))
                except Gone:
                    raise GiveUp("person_gone") from None
            return
        if _shows(known, newest) and not self.working.only_removal:
            return
        stored = await crm.activity(self.access, known.id, self._deadline)
        # One that people deleted, or took our marker from, is theirs and left alone; its id stays
        # recorded, so that no second one is made.
        note, rewrite = self._rewritten(stored.body if stored else "", None)
        if rewrite is not None and rewrite.changes:
            await self._clear_to_send()
            with suppress(Gone):
                await crm.update_activity(self.access, known.id, rewrite.body, note, self._deadline)
                self.working.rewrote = True
        self.known = replace(self.known, activity=replace(known, through=newest))

    async def _create_activity(self, crm: ActivityCrm, note: Note) -> None:
        person_id = self.known.person_id or await self.persons.find()
        unknown = self._unknown(person_id, None)
        await self._save(replace(self.known, unknown_activity=unknown))
        try:
            await self._clear_to_send()
            activity_id = await crm.create_activity(self.access, person_id, note, self._deadline)
        except UnknownEnd:
            raise
        except (RetryLater, TokenRejected, ReconnectNeeded, GiveUp, Gone, NobodyLeft):
            await self._save(replace(self.known, unknown_activity=None))
            raise
        self.working.created.append(Created("activity", activity_id, unknown.started_at))
        self.known = replace(
            self.known,
            person_id=person_id,
            activity=Written(activity_id, None, unknown.through),
            unknown_activity=None,
            heal_at=self._heal_at(),
        )

    def _unknown(self, person_id: str, period: int | None) -> UnknownWrite:
        return UnknownWrite(person_id, period, self.working.now(), self.conversation.newest_update)

    def _heal_at(self) -> datetime | None:
        if self.unknown_end_before:
            return self.working.now() + self.needs.limits.heal_after
        return self.known.heal_at

    async def _save(self, known: Known) -> None:
        await self.needs.ledger.save(self.working.claim, known)
        self.known = known

    async def _clear_to_send(self) -> None:
        """The lease outlives the call, and settings said within the last second that it may go."""
        monotonic = self.needs.limits.monotonic
        for _ in range(_LOOKS_MAX):
            looked_at = await look_again(self.needs, self.working)
            now = monotonic()
            if self.working.claim.good_until - now < self._deadline.total_seconds():
                raise RetryLater("lease_too_short")
            if now - looked_at <= LOOK_IS_GOOD_FOR_S:
                return
        raise RetryLater("look_too_slow")

    async def _probe(self, kind: Kind) -> bool:
        """Look for what a create of unknown end may have made; True where it was found."""
        unknown = self.known.unknown_note if kind == "note" else self.known.unknown_activity
        if unknown is None:
            return False
        at = plan.visible_at(unknown, self._deadline, self._visible_after)
        now = self.working.now()
        if now < at:
            raise Postponed(Wait(Waiting.PROBE, at, "unknown_end"))
        found, person_id = await self._marked(kind, unknown)
        if found:
            # It may be an earlier create's, landed late, with an older text.
            through = None if self.known.heal_persons else unknown.through
            written = Written(found[0].id, unknown.period, through)
            self._settle(kind, written)
            self.known = replace(self.known, person_id=person_id)
            return True
        if unknown.probes == 0:
            again = replace(unknown, probes=1)
            await self._save(
                replace(self.known, unknown_note=again)
                if kind == "note"
                else replace(self.known, unknown_activity=again)
            )
            pause = max(self._visible_after, _PROBE_PAUSE_MIN)
            raise Postponed(Wait(Waiting.PROBE, now + pause, "unknown_end"))
        self._settle(kind, None)
        return False

    def _settle(self, kind: Kind, written: Written | None) -> None:
        """The unknown end is known now. What was sent may still arrive late, so heal later."""
        self.unknown_end_before = True
        self.known = plan.remember(self.known, kind)
        if kind == "note":
            self.known = replace(self.known, note=written or self.known.note, unknown_note=None)
        else:
            self.known = replace(
                self.known, activity=written or self.known.activity, unknown_activity=None
            )
        self.known = replace(self.known, heal_at=self._heal_at())

    async def _marked(self, kind: Kind, unknown: UnknownWrite) -> tuple[Sequence[StoredNote], str]:
        """Ours by marker and author, oldest first: at the recorded person, then at today's."""
        person = await self.needs.crm.person(self.access, unknown.person_id, self._deadline)
        persons = [person.id] if person else []
        for look_up in (False, True):
            if look_up:
                try:
                    persons = [p for p in [await self.persons.find()] if p not in persons]
                except Ended:  # nobody, or several: nowhere else to look
                    persons = []
            for person_id in persons:
                found = await self._listed(kind, person_id, unknown)
                if found:
                    return found, person_id
        return [], unknown.person_id

    async def _listed(self, kind: Kind, person_id: str, unknown: UnknownWrite) -> list[StoredNote]:
        marker, since = self._marker(unknown.period), unknown.started_at - _CLOCK_SLACK
        if kind == "note":
            listed = await self.needs.crm.notes_marked(
                self.access, person_id, marker, since, self._deadline
            )
        else:
            listed = await as_activity_crm(self.needs.crm).activities_marked(
                self.access, person_id, marker, since, self._deadline
            )
        return [note for note in listed if plan.is_by_us(note, self.access.user_id)]

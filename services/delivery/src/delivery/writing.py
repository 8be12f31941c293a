"""Writing to the CRM: the note, then the activity beside it, both through the same gates."""

from dataclasses import dataclass, replace

from common.outcomes import Outcome

from delivery.accompanying import Accompanying
from delivery.domain.answer import Verdict
from delivery.domain.conversation import Conversation
from delivery.domain.period import period_of
from delivery.domain.write import is_up_to_date
from delivery.noting import Noting
from delivery.persons import Persons
from delivery.ports import CrmAccess, GiveUp, Gone
from delivery.probing import Probing
from delivery.rendering import Rendering
from delivery.retracting import Retracting
from delivery.sending import Sending
from delivery.working import Needs, Working


@dataclass(frozen=True, slots=True)
class Writing:
    needs: Needs
    working: Working
    access: CrmAccess
    conversation: Conversation
    link: str
    persons: Persons

    async def write(self, *, activity: bool) -> Verdict:
        """Bring note (and activity) up to what was said."""
        working, talk = self.working, self.conversation
        period, newest = self._period, talk.newest_update
        if not working.rewrites and is_up_to_date(working.known, period, newest, activity):
            return Verdict(Outcome.UP_TO_DATE)
        time_zone = working.installation.time_zone
        rendering = Rendering(self.needs.crm, talk, self.link, time_zone)
        sending = Sending(self.needs, working, self.access)
        probing = Probing(sending, self.persons, talk)
        noting = Noting(talk, period, rendering, self.persons, sending, probing)
        verdict = await noting.run()
        retracting = Retracting(
            talk, self.needs.limits.quiet_period, rendering, self.persons, sending
        )
        if working.rewrites and await retracting.run("note"):
            verdict = _changed(verdict)
        if not activity or (working.known.note is None and not working.rewrites):
            return self._told(verdict)
        accompanying = Accompanying(
            talk, self._activity_period, rendering, self.persons, sending, probing
        )
        try:
            await accompanying.run()
        except Gone:
            verdict = await self._again(noting, accompanying, verdict)
        if working.rewrites and await retracting.run("activity"):
            verdict = _changed(verdict)
        if working.known.activity is None:
            # A removal makes none; whoever asks for that reply next still has to.
            verdict = replace(verdict, through=None)
        return self._told(verdict)

    def _told(self, verdict: Verdict) -> Verdict:
        """What a removal changed counts, whatever became of the latest note meanwhile."""
        if self.working.only_removal and self.working.rewrote:
            return replace(verdict, outcome=Outcome.UPDATED)
        return verdict

    async def _again(self, noting: Noting, accompanying: Accompanying, before: Verdict) -> Verdict:
        """The person was deleted or merged since the note was written; the note may be gone too."""
        working = self.working
        self.persons.forget()
        unsure = replace(working.known.note, through=None) if working.known.note else None
        working.known = replace(working.known, person_id=None, note=unsure)
        verdict = await noting.run()
        if working.known.note is not None:
            try:
                await accompanying.run()
            except Gone:
                raise GiveUp("person_gone") from None
        return before if verdict.outcome is Outcome.ALREADY_THERE else verdict

    @property
    def _period(self) -> int | None:
        if not self.working.note_per_period:
            return None
        return period_of(self.conversation, self.needs.limits.quiet_period)

    @property
    def _activity_period(self) -> int | None:
        own = self.working.installation.activity_policy
        if (own or self.needs.limits.activity_policy) == "update":
            return None
        return period_of(self.conversation, self.needs.limits.quiet_period)


def _changed(verdict: Verdict) -> Verdict:
    """After something else was brought up to date beside what this says."""
    if verdict.outcome is not Outcome.ALREADY_THERE:
        return verdict
    return replace(verdict, outcome=Outcome.UPDATED)

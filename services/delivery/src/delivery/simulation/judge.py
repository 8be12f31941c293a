"""What must hold, told from what was sent to the CRM and what stands in it; knows no ledger row."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any

from common.eligibility import Installation
from common.events import DeliveryOutcome, Trigger
from common.outcomes import Outcome

from delivery.domain.conversation import Conversation
from delivery.domain.note import Marker
from delivery.domain.row import Kind
from delivery.simulation.store import US, Account, SimNote, carries_as_built
from delivery.simulation.time import EPOCH

QUIET = timedelta(minutes=15)
LOOK_GOOD_FOR_S = 1.0
CALL_S = 20.0
SAMPLED_EVERY_S = 20.0  # how often it is noted whom a search would find
# An outcome may rest on what was so at any time during its attempt, and on what settings had
# answered up to a minute before it.
ATTEMPT_S = 120.0 + 60.0
_REFUSED = (
    Outcome.SYNC_OFF,
    Outcome.UNINSTALLED,
    Outcome.NO_ACTIVE_ASSIGNEE,
    Outcome.NO_PERSON,
    Outcome.SEVERAL_PERSONS,
)
_LOOKED = (  # at the notes that there are, though the latest may be people's by now
    Outcome.UPDATED,
    Outcome.ALREADY_THERE,
    Outcome.UP_TO_DATE,
    Outcome.HANDED_OVER,
    Outcome.LEFT_DELETED,
)
_HURRY = (Trigger.ACTION, Trigger.MANUAL, Trigger.REMOVED)


class Track:
    """A value that changes, and what it was before."""

    def __init__(self, value: Any) -> None:
        self._values = [(0.0, value)]

    def set(self, at: float, value: Any) -> None:
        self._values.append((at, value))

    @property
    def now(self) -> Any:
        return self._values[-1][1]

    def between(self, since: float, until: float) -> list[Any]:
        """Whatever it was at some instant from `since` on until `until`."""
        ends = [at for at, _ in self._values[1:]] + [float("inf")]
        return [
            value
            for (begins, value), ends_at in zip(self._values, ends, strict=True)
            if begins <= until and ends_at >= since
        ]


class Judge:
    """Watches each request on its way out, as the task that sends it."""

    def __init__(
        self,
        now: Callable[[], float],
        accepted: Callable[[], Counter[tuple[str, str]]],
        outcomes: Callable[[], Iterable[DeliveryOutcome]],
        asks_itself: Callable[[str], bool],
    ) -> None:
        self.violations: list[str] = []
        self.creates = 0
        self.toggle: dict[str, Track] = {}  # by app
        self.installed: dict[str, Track] = {}
        self.assigned: dict[str, Track] = {}
        self.matches: dict[tuple[str, str], Track] = {}  # persons found, by account and talk
        self.meddled: dict[tuple[str, str], float] = {}  # by account and talk: people's last change
        self.strict = False
        self.writes_land_late = True
        self.unhealed: dict[tuple[str, str], float] = {}  # likewise: forgotten by a restore then
        self._now = now
        self._accepted = accepted
        self._outcomes = outcomes
        self._asks_itself = asks_itself
        self._looks: dict[Any, dict[str, tuple[float, Installation | None]]] = {}
        self._leases: dict[Any, float] = {}
        self._reads: dict[Any, Conversation] = {}
        self._seen: dict[tuple[Any, str, str], tuple[str, str]] = {}

    def violation(self, what: str) -> None:
        self.violations.append(f"{what} at {self._now():.1f} s")

    # --- what an attempt was told

    def looked(self, app: str, value: Installation | None) -> None:
        self._looks.setdefault(asyncio.current_task(), {})[app] = self._now(), value

    def read(self, conversation: Conversation) -> None:
        self._reads[asyncio.current_task()] = conversation

    def saw(self, account: str, note: SimNote) -> None:
        place = asyncio.current_task(), account, note.id
        self._seen[place] = note.body if not note.gone else "", note.people

    def leased(self, good_until: float) -> None:
        self._leases[asyncio.current_task()] = good_until

    # --- what it sends

    def sends(self, kind: Kind, account: str, marker: Marker, *, create: bool) -> None:
        talk, what = marker.conversation_id, f"{'create' if create else 'update'} of {kind}"
        self.creates += create
        hurried = self._open(talk, _HURRY) or self._asks_itself(talk)
        looks = self._looks.get(asyncio.current_task(), {}).values()
        fresh = [value for at, value in looks if self._now() - at <= LOOK_GOOD_FOR_S]
        there = [value for value in fresh if value is not None and value.crm_account == account]
        if not fresh:
            self.violation(f"{what} {marker} without a fresh look at the toggle")
        elif not there:
            self.violation(f"{what} {marker} though settings said it is not installed there")
        elif not (hurried or any(installation.transcript_sync for installation in there)):
            self.violation(f"{what} {marker} though settings said off")
        if self._now() + CALL_S > self._leases[asyncio.current_task()]:
            self.violation(f"{what} {marker} that may outlive its lease")
        read = self._reads[asyncio.current_task()]
        newest = read.newest_update
        young = newest is not None and newest.updated_at + QUIET > read.read_at
        if young and not hurried:
            self.violation(f"{what} {marker} before it was quiet")

    def changes(self, account: str, note: SimNote, marker: Marker | None, body: str | None) -> None:
        """An update, or (body None) a deletion."""
        seen = self._seen.get((asyncio.current_task(), account, note.id), (note.body, ""))
        if note.author not in US or marker is None or not carries_as_built(seen[0], marker):
            self.violation(f"{note.id} was touched, which is not ours: {marker}")
        if body is not None and seen[1] not in body:
            self.violation(f"what people wrote in {note.id} is lost")

    def _open(self, talk: str, triggers: Iterable[Trigger]) -> bool:
        answered = Counter(
            (outcome.conversation_id, trigger)
            for outcome in self._outcomes()
            for trigger in outcome.triggers
        )
        asked = self._accepted()
        return any(asked[talk, trigger] > answered[talk, trigger] for trigger in triggers)

    def made(self, account: Account, kind: Kind, marker: Marker) -> None:
        """Where the CRM does as it says and nobody freezes, there is never a second one."""
        if self.strict and len(account.live(kind, marker)) > 1:
            self.violation(f"a second {kind} {marker}, until it is healed")

    # --- what stands in the end

    def surplus(self, account: Account) -> None:
        kinds = Counter((note.kind, note.marker) for note in account.notes.values() if note.marker)
        for kind, marker in kinds:
            live = account.live(kind, marker)
            if len(live) > 1 and not self._waits_to_be_looked_over(account, marker):
                places = ", ".join(f"{note.id} at {note.person}" for note in live)
                self.violation(f"{len(live)} live {kind}s {marker}: {places}")

    def _waits_to_be_looked_over(self, account: Account, marker: Marker) -> bool:
        """A restore forgets what had to be healed, until the conversation is written once more."""
        since = self.unhealed.get((account.id, marker.conversation_id))
        return since is not None and not any(
            o.outcome in (Outcome.DELIVERED, Outcome.UPDATED, Outcome.ALREADY_THERE)
            for o in self._outcomes()
            if (o.crm_account, o.conversation_id) == (account.id, marker.conversation_id)
            and _seconds(o) >= since
        )

    def taken_out(self, account: Account, talk: str, text: str, removed_at: float) -> None:
        """What was removed stands in no note of ours, of whichever period, once that was told."""
        told = [
            o
            for o in self._outcomes()
            if (o.conversation_id, o.crm_account) == (talk, account.id)
            and Trigger.REMOVED in o.triggers
            and o.outcome in _LOOKED
            and _seconds(o) >= removed_at
        ]
        if self.writes_land_late or not told:  # which may bring it back for a while
            return
        for note in account.notes.values():
            if (
                note.marker is not None
                and note.marker.conversation_id == talk
                and note.listed_at <= removed_at
                and text in note.body
                and note in account.live(note.kind, note.marker)
            ):
                self.violation(f"{note.id} {note.marker} shows {text}, which was removed")

    def answered(self) -> None:
        """Each accepted request has exactly one outcome."""
        told: Counter[tuple[str, str]] = Counter()
        for number in Counter(outcome.outcome_id for outcome in self._outcomes()).values():
            if number > 1:
                self.violation(f"an outcome was told {number} times")
        for outcome in self._outcomes():
            told[outcome.conversation_id, outcome.triggers[0]] += 1
        for asked, count in self._accepted().items():
            if told[asked] != count:
                self.violation(f"{told[asked]} outcomes for {count} requests: {asked}")

    def stands(
        self,
        app: str,
        talk: str,
        text: str,
        accounts: Mapping[str, Account],
        said_at: float,
        *,
        activity: bool,
    ) -> None:
        """The last reply is in the CRM, or the reason told for its absence holds."""
        all_told = [o for o in self._outcomes() if o.conversation_id == talk]
        # Another app of the account may have had the same reply written before.
        all_told = [o for o in all_told if o.app == app or o.outcome not in _REFUSED]
        told = [o for o in all_told if _seconds(o) >= said_at]
        asked = any(
            o.app == app and o.triggers[0] in (Trigger.QUIET, Trigger.BACKFILL) for o in told
        )
        if not asked and False in self.installed[app].between(said_at, said_at + 3600):
            return  # nobody was asked
        told = told or all_told[-1:]
        kinds: tuple[Kind, ...] = ("note", "activity") if activity else ("note",)
        for kind in kinds:
            # The connection may have led elsewhere since.
            if any(self._shown(kind, talk, text, account) for account in accounts.values()):
                continue
            if any(self._holds(kind, text, o, accounts[o.crm_account]) for o in told):
                continue
            ends = [f"{o.outcome}({o.reason})" if o.reason else str(o.outcome) for o in told]
            self.violation(f"the {kind} of {talk} lacks {text} for {app}, and yet {ends}")

    def _shown(self, kind: Kind, talk: str, text: str, account: Account) -> bool:
        made = [n for n in account.notes.values() if n.marker and n.marker.conversation_id == talk]
        return any(
            text in note.body
            for marker in {note.marker for note in made if note.marker}
            for note in account.live(kind, marker)
        )

    def _holds(self, kind: Kind, text: str, outcome: DeliveryOutcome, account: Account) -> bool:
        talk, at = outcome.conversation_id, _seconds(outcome)
        since = at - ATTEMPT_S
        made = [
            note
            for note in account.notes.values()
            if note.marker and note.marker.conversation_id == talk
        ]
        theirs = (n for n in made if n.kind == kind and (n.gone == "people" or n.taken))
        if kind == "activity" and any(theirs):
            return True  # one that people deleted or took over is theirs, and no other is made
        found = self.matches[account.id, talk].between(since, at + SAMPLED_EVERY_S)
        match outcome.outcome:
            case Outcome.SYNC_OFF:
                return False in self.toggle[outcome.app].between(since, at)
            case Outcome.UNINSTALLED:
                return False in self.installed[outcome.app].between(since, at)
            case Outcome.NO_ACTIVE_ASSIGNEE:
                return False in self.assigned[talk].between(since, at)
            case Outcome.NO_PERSON:
                return 0 in found
            case Outcome.SEVERAL_PERSONS:
                return any(number > 1 for number in found)
            case Outcome.HANDED_OVER:
                return any(note.taken for note in made)
            case Outcome.LEFT_DELETED:
                return any(note.gone == "people" for note in made)
            case Outcome.DELIVERED | Outcome.UPDATED | Outcome.ALREADY_THERE | Outcome.UP_TO_DATE:
                # It stood there, however long the activity beside it took afterwards.
                gone = {"people"}
                if outcome.outcome is Outcome.UP_TO_DATE:  # said without a look at the CRM
                    gone.add("person")
                theirs = (n for n in made if n.kind == kind and (n.gone in gone or n.taken))
                shown = any(text in note.body for note in theirs)
                return shown or self.meddled.get((account.id, talk), -1.0) >= since
        return False


def _seconds(outcome: DeliveryOutcome) -> float:
    return (outcome.decided_at - EPOCH).total_seconds()

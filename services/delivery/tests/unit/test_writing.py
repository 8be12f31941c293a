"""Note and activity of one attempt: what happens to the person between the two."""

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import attempting
import pytest
from common.eligibility import Installation
from common.events import Trigger
from common.outcomes import Outcome
from common.updates import Update
from delivery.domain.backoff import Schedule
from delivery.domain.conversation import Conversation, Message
from delivery.domain.note import Note, StoredNote
from delivery.domain.row import Key, Known, Request, Row, UnknownWrite, Written
from delivery.ports import Claim, CrmAccess, Gone, PersonState, TokenRejected
from delivery.working import Limits, Needs, Working
from delivery.writing import Writing

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SAID = Update(NOW - timedelta(hours=1), 1)
INSTALLATION = attempting.INSTALLATION.model_copy(update={"app": "pipedrive"})


class World:
    """A CRM, its ledger and settings: records by id, and at whom they are."""

    has_activity = html = True
    note_max_chars = 10_000
    note_max_bytes = None
    visible_after = timedelta(seconds=10)

    def __init__(self, person: str, *, merges: bool) -> None:
        self.person_there = person
        self.merges = merges
        self.notes: dict[str, str] = {"n1": "501"}
        self.activities: dict[str, str] = {}
        self.bodies: dict[str, str] = {}
        self.types: list[str | None] = []  # of the activities, as they were asked for
        self.refuses_once = False  # the token, at an activity

    def person_goes(self) -> None:
        """Person 501 is merged into 502, or deleted with all it has; its id is unknown then."""
        self.person_there = "502"
        self.notes = dict.fromkeys(self.notes, "502") if self.merges else {}

    async def person(self, _: CrmAccess, person_id: str, __: timedelta) -> PersonState | None:
        return PersonState(person_id) if person_id == self.person_there else None

    async def find(self) -> str:
        return self.person_there

    def forget(self) -> None:
        pass

    async def owner(self) -> str | None:
        return None

    async def note(self, _: CrmAccess, note_id: str, __: timedelta) -> StoredNote | None:
        if note_id not in self.notes:
            return None
        return StoredNote(note_id, self.bodies[note_id], "9", self.notes[note_id])

    async def create_note(self, _: CrmAccess, person: str, note: Note, __: timedelta) -> str:
        return self._made(self.notes, person, note)

    async def activity(self, *_: object) -> None:
        return None

    async def create_activity(self, _: CrmAccess, person: str, note: Note, __: timedelta) -> str:
        if self.refuses_once:
            self.refuses_once = False
            raise TokenRejected
        self.types.append(note.activity_type)
        return self._made(self.activities, person, note)

    def _made(self, records: dict[str, str], person: str, note: Note) -> str:
        if person != self.person_there:
            raise Gone
        made = f"n{len(self.bodies) + 1}"
        records[made], self.bodies[made] = person, note.body
        return made

    async def activities_marked(self, *_: object) -> list[StoredNote]:
        self.person_goes()
        return []

    async def save(self, *_: object) -> None:
        pass

    async def installation(self, *_: object, **__: object) -> Installation:
        return INSTALLATION


def writing(
    world: World, known: Known, activity_policy: Literal["update", "new"] = "update"
) -> Writing:
    opened: Any = world
    limits = Limits(
        timedelta(minutes=15),
        timedelta(seconds=20),
        Schedule(),
        activity_policy=activity_policy,
        monotonic=lambda: 100.0,
    )
    needs = Needs(opened, opened, opened, opened, lambda *_: "https://app/x", limits)
    request = Request(1, Trigger.QUIET, "pipedrive", NOW, SAID)
    row = Row(Key("wk1", "1", "pipedrive", "42001"), requests=(request,), known=known)
    claim = Claim(row, "token", NOW, 100.0, 200.0)
    working = Working(claim, limits.monotonic, known, [request])
    working.installations["pipedrive"] = INSTALLATION
    said = Message(1, SAID.updated_at, "user", "Ada", "hello", (), False, SAID)
    talk = Conversation("wk1", "1", "email", (said,), 0, "5001", False, ("c1",), NOW)
    access = CrmAccess("t", "https://crm", "42001", "9", NOW)
    return Writing(needs, working, access, talk, "https://app/x", opened)


async def noted(world: World) -> None:
    """The note stands there, whole."""
    await writing(world, Known("501")).write(activity=False)
    world.notes = {"n1": "501"}


async def only_the_activity_is_missing(world: World) -> tuple[Writing, Outcome]:
    await noted(world)
    sought = UnknownWrite("501", None, NOW - timedelta(hours=1), SAID, probes=1)
    known = Known("501", Written("n1", None, SAID), unknown_activity=sought)
    second = writing(world, known)
    return second, (await second.write(activity=True)).outcome


async def test_a_note_that_went_with_its_person_is_made_again_before_the_activity() -> None:
    """The simulation's seed 106: the note was thought to stand, and only the activity was made."""
    world = World("501", merges=False)
    second, outcome = await only_the_activity_is_missing(world)
    assert outcome is Outcome.DELIVERED
    assert list(world.notes.values()) == list(world.activities.values()) == ["502"]
    assert second.working.known.note is not None
    assert second.working.known.note.id in world.notes


async def test_a_note_that_went_with_its_person_is_missed_though_the_activity_is_known() -> None:
    """The simulation's seed 17054: said to be there already, as an earlier attempt had made it."""
    world = World("501", merges=False)
    await noted(world)
    before = Update(SAID.updated_at - timedelta(days=1), 0)
    work = writing(world, Known("501", Written("n1", None, SAID), Written("a1", None, before)))
    world.person_goes()
    assert (await work.write(activity=True)).outcome is Outcome.DELIVERED
    assert list(world.notes.values()) == ["502"]


async def test_a_note_that_moved_with_its_merged_person_stays_the_one() -> None:
    world = World("501", merges=True)
    second, outcome = await only_the_activity_is_missing(world)
    assert outcome is Outcome.ALREADY_THERE
    assert world.notes == {"n1": "502"}
    assert list(world.activities.values()) == ["502"]
    assert second.working.known.person_id == "502"


@pytest.mark.parametrize("policy", ["update", "new"])
async def test_under_policy_new_each_period_has_an_activity_of_its_own(policy: Any) -> None:
    world = World("501", merges=False)
    before = Update(SAID.updated_at - timedelta(days=1), 0)
    known = Known("501", Written("n1", None, SAID), Written("a1", 0, before))
    await noted(world)
    world.bodies["a1"] = ""
    work = writing(world, known, policy)
    await work.write(activity=True)
    made = [world.bodies[one] for one in world.activities]
    assert len(made) == (policy == "new")
    assert all("[lull wk1/1/1]" in body for body in made)
    activity = work.working.known.activity
    assert activity is not None
    assert (activity.period, activity.through) == ((1 if policy == "new" else 0), SAID)


async def test_a_note_that_was_made_before_the_token_was_refused_is_delivered() -> None:
    world = World("501", merges=False)
    world.refuses_once = True
    work = writing(world, Known())
    with pytest.raises(TokenRejected):
        await work.write(activity=True)
    assert (await work.write(activity=True)).outcome is Outcome.DELIVERED
    assert (len(world.notes), len(world.activities)) == (1, 1)


@pytest.mark.parametrize(
    ("deployment", "own", "made"),
    [("update", None, 0), ("new", None, 1), ("update", "new", 1), ("new", "update", 0)],
)
async def test_an_installations_own_activity_policy_and_type_go_before_the_deployments(
    deployment: Literal["update", "new"], own: str | None, made: int
) -> None:
    world = World("501", merges=False)
    await noted(world)
    before = Update(SAID.updated_at - timedelta(days=1), 0)
    # Of an earlier period: under `new` today's conversation gets another one.
    known = Known("501", Written("n1", None, SAID), Written("a1", 999, before))
    work = writing(world, known, deployment)
    work.working.installations["pipedrive"] = INSTALLATION.model_copy(
        update={"activity_policy": own, "activity_type": "call"}
    )
    await work.write(activity=True)
    assert (len(world.activities), world.types) == (made, ["call"] * made)

"""The activity beside the note (R5): kept up to date within people's words, never made twice."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from attempting import INSTALLATION
from common.updates import Update
from delivery.accompanying import Accompanying
from delivery.domain.backoff import Schedule
from delivery.domain.conversation import Conversation, Message
from delivery.domain.note import Note, StoredNote
from delivery.domain.row import Key, Known, Row, Written
from delivery.ports import CrmAccess, Gone, PersonState
from delivery.probing import Probing
from delivery.rendering import Rendering
from delivery.sending import Sending
from delivery.working import Limits

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
OLDER, NEWER = (Update(NOW - timedelta(hours=age), 9 - age) for age in (2, 1))


class Crm:
    """Holds one note, and activities by id."""

    has_activity = True
    html = True
    note_max_chars = 10_000
    note_max_bytes = None

    def __init__(self) -> None:
        self.activities: dict[str, str] = {}
        self.made = 0
        self.deleted_in_between = False
        self.persons = {"501": "501"}  # as whom each is found

    async def person(self, _: CrmAccess, person_id: str, __: timedelta) -> PersonState | None:
        return PersonState(self.persons[person_id]) if person_id in self.persons else None

    async def activity(self, _: CrmAccess, activity_id: str, __: timedelta) -> StoredNote | None:
        body = self.activities.get(activity_id)
        return None if body is None else StoredNote(activity_id, body, "9", "501")

    async def create_activity(self, *_: object) -> str:
        self.made += 1
        return "12"

    async def update_activity(self, *call: Any) -> None:
        _, activity_id, body, note, _ = call
        assert isinstance(note, Note)
        if self.deleted_in_between:
            raise Gone
        self.activities[activity_id] = body


class Open:
    """A writing whose lease is long and whose toggle is on."""

    def __init__(self, crm: Crm, known: Known) -> None:
        self.crm: Any = crm
        self.known = known
        self.row = Row(Key("wk1", "1", "pipedrive", "42001"), known=known)
        self.limits = Limits(timedelta(minutes=15), timedelta(seconds=20), Schedule())
        self.only_removal = self.rewrites = False
        self.rewrote = False
        self.installation = INSTALLATION
        self.ledger, self.claim, self.created = self, None, list[object]()

    def now(self) -> datetime:
        return NOW

    async def reserve(self, *_: object) -> None:
        pass

    async def save(self, *_: object) -> None:
        pass

    async def owner(self) -> str | None:
        return None


class Cleared(Sending):
    async def _clear_to_send(self) -> None:
        pass


def accompanying(
    crm: Crm, said: Sequence[Update] = (OLDER, NEWER), period: int | None = None
) -> Accompanying:
    messages = tuple(
        Message(u.part_id, u.updated_at, "user", "Ada", f"said {u.part_id}", (), False, u)
        for u in said
    )
    talk = Conversation("wk1", "1", "email", messages, 0, "5001", False, ("c1",), NOW)
    known = Known("501", Written("77", None, NEWER), Written("11", None, OLDER))
    opened: Any = Open(crm, known)
    access = CrmAccess("t", "https://crm", "42001", "9", NOW)
    rendering = Rendering(opened.crm, talk, "https://app/x", "UTC")
    sending = Cleared(opened, opened, access)
    probing = Probing(sending, opened, talk)
    return Accompanying(talk, period, rendering, opened, sending, probing)


def made_before(crm: Crm) -> None:
    crm.activities["11"] = accompanying(crm, (OLDER,)).rendering.note(None).body


async def test_peoples_words_around_our_block_stay() -> None:
    crm = Crm()
    made_before(crm)
    crm.activities["11"] = f"<p>Called back.</p>{crm.activities['11']}<p>Asked for a quote.</p>"
    await accompanying(crm).run()
    body = crm.activities["11"]
    assert body.startswith("<p>Called back.</p>")
    assert body.endswith("<p>Asked for a quote.</p>")
    assert f"said {NEWER.part_id}" in body


@pytest.mark.parametrize("theirs", ["all theirs now", None])
async def test_one_that_people_took_over_or_deleted_is_left_and_no_second_one_made(
    theirs: str | None,
) -> None:
    crm = Crm()
    if theirs is not None:
        crm.activities["11"] = theirs
    work = accompanying(crm)
    before = dict(crm.activities)
    await work.run()
    assert work.sending.working.known.activity == Written("11", None, NEWER)
    later = Update(NOW, 10)
    again = accompanying(crm, (OLDER, NEWER, later))
    again.sending.working.known = replace(
        work.sending.working.known, note=Written("77", None, later)
    )
    await again.run()
    assert (crm.activities, crm.made) == (before, 0)
    assert again.sending.working.known.activity == Written("11", None, later)


async def test_one_that_is_deleted_just_before_the_update_is_left_deleted() -> None:
    crm = Crm()
    made_before(crm)
    crm.deleted_in_between = True
    work = accompanying(crm)
    await work.run()
    assert (crm.made, work.sending.working.rewrote) == (0, False)
    assert work.sending.working.known.activity == Written("11", None, NEWER)


async def test_under_policy_new_the_same_period_is_brought_up_to_date() -> None:
    crm = Crm()
    work = accompanying(crm, period=OLDER.part_id)
    crm.activities["11"] = work.rendering.note(OLDER.part_id).body.replace("said 8", "said less")
    work.sending.working.known = replace(
        work.sending.working.known, activity=Written("11", OLDER.part_id, OLDER)
    )
    await work.run()
    assert crm.made == 0
    assert f"said {NEWER.part_id}" in crm.activities["11"]


async def test_a_removal_updates_the_last_activity_and_makes_none() -> None:
    crm = Crm()
    made_before(crm)
    work = accompanying(crm, period=NEWER.part_id)
    opened: Any = work.sending.working
    opened.only_removal = opened.rewrites = True
    await work.run()
    assert (crm.made, work.sending.working.rewrote) == (0, True)


@pytest.mark.parametrize("now", [{}, {"501": "502"}])  # deleted, and merged
@pytest.mark.parametrize("between", [False, True])
async def test_one_that_went_with_its_person_is_made_again_at_the_notes(
    now: dict[str, str], between: bool
) -> None:
    crm = Crm()
    if between:  # our look and the update
        made_before(crm)
        crm.deleted_in_between = True
    crm.persons = {**now, "502": "502"}
    work = accompanying(crm)
    known = work.sending.working.known  # the note was made again before
    work.sending.working.known = replace(known, person_id="502", activity_person_id="501")
    await work.run()
    after = work.sending.working.known
    assert (crm.made, after.activity) == (1, Written("12", None, NEWER))
    assert (after.person_id, after.activity_person_id) == ("502", "502")


async def test_one_of_an_older_ledger_went_with_the_person_that_was_known_before() -> None:
    crm = Crm()
    crm.persons = {"502": "502"}
    work = accompanying(crm)
    work.sending.working.known = replace(work.sending.working.known, person_id="502")
    await work.run()
    assert crm.made == 1


async def test_one_that_shows_everything_is_missed_once_the_note_is_elsewhere() -> None:
    crm = Crm()
    crm.persons = {"502": "502"}
    work = accompanying(crm, (OLDER,))
    known = work.sending.working.known
    work.sending.working.known = replace(known, person_id="502", activity_person_id="501")
    await work.run()
    assert crm.made == 1


async def test_a_removal_makes_none_in_place_of_one_that_is_gone() -> None:
    crm = Crm()
    crm.persons = {}
    work = accompanying(crm)
    opened: Any = work.sending.working
    opened.only_removal = opened.rewrites = True
    await work.run()
    assert (crm.made, work.sending.working.known.activity) == (0, None)


async def test_beside_a_note_that_is_peoples_a_removal_updates_it_and_nobody_makes_one() -> None:
    crm = Crm()
    made_before(crm)
    work = accompanying(crm, period=NEWER.part_id)
    opened: Any = work.sending.working
    opened.known, opened.rewrites = replace(opened.known, note=None), True
    await work.run()
    assert (crm.made, opened.rewrote) == (0, True)
    opened.known = replace(opened.known, activity=None)
    await work.run()
    assert crm.made == 0

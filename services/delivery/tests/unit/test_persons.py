"""Whose note it is: an action's own person, the one remembered, then whom an address finds."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, Literal

import pytest
from common.events import CrmPerson, Trigger
from common.outcomes import Outcome
from delivery.domain.backoff import Schedule
from delivery.domain.conversation import Contact
from delivery.domain.row import Known, Request
from delivery.persons import Persons
from delivery.ports import CrmAccess, Gone, IntercomAccess, PersonState
from delivery.working import Ended, Limits

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
CRM = CrmAccess("t", "https://crm", "42001", "9", NOW)
INTERCOM = IntercomAccess("t", "https://api", "https://app", "wk1")


class World:
    """Intercom and a CRM: who is alive under which id, and whom the contact's addresses find."""

    def __init__(self, alive: dict[str, str], found: Sequence[str] = ()) -> None:
        self.alive = alive
        self.found = found
        self.searched = False

    async def person(self, _: CrmAccess, person_id: str, __: timedelta) -> PersonState | None:
        return PersonState(self.alive[person_id]) if person_id in self.alive else None

    async def contact(self, _: IntercomAccess, contact_id: str, __: timedelta) -> Contact:
        if contact_id == "gone":
            raise Gone
        return Contact(contact_id, ("ada@example.com",), ())

    async def find_persons(self, _: CrmAccess, contact: Contact, __: timedelta) -> Sequence[str]:
        assert contact.id == "first"
        self.searched = True
        return self.found


def persons(
    world: World,
    *actions: CrmPerson,
    remembered: str | None = None,
    contacts: tuple[str, ...] = ("first", "second"),
    several: Literal["none", "lowest_id"] = "none",
) -> Persons:
    opened: Any = world
    limits = Limits(
        timedelta(minutes=15), timedelta(seconds=20), Schedule(), several_persons=several
    )
    requests = [
        Request(number, Trigger.ACTION, "hubspot", NOW, person=person)
        for number, person in enumerate(actions, start=1)
    ]
    needs: Any = SimpleNamespace(crm=opened, intercom=opened, limits=limits)
    working: Any = SimpleNamespace(left=requests, known=Known(person_id=remembered))
    talk: Any = SimpleNamespace(contact_ids=contacts)
    return Persons(needs, working, CRM, INTERCOM, talk)


def acted_on(person_id: str, kind: Literal["contact", "lead"] = "contact") -> CrmPerson:
    return CrmPerson(kind=kind, id=person_id)


async def test_the_newest_actions_person_comes_first_then_the_remembered_one() -> None:
    world = World({"501": "501", "502": "502", "503": "503"}, ["504"])
    assert await persons(world, acted_on("501"), acted_on("502"), remembered="503").find() == "502"
    assert await persons(world, acted_on("777"), remembered="503").find() == "503"
    assert not world.searched


async def test_a_merged_person_is_followed_and_a_deleted_one_looked_up_afresh() -> None:
    assert await persons(World({"501": "502"}), remembered="501").find() == "502"
    assert await persons(World({}, ["504"]), remembered="501").find() == "504"


async def test_an_actions_lead_is_looked_up_by_the_contact_behind_it() -> None:
    world = World({"501": "501"}, ["504"])
    assert await persons(world, acted_on("501", "lead")).find() == "504"


async def test_one_person_is_looked_for_once_in_an_attempt_and_again_once_forgotten() -> None:
    world = World({}, ["504"])
    looked = persons(world)
    assert await looked.find() == "504"
    world.found = ["505"]
    assert await looked.find() == "504"
    looked.forget()
    assert await looked.find() == "505"


@pytest.mark.parametrize(
    ("found", "contacts", "several", "outcome"),
    [
        ([], ("first",), "none", Outcome.NO_PERSON),
        (["504"], (), "none", Outcome.NO_PERSON),
        (["504"], ("gone",), "none", Outcome.NO_PERSON),
        (["504", "505"], ("first",), "none", Outcome.SEVERAL_PERSONS),
    ],
)
async def test_where_there_is_not_exactly_one_nothing_is_written(
    found: list[str], contacts: tuple[str, ...], several: Any, outcome: Outcome
) -> None:
    with pytest.raises(Ended) as ended:
        await persons(World({}, found), contacts=contacts, several=several).find()
    assert ended.value.verdict.outcome is outcome


@pytest.mark.parametrize("found", [["1000", "999"], ["999", "1000"]])
async def test_the_tie_break_takes_the_oldest_id_as_a_number(found: list[str]) -> None:
    assert await persons(World({}, found), several="lowest_id").find() == "999"

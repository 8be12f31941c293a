"""Healing finds late second notes wherever they may be, and knows which one to keep."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from common.catalog import apps_of
from delivery.domain.backoff import Schedule
from delivery.domain.note import Marker, StoredNote
from delivery.domain.row import Key, Known, Written
from delivery.healing import heal
from delivery.ports import CrmAccess, PersonState, ReconnectNeeded, TokenRejected
from delivery.working import Limits

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
KEY = Key("wk1", "1", "pipedrive", "42001")
MARKER = Marker("wk1", "1")


class World:
    """Settings and a CRM that holds notes and activities of ours: the person of each, by id."""

    has_activity = True

    def __init__(self, notes: Mapping[str, str], activities: Mapping[str, str]) -> None:
        self.notes = dict(notes)
        self.activities = dict(activities)
        self.found_by_address: list[str] = []
        self.leads_to = "42001"  # the connection, whatever is still held of the installation
        self.name = "pipedrive"
        self.dead: set[str] = set()  # apps whose connection is to be made anew
        self.refused: set[str] = set()  # tokens

    async def installation(self, *_: str) -> Any:
        return SimpleNamespace(crm_account="42001")

    async def crm_access(self, _: str, app: str, *, rejected: str | None = None) -> CrmAccess:
        if app in self.dead:
            raise ReconnectNeeded("reconnect_needed")
        token = f"{app}'s newer" if rejected else f"{app}'s"
        return CrmAccess(token, "https://crm", self.leads_to, "9", NOW)

    async def intercom_access(self, *_: str) -> None:
        pass

    async def conversation(self, *_: object) -> Any:
        return SimpleNamespace(contact_ids=("c1",))

    async def contact(self, *_: object) -> None:
        pass

    async def find_persons(self, *_: object) -> list[str]:
        return self.found_by_address

    async def person(self, _: CrmAccess, person_id: str, __: timedelta) -> PersonState | None:
        alive = person_id in {*self.notes.values(), *self.activities.values()}
        return PersonState(person_id) if alive else None

    async def note(self, access: CrmAccess, id_: str, __: timedelta) -> StoredNote | None:
        if access.access_token in self.refused:
            raise TokenRejected("http_401")
        return _stored(id_, self.notes[id_]) if id_ in self.notes else None

    async def activity(self, _: CrmAccess, id_: str, __: timedelta) -> StoredNote | None:
        return _stored(id_, self.activities[id_]) if id_ in self.activities else None

    async def notes_marked(self, _: CrmAccess, person: str, *__: object) -> list[StoredNote]:
        return [_stored(id_, at) for id_, at in self.notes.items() if at == person]

    async def activities_marked(self, _: CrmAccess, person: str, *__: object) -> list[StoredNote]:
        return [_stored(id_, at) for id_, at in self.activities.items() if at == person]

    async def delete_note(self, _: CrmAccess, id_: str, __: timedelta) -> None:
        del self.notes[id_]

    async def delete_activity(self, _: CrmAccess, id_: str, __: timedelta) -> None:
        del self.activities[id_]

    async def heal(self, known: Known) -> Known:
        limits = Limits(timedelta(minutes=15), timedelta(seconds=20), Schedule())
        needs: Any = SimpleNamespace(settings=self, intercom=self, crm=self, limits=limits)
        row = SimpleNamespace(key=replace(KEY, crm=self.name), distrust=None)
        working: Any = SimpleNamespace(
            known=known, row=row, left=[], now=lambda: NOW, healed_at=None
        )
        await heal(needs, working)
        healed: Known = working.known
        return healed


def _stored(id_: str, person: str) -> StoredNote:
    return StoredNote(id_, f"<p>{MARKER} x</p><p>{MARKER}</p>", "9", person)


async def test_the_activity_tells_where_a_merged_person_went_when_people_deleted_the_note() -> None:
    world = World({"66": "502", "67": "502"}, {"11": "502", "12": "502"})
    await world.heal(Known("501", Written("77", None, None), Written("11", None, None)))
    assert (world.notes, world.activities) == ({}, {"11": "502"})


async def test_a_late_note_at_another_person_than_the_recorded_one_is_surplus() -> None:
    world = World({"66": "501", "77": "502"}, {"12": "501", "11": "502"})
    known = Known(
        "502", Written("77", None, None), Written("11", None, None), heal_persons=("501",)
    )
    healed = await world.heal(known)
    assert (world.notes, world.activities) == ({"77": "502"}, {"11": "502"})
    assert healed.heal_persons == ()


async def test_a_person_merged_without_a_trace_is_found_by_address_even_among_several() -> None:
    """The simulation's seed 1773: two late notes moved along, and nothing recorded told where."""
    world = World({"66": "502", "67": "502"}, {})
    world.found_by_address = ["502", "503"]
    healed = await world.heal(Known(heal_persons=("501",)))
    assert world.notes == {"66": "502"}
    assert healed.note == Written("66", None, None)


async def test_nothing_is_touched_in_another_account_that_the_connection_leads_to_by_now() -> None:
    """The simulation's seed 4539: ids of the one account were looked up in the other."""
    world = World({"66": "501", "77": "501"}, {})
    world.leads_to = "42002"
    healed = await world.heal(Known("501", Written("77", None, None)))
    assert set(world.notes) == {"66", "77"}
    assert healed.heal_at == NOW + timedelta(hours=1)


async def test_of_several_apps_on_the_account_one_whose_connection_works_heals() -> None:
    first, *others = (app.key for app in apps_of("dynamics365"))
    known = Known("501", Written("77", None, None))
    for dead, refused in [({first}, set[str]()), (set(), {f"{first}'s", f"{first}'s newer"})]:
        world = World({"66": "501", "77": "501"}, {})
        world.name, world.dead, world.refused = "dynamics365", dead, refused
        healed = await world.heal(known)
        assert (set(world.notes), healed.heal_at) == ({"77"}, None)
    world.dead |= {first, *others}
    world.notes["66"] = "501"
    healed = await world.heal(known)
    assert (set(world.notes), healed.heal_at) == ({"66", "77"}, NOW + timedelta(minutes=10))


async def test_a_token_that_was_just_refused_is_asked_for_anew() -> None:
    world = World({"66": "501", "77": "501"}, {})
    world.refused = {"pipedrive's"}
    await world.heal(Known("501", Written("77", None, None)))
    assert set(world.notes) == {"77"}

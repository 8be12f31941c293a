"""The CRM's store as it really is, whoever may see it, and what people do in it."""

from dataclasses import dataclass, field
from typing import Literal

from delivery.domain import block
from delivery.domain.note import Marker
from delivery.domain.row import Kind

US, THEM = ("9", "10"), "70"  # users of the connection, over time, and a colleague
carries_as_built = block.carries  # the judge's own, whatever is planted


@dataclass(slots=True)
class SimNote:
    id: str
    kind: Kind
    person: str
    body: str
    author: str
    made_at: float
    listed_at: float
    marker: Marker | None = None  # what it was made with
    gone: Literal["", "people", "us", "person"] = ""
    people: str = ""  # what people wrote around our block
    taken: bool = False  # people took a marker line out


@dataclass(slots=True)
class SimPerson:
    id: str
    email: str
    found_at: float  # search shows it from here on
    alive: bool = True
    merged_into: str | None = None


@dataclass(slots=True)
class Account:
    """One CRM account."""

    id: str
    tells_merges: bool
    notes: dict[str, SimNote] = field(default_factory=dict)
    persons: dict[str, SimPerson] = field(default_factory=dict)

    def add_person(self, email: str, found_at: float) -> SimPerson:
        person = SimPerson(f"{self.id}{len(self.persons) + 1}", email, found_at)
        self.persons[person.id] = person
        return person

    def reach(self, person_id: str) -> SimPerson | None:
        """The person under this id, or who it was merged into where the CRM tells."""
        person = self.persons.get(person_id)
        while person is not None and not person.alive:
            merged = person.merged_into if self.tells_merges else None
            person = self.persons.get(merged) if merged else None
        return person

    def merge(self, loser: SimPerson, winner: SimPerson) -> None:
        loser.alive, loser.merged_into = False, winner.id
        for note in self.notes.values():
            if note.person == loser.id:
                note.person = winner.id

    def delete_person(self, person: SimPerson) -> None:
        person.alive = False
        for note in self.notes.values():
            if note.person == person.id and not note.gone:
                note.gone = "person"

    def live(self, kind: Kind, marker: Marker) -> list[SimNote]:
        """Whole notes of ours with this marker, that nobody took over."""
        return [
            note
            for note in self.notes.values()
            if note.kind == kind
            and note.author in US
            and not note.gone
            and carries_as_built(note.body, marker)
        ]

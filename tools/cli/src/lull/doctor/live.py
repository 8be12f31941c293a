"""A sandbox account is connected, searched, written to and cleaned up, one step after the other.

Every step says how it went; facts (`<crm>/facts.toml`) name the one that proves them.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import cast
from uuid import uuid4

from common.catalog import ActionKind
from delivery.adapters.crm.acting import ActingCrm
from delivery.adapters.crm.activity import HttpActivityCrm
from delivery.domain.action import Action, Made, NewDeal, NewPerson, NewTask, Who
from delivery.domain.block import carries, replaced
from delivery.domain.conversation import Contact, Conversation, Message
from delivery.domain.note import ActionMarker, Marker, Note
from delivery.domain.transcript import render
from delivery.ports import CrmAccess, GiveUp, Gone, ReconnectNeeded, RetryLater, TokenRejected

WORKSPACE, CONVERSATION = "lulldoctor", "1"
LINK = "https://app.intercom.com/a/inbox/lulldoctor/inbox/conversation/1"
DEADLINE = timedelta(seconds=30)
WITHIN = timedelta(minutes=5)  # a record that is not found by then is taken for lost
LOOK_EVERY_S = 1.0
NEEDED = ("a person is made", "a note is made")  # without them there is nothing to look at
LONG = "The quick brown fox jumps over the lazy dog. "


@dataclass(frozen=True, slots=True)
class Step:
    name: str
    said: str  # what was seen; never a word of the vendor's
    went_well: bool


class Failed(Exception):
    """A step's own word for what it did not find."""


@dataclass(slots=True)
class Live:
    crm: ActingCrm
    access: CrmAccess
    now: Callable[[], datetime]
    within: timedelta = WITHIN
    run: str = field(default_factory=lambda: uuid4().hex[:12])
    _person: str = ""
    _note: str = ""

    async def steps(self) -> AsyncIterator[Step]:
        """In order; the note is deleted whatever happens."""
        try:
            for name, work in self._plan():
                step = await _step(name, work)
                yield step
                if not step.went_well and name in NEEDED:
                    break
        finally:
            if self._note:
                await self.crm.delete_note(self.access, self._note, DEADLINE)

    def _plan(self) -> list[tuple[str, Callable[[], Awaitable[str]]]]:
        return [
            ("nobody is found for an unknown address", self._nobody),
            ("a person is made", self._new_person),
            ("a new person is found", self._found),
            ("a person is not made twice", self._not_twice),
            ("a note is made", self._new_note),
            ("a note is read back", self._read_back),
            ("a new note is listed", self._listed),
            ("a note is brought up to date", self._updated),
            ("the longest note is taken", self._longest),
            *([("an activity is made", self._new_activity)] if self.crm.has_activity else []),
            *([("a task is made", self._task)] if ActionKind.TASK in self.crm.actions else []),
            *([("a deal is made", self._deal)] if ActionKind.DEAL in self.crm.actions else []),
            ("the connection's user is found", self._user),
            ("a deleted note is gone", self._deleted),
        ]

    @property
    def _address(self) -> str:
        return f"lull-doctor-{self.run}@example.com"

    @property
    def _contact(self) -> Contact:
        return Contact("c1", (self._address,), ())

    async def _nobody(self) -> str:
        found = await self.crm.find_persons(self.access, self._contact, DEADLINE)
        if found:
            raise Failed(f"{len(found)} persons")
        return "nobody"

    async def _new_person(self) -> str:
        made = await self._act(NewPerson(Who(f"Lull Doctor {self.run}", self._address)))
        self._person = made.id
        return f"{made.url or made.id} (delete it by hand)"

    async def _found(self) -> str:
        async def look() -> bool:
            found = await self.crm.find_persons(self.access, self._contact, DEADLINE)
            return list(found) == [self._person]

        return f"after {await self._until(look):.1f} s"

    async def _not_twice(self) -> str:
        made = await self._act(NewPerson(Who(f"Lull Doctor {self.run}", self._address)))
        if (made.id, made.was_there) != (self._person, True):
            raise Failed("a second one")
        return "the same one"

    async def _new_note(self) -> str:
        note = self._rendered("Hello from the doctor <b>&amp;</b>")
        self._note = await self.crm.create_note(self.access, self._person, note, DEADLINE)
        return self._note

    async def _read_back(self) -> str:
        stored = await self.crm.note(self.access, self._note, DEADLINE)
        if stored is None or not carries(stored.body, self._marker):
            raise Failed("our two marker lines are not both there")
        if "<b>&amp;</b>" not in stored.body and "&lt;b&gt;&amp;amp;&lt;/b&gt;" not in stored.body:
            raise Failed("text was taken for markup")
        if self.access.user_id is not None and stored.author_id not in (None, self.access.user_id):
            raise Failed("somebody else is named as its author")
        return "whole, by us" if stored.author_id else "whole; its author is not told"

    async def _listed(self) -> str:
        since = self.now() - timedelta(minutes=5)

        async def look() -> bool:
            listed = await self.crm.notes_marked(
                self.access, self._person, self._marker, since, DEADLINE
            )
            return [note.id for note in listed] == [self._note]

        return f"after {await self._until(look):.1f} s"

    async def _updated(self) -> str:
        stored = await self.crm.note(self.access, self._note, DEADLINE)
        note = self._rendered("Hello again")
        body = replaced(stored.body, self._marker, note) if stored else None
        if body is None:
            raise Failed("it is no longer ours")
        await self.crm.update_note(self.access, self._note, body, note, DEADLINE)
        return "one request"

    async def _longest(self) -> str:
        note = self._rendered(LONG * 20_000)
        await self.crm.update_note(self.access, self._note, note.body, note, DEADLINE)
        stored = await self.crm.note(self.access, self._note, DEADLINE)
        if stored is None or not carries(stored.body, self._marker):
            raise Failed("it was cut")
        return f"{len(note.body):,} characters, {len(note.body.encode()):,} bytes"

    async def _new_activity(self) -> str:
        crm = cast("HttpActivityCrm", self.crm)
        note = self._rendered(LONG * 20_000)
        made = await crm.create_activity(self.access, self._person, note, DEADLINE)
        stored = await crm.activity(self.access, made, DEADLINE)
        await crm.delete_activity(self.access, made, DEADLINE)
        if stored is None or not carries(stored.body, self._marker):
            raise Failed("our two marker lines are not both there")
        return f"of type {crm.activities.type}, and deleted"

    async def _task(self) -> str:
        due = self.now() + timedelta(days=1)
        made = await self._act(NewTask(self._person, f"Lull doctor {self.run}", due, "Try me"))
        return f"{made.url or made.id} (delete it by hand)"

    async def _deal(self) -> str:
        made = await self._act(NewDeal(self._person, f"Lull doctor {self.run}"))
        return f"{made.url or made.id} (delete it by hand)"

    async def _user(self) -> str:
        stranger = await self.crm.user_with_email(self.access, self._address, DEADLINE)
        if stranger is not None:
            raise Failed("a user was found for an address that has none")
        return "the list can be asked; nobody has the made-up address"

    async def _deleted(self) -> str:
        await self.crm.delete_note(self.access, self._note, DEADLINE)
        gone, self._note = self._note, ""
        if await self.crm.note(self.access, gone, DEADLINE) is not None:
            raise Failed("it is still shown")
        note = self._rendered("too late")
        try:
            await self.crm.update_note(self.access, gone, note.body, note, DEADLINE)
        except Gone:
            return "neither read nor changed"
        raise Failed("a deleted note was changed")

    async def _act(self, what: NewPerson | NewTask | NewDeal) -> Made:
        marker = ActionMarker(WORKSPACE, CONVERSATION, action_id=self.run)
        action = Action(marker, what, self.now())
        return await self.crm.act(self.access, action, DEADLINE)

    @property
    def _marker(self) -> Marker:
        return Marker(WORKSPACE, CONVERSATION)

    def _rendered(self, text: str) -> Note:
        said = Message(0, self.now(), "user", "Lull Doctor", text, (), False, None)
        talk = Conversation(
            WORKSPACE, CONVERSATION, "conversation", (said,), 0, None, False, (), self.now()
        )
        return render(
            talk,
            marker=self._marker,
            link=LINK,
            time_zone="UTC",
            copied_at=self.now(),
            html=self.crm.html,
            max_chars=self.crm.note_max_chars,
            max_bytes=self.crm.note_max_bytes,
        )

    async def _until(self, look: Callable[[], Awaitable[bool]]) -> float:
        """Seconds until it held. Raises Failed."""
        began = time.monotonic()
        while not await look():
            if time.monotonic() - began > self.within.total_seconds():
                raise Failed(f"not within {self.within.total_seconds():.0f} s")
            await asyncio.sleep(LOOK_EVERY_S)
        return time.monotonic() - began


async def _step(name: str, work: Callable[[], Awaitable[str]]) -> Step:
    try:
        return Step(name, await work(), went_well=True)
    except Failed as failed:
        return Step(name, str(failed), went_well=False)
    except (RetryLater, GiveUp, ReconnectNeeded) as error:
        return Step(name, error.reason, went_well=False)
    except (Gone, TokenRejected) as error:
        return Step(name, type(error).__name__, went_well=False)

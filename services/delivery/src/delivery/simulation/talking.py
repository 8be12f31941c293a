"""What is said in the conversations, what debounce makes of it, and what people ask for there."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from common.events import ConversationSettled, CrmPerson, Trigger
from common.updates import Update

from delivery.domain.conversation import Message
from delivery.simulation.judge import QUIET
from delivery.simulation.peers import ADMIN, WORKSPACE, Talk
from delivery.simulation.time import EPOCH, until

if TYPE_CHECKING:
    from delivery.simulation.world import World

ACTIVE_S = 5_400.0


class Talking:
    def __init__(self, world: "World") -> None:
        self.due: list[float] = [60.0]  # when something is likely to be written
        self._world = world
        self._scene = world.scene
        self._dice = world.dice
        self._loop = asyncio.get_running_loop()
        self._numbers = 0

    async def hold(self, talk: Talk) -> None:
        dice = self._dice
        jobs = []
        for _ in range(dice.randint(1, 4)):
            at = dice.random() * ACTIVE_S
            for _ in range(dice.choice([1, 1, 2, 3])):
                jobs.append(self._loop.create_task(self._say(talk, at)))
                self.due.append(at + QUIET.total_seconds())
                at += dice.choice([0.2, 30.0, 200.0, 850.0])
            if dice.random() < 0.3:
                jobs.append(self._loop.create_task(self._ask_later(talk, at)))
        await asyncio.gather(*jobs)

    def remove(self, talk: Talk, place: int) -> None:
        """Somebody removes a message in Intercom, which tells of it at once."""
        self._redact(talk, place)
        self._ask(talk, Trigger.REMOVED, None)

    # --- what is said

    async def _say(self, talk: Talk, at: float) -> None:
        dice = self._dice
        await until(at)
        self._numbers += 1
        number = self._numbers
        said_at = EPOCH + timedelta(seconds=int(self._loop.time()))
        counted = dice.random() < 0.9
        update = Update(said_at, number) if counted else None
        kind, text = ("user" if counted else "bot"), f"said-{number}-"
        shown_at = self._loop.time() + dice.choice([0.0, 0.0, 2.0, 20.0])
        talk.messages.append(Message(number, said_at, kind, "Ada", text, (), False, update))
        talk.shown_at.append(shown_at)
        if update is not None:
            await self._settle(talk, update)

    async def _settle(self, talk: Talk, update: Update) -> None:
        """As debounce does, and as it errs."""
        dice = self._dice
        if dice.random() < 0.15:
            self._publish(talk, Trigger.QUIET, update)
        quiet_for = QUIET.total_seconds()
        await asyncio.sleep(quiet_for + dice.random() * 2)
        if update == self._newest(talk):
            self._publish(talk, Trigger.QUIET, update)
        elif dice.random() < 0.3:
            self._publish(talk, Trigger.QUIET, update)  # older, or opened once more
        if dice.random() < 0.2:
            await asyncio.sleep(dice.random() * 600)
            trigger = dice.choice([Trigger.QUIET, Trigger.QUIET, Trigger.BACKFILL])
            self._publish(talk, trigger, update)

    def _newest(self, talk: Talk) -> Update | None:
        return max((m.update for m in talk.messages if m.update), default=None)

    def _publish(self, talk: Talk, trigger: Trigger, update: Update) -> None:
        event = ConversationSettled(
            workspace_id=WORKSPACE,
            conversation_id=talk.id,
            trigger=trigger,
            updated_at=update.updated_at,
            part_id=update.part_id,
        )
        self._world.put(event)

    # --- what people ask for

    async def _ask_later(self, talk: Talk, at: float) -> None:
        """Somebody acts in the app, asks for a sync, or removes a message."""
        dice = self._dice
        await until(at + dice.random() * 60)
        trigger = dice.choice([Trigger.ACTION, Trigger.ACTION, Trigger.MANUAL, Trigger.REMOVED])
        person = None
        if trigger is Trigger.ACTION and dice.random() < 0.5:
            person = self._acted_on(talk)
        if trigger is Trigger.REMOVED and talk.messages:
            self._redact(talk, dice.randrange(len(talk.messages)))
        self._ask(talk, trigger, person)

    def _acted_on(self, talk: Talk) -> CrmPerson:
        dice, account = self._dice, self._scene.accounts[self._scene.truth.account]
        alive = [p for p in account.persons.values() if p.alive and p.email == talk.email]
        if not alive or dice.random() < 0.2:  # the action made it: search shows it later
            alive = [account.add_person(talk.email, self._loop.time() + 60)]
        return CrmPerson(kind="person", id=dice.choice(alive).id)

    def _redact(self, talk: Talk, place: int) -> None:
        said = talk.messages[place]
        talk.messages[place] = replace(said, text="", redacted=True)
        if said.text:
            talk.removed.append((self._loop.time(), said.text))

    def _ask(self, talk: Talk, trigger: Trigger, person: CrmPerson | None) -> None:
        self._numbers += 1
        event = ConversationSettled(
            workspace_id=WORKSPACE,
            conversation_id=talk.id,
            trigger=trigger,
            app=self._dice.choice(self._scene.apps),
            action_id=f"act{self._numbers}",
            actor_id=ADMIN,
            person=person,
        )
        for _ in range(self._dice.choice([1, 1, 2])):
            self._world.put(event)

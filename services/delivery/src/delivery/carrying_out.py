"""One attempt at an action: the record in the CRM, then its end and the sync it asks for.

Its lease outlives its last request. What ends without an answer is noted as such, and looked for
by the attempt of the next press.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final

from common import log
from common.eligibility import Installation
from common.events import ConversationSettled, CrmPerson, Trigger

from delivery.action_ports import ActionStore, Begun, CrmActions
from delivery.domain.acted import ActionKey, Record, Standing, Stands, Wanted
from delivery.domain.action import Action, Made, What
from delivery.domain.note import ActionMarker
from delivery.domain.row import Key
from delivery.ports import (
    CrmAccess,
    GiveUp,
    Gone,
    LeaseLost,
    LedgerAway,
    Paused,
    ReconnectNeeded,
    RetryLater,
    SettingsAway,
    UnknownEnd,
)
from delivery.reaching import reach
from delivery.working import Needs

_log = log.get(__name__)

# An action is not kept waiting for the sake of its record's owner.
OWNER_WITHIN_S: Final = 2.0
FINISH_PAUSE_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class Pressed:
    key: ActionKey
    wanted: Wanted
    actor_id: str
    what: What | None = field(repr=False)  # None: a sync


@dataclass(frozen=True, slots=True)
class Acting:
    """What the actions of one CRM need."""

    needs: Needs
    crm: CrmActions
    work_arrived: Callable[[], None]

    @property
    def visible_after(self) -> timedelta:
        chosen = self.needs.limits.visible_after
        return self.needs.crm.visible_after if chosen is None else chosen


@dataclass(slots=True)
class CarryingOut:
    store: ActionStore
    acting: Acting
    begun: Begun
    pressed: Pressed
    installation: Installation
    _sent_at: float | None = field(default=None)  # monotonic: the call to the CRM began

    async def run(self) -> Standing:
        """Raises LedgerAway where its end could not be noted; a later press finds it."""
        wanted, what = self.pressed.wanted, self.pressed.what
        if what is None:
            record = Record(None, wanted.person_id)
            return await self._done(record, self.installation.crm_account)
        try:
            async with asyncio.timeout(self._left_s()):
                made, crm_account = await self._made(what)
        except UnknownEnd as error:
            return await self._put_off(error.reason, in_the_dark=True)
        except TimeoutError:
            return await self._put_off("timeout", in_the_dark=self._sent_at is not None)
        except (RetryLater, ReconnectNeeded) as error:
            return await self._put_off(error.reason)
        except LedgerAway:  # no permit could be had, and nothing was sent
            return await self._put_off("ledger_away")
        except GiveUp as error:
            return await self._failed(error.reason)
        except Gone:
            return await self._failed("gone" if wanted.person_id is None else "person_gone")
        except Exception as error:  # noqa: BLE001 - an adapter's surprise; what it did is not known
            _log.error("action.surprised", crm=self.acting.needs.crm.name, exc_info=error)
            return await self._put_off("internal_error", in_the_dark=True)
        record = Record(made.id, made.person_id, made.was_there)
        return await self._done(record, crm_account)

    async def _made(self, what: What) -> tuple[Made, str]:
        """The record, and the account of the CRM that it is in."""
        key, needs = self.pressed.key, self.acting.needs
        marker = ActionMarker(key.workspace_id, key.conversation_id, action_id=key.action_id)
        begun = self.begun
        action = Action(marker, what, begun.asked_at, again=begun.again, begun_at=begun.begun_at)
        deadline = needs.limits.call_deadline

        async def act(access: CrmAccess) -> tuple[Made, str]:
            owned = replace(action, owner_id=await self._owner(access))
            if self._left_s() < deadline.total_seconds():
                raise RetryLater("lease_too_short")
            self._sent_at = needs.limits.monotonic()
            return await self.acting.crm.act(access, owned, deadline), access.account_id

        try:
            done = await reach(needs.settings, key.workspace_id, self.pressed.wanted.app, act)
        except RetryLater as error:
            if not isinstance(error, SettingsAway | Paused):
                needs.heard(needs.crm.name, error.reason)
            raise
        needs.heard(needs.crm.name, None)
        return done

    async def _owner(self, access: CrmAccess) -> str | None:
        """The CRM's user with the actor's address; None: it is the connection's own."""
        needs, workspace_id = self.acting.needs, self.pressed.key.workspace_id
        try:
            async with asyncio.timeout(OWNER_WITHIN_S):
                intercom = await needs.settings.intercom_access(workspace_id)
                return await needs.owners.of(
                    needs.crm, access, needs.intercom, intercom, self.pressed.actor_id
                )
        except (TimeoutError, RetryLater, ReconnectNeeded, Gone):
            return None

    async def _done(self, record: Record, crm_account: str) -> Standing:
        key, crm = self.pressed.key, self.acting.needs.crm.name
        row = Key(key.workspace_id, key.conversation_id, crm, crm_account)
        event = settled(self.pressed, record, self.acting.crm)
        try:
            await self._noted(lambda: self.store.done(self.begun, record, row, event))
        except LeaseLost:  # a later press is at it, and finds what was made here
            return Standing(Stands.WORKING)
        self.acting.work_arrived()
        return Standing(Stands.DONE, record=record)

    async def _failed(self, reason: str) -> Standing:
        await self._noted(lambda: self.store.failed(self.begun, reason))
        return Standing(Stands.FAILED, reason)

    async def _put_off(self, reason: str, *, in_the_dark: bool = False) -> Standing:
        """Over for now: nothing was done, or nobody knows (`in_the_dark`)."""
        dark_for: timedelta | None = None
        if in_the_dark and self._sent_at is not None:
            limits = self.acting.needs.limits
            spent = timedelta(seconds=limits.monotonic() - self._sent_at)
            dark_for = max(limits.call_deadline - spent, timedelta(0))
        await self._noted(lambda: self.store.put_off(self.begun, reason, dark_for))
        if dark_for is None:
            stands = Stands.UNKNOWN if self.begun.again else Stands.AWAY
            return Standing(stands, reason)
        return Standing(Stands.UNKNOWN, reason, dark_for + self.acting.visible_after)

    async def _noted(self, note: Callable[[], Awaitable[None]]) -> None:
        """For as long as the attempt is this process's: a fail-over is often over by then.

        Raises:
            LedgerAway: it could not be noted.

        """
        while True:
            try:
                return await note()
            except LedgerAway:
                if self._left_s() <= FINISH_PAUSE_S:
                    raise
                await asyncio.sleep(FINISH_PAUSE_S)

    def _left_s(self) -> float:
        return self.begun.good_until - self.acting.needs.limits.monotonic()


def settled(pressed: Pressed, record: Record, crm: CrmActions) -> ConversationSettled:
    """What the action asks for: its conversation, with the person it made or touched."""
    key, wanted = pressed.key, pressed.wanted
    person_id = record.person_id or record.id
    person: CrmPerson | None = None
    if person_id is not None:
        person = CrmPerson(kind="lead" if crm.is_lead(person_id) else "person", id=person_id)
    return ConversationSettled(
        workspace_id=key.workspace_id,
        conversation_id=key.conversation_id,
        trigger=Trigger.MANUAL if pressed.what is None else Trigger.ACTION,
        app=wanted.app,
        action_id=key.action_id,
        actor_id=pressed.actor_id,
        person=person,
    )

"""An action of the inbox app: carried out in the CRM once, and its conversation synced at once.

Each press runs in a task of its own, which goes on when whoever pressed stops waiting; a second
press of the same button joins it. What was typed is in that task's memory and nowhere else (R11).
"""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from common import log
from common.catalog import APPS, ActionKind
from common.eligibility import Installation
from common.health import Loop
from prometheus_client import Counter

from delivery.action_ports import ActionStore
from delivery.carrying_out import Acting, CarryingOut, Pressed
from delivery.domain.acted import SYNC, ActionKey, Standing, Stands, Wanted, standing
from delivery.ports import Gone, LedgerAway, ReconnectNeeded, RetryLater

_log = log.get(__name__)

AT_ONCE_MAX: Final = 1_000
SWEEP_EVERY_S: Final = 600.0
_NO_TIME: Final = timedelta(0)

_actions = Counter(
    "lull_delivery_actions_total", "Presses by how they ended", ["app", "kind", "end"]
)


@dataclass(frozen=True, slots=True)
class Answer:
    standing: Standing
    wanted: Wanted
    url: str | None = None


@dataclass(frozen=True, slots=True)
class _Running:
    wanted: Wanted
    task: "asyncio.Task[Answer]"


@dataclass(slots=True)
class Actions:
    """By the name of the CRM: those that this process serves."""

    crms: Mapping[str, Acting]
    store: ActionStore
    _running: dict[tuple[ActionKey, str], _Running] = field(default_factory=dict)

    async def press(self, pressed: Pressed, wait: timedelta) -> Answer:
        """Carry it out, or join whoever does; how it stands by then."""
        wanted, place = pressed.wanted, (pressed.key, pressed.actor_id)
        running = self._running.get(place)
        if running is None:
            if len(self._running) >= AT_ONCE_MAX:
                return Answer(Standing(Stands.AWAY, "too_many"), wanted)
            running = _Running(wanted, asyncio.create_task(self._carried_out(pressed)))
            self._running[place] = running
            running.task.add_done_callback(lambda _: self._running.pop(place, None))
        elif running.wanted != wanted:
            return Answer(Standing(Stands.CONFLICT), wanted)
        await asyncio.wait([running.task], timeout=wait.total_seconds())
        if not running.task.done():
            return Answer(Standing(Stands.WORKING), wanted)
        if running.task.cancelled():  # this process ends
            return Answer(Standing(Stands.UNKNOWN, "cut_off"), wanted)
        return running.task.result()

    async def look(self, key: ActionKey) -> Answer | None:
        """How it stands; None where nothing is known of it. Raises LedgerAway."""
        for (running_key, _), running in self._running.items():
            if running_key == key:
                return Answer(Standing(Stands.WORKING), running.wanted)
        found = await self.store.read(key)
        if found is None:
            return None
        acted, now = found
        acting = self.crms.get(APPS[acted.wanted.app].crm)
        if acting is None:
            return None
        stands = standing(acted, now, self._visible_after(acting, acted.wanted))
        return await self._shown(acting, key.workspace_id, acted.wanted, stands)

    async def sweep(self, stop: asyncio.Event, loop: Loop, kept_for: timedelta) -> None:
        """Forget what nobody will press again, now and then."""
        while not stop.is_set():
            loop.beat()
            with contextlib.suppress(LedgerAway):  # the next time round finds it again
                forgotten = await self.store.forget(kept_for)
                if forgotten:
                    _log.info("actions.forgotten", actions=forgotten)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), SWEEP_EVERY_S)

    async def drain(self, stop: asyncio.Event, within: timedelta) -> None:
        """When asked to end, let what is under way finish; the rest is found when pressed again."""
        await stop.wait()
        tasks = [running.task for running in self._running.values()]
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=within.total_seconds())
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        if late:
            _log.warning("action.cut_off", actions=len(late))

    async def _carried_out(self, pressed: Pressed) -> Answer:
        wanted = pressed.wanted
        try:
            answer = await self._answer(pressed)
        except LedgerAway:
            answer = Answer(Standing(Stands.AWAY, "ledger_away"), wanted)
        except RetryLater as error:
            answer = Answer(Standing(Stands.AWAY, error.reason), wanted)
        except Exception as error:  # noqa: BLE001 - whoever pressed is told something
            _log.error("action.surprised", **_ids(pressed), exc_info=error)
            answer = Answer(Standing(Stands.UNKNOWN, "internal_error"), wanted)
        stands = answer.standing
        end = "was_there" if stands.record and stands.record.was_there else stands.stands.value
        _actions.labels(wanted.app, wanted.kind, end).inc()
        _log.info("action.pressed", **_ids(pressed), end=end, reason=stands.reason)
        return answer

    async def _answer(self, pressed: Pressed) -> Answer:
        """Raises LedgerAway or RetryLater where nothing was begun."""
        wanted, workspace_id = pressed.wanted, pressed.key.workspace_id
        acting = self.crms[APPS[wanted.app].crm]
        settings = acting.needs.settings
        installation = await settings.installation(workspace_id, wanted.app, fresh=True)
        refused = _refused(wanted, pressed.actor_id, installation)
        if refused is not None or installation is None:
            return Answer(Standing(Stands.REFUSED, refused), wanted)
        sync = wanted.kind == SYNC  # asks nothing of the CRM, and so leaves nothing in the dark
        begun = await self.store.begin(
            pressed.key,
            wanted,
            actor_id=pressed.actor_id,
            crm_account=installation.crm_account,
            lease=_NO_TIME if sync else 2 * acting.needs.limits.call_deadline,
            visible_after=self._visible_after(acting, wanted),
        )
        if isinstance(begun, Standing):
            return await self._shown(acting, workspace_id, wanted, begun)
        try:
            stands = await CarryingOut(self.store, acting, begun, pressed, installation).run()
        except LedgerAway:  # whatever came of it could not be noted
            stands = Standing(Stands.UNKNOWN, "ledger_away")
        return await self._shown(acting, workspace_id, wanted, stands)

    def _visible_after(self, acting: Acting, wanted: Wanted) -> timedelta:
        return _NO_TIME if wanted.kind == SYNC else acting.visible_after

    async def _shown(
        self, acting: Acting, workspace_id: str, wanted: Wanted, stands: Standing
    ) -> Answer:
        record = stands.record
        if record is None or record.id is None:
            return Answer(stands, wanted)
        try:
            access = await acting.needs.settings.crm_access(workspace_id, wanted.app)
        except (RetryLater, ReconnectNeeded, Gone):  # it is done, whether it can be shown or not
            return Answer(stands, wanted)
        kind = ActionKind(wanted.kind)
        return Answer(
            stands, wanted, acting.crm.made_url(access, kind, record.id, record.person_id)
        )


def _refused(wanted: Wanted, actor_id: str, installation: Installation | None) -> str | None:
    """Why this teammate cannot do this here; None: they can."""
    if installation is None:
        return "uninstalled"
    actor = actor_of(installation, actor_id)
    if actor != "active":
        return actor
    offered = wanted.kind == SYNC or wanted.kind in APPS[wanted.app].actions
    return None if offered else "not_offered"


def actor_of(installation: Installation, teammate_id: str) -> str:
    """`active`, `paused` or `not_listed`, of the app's users."""
    if teammate_id in installation.active_app_users:
        return "active"
    return "paused" if teammate_id in installation.paused_app_users else "not_listed"


def _ids(pressed: Pressed) -> dict[str, object]:
    return {
        "workspace": pressed.key.workspace_id,
        "conversation": pressed.key.conversation_id,
        "action": pressed.key.action_id,
        "app": pressed.wanted.app,
        "kind": pressed.wanted.kind,
    }

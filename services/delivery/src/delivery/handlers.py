"""What a settled event and a change of settings mean for delivery."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from common import log
from common.catalog import App, apps_of
from common.events import ConversationSettled, SettingsChanged, Trigger
from prometheus_client import Counter

from delivery.domain.row import Key
from delivery.ports import Ledger, SettingsPort

_log = log.get(__name__)

_accepted = Counter("lull_delivery_events_accepted_total", "Settled events accepted", ["crm"])
_repeated = Counter("lull_delivery_events_repeated_total", "Settled events known before", ["crm"])
_not_installed = Counter(
    "lull_delivery_events_not_installed_total", "Settled events for apps not installed", ["app"]
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One CRM's side of what arrives."""

    crm: str
    ledger: Ledger
    settings: SettingsPort
    forget: Callable[[str], None]  # drops what is held of a workspace's settings
    work_arrived: Callable[[], None]

    async def enqueue_all(self, events: Sequence[ConversationSettled]) -> None:
        """Put them into the ledger together. Raises as `enqueue`; each may be put in again."""
        ends = await asyncio.gather(*map(self.enqueue, events), return_exceptions=True)
        for end in ends:
            if isinstance(end, BaseException):
                raise end

    async def enqueue(self, event: ConversationSettled) -> None:
        """Put the event into the ledger, once per CRM account that it concerns.

        Raises:
            SettingsAway: which apps are installed is not known, and not guessed.
            LedgerAway: not taken in.

        """
        asked: dict[str, list[str]] = {}
        for app in self._meant(event):
            look, space = self.settings.installation, event.workspace_id
            installation = await look(space, app.key)
            if installation is None and event.trigger is not Trigger.QUIET:
                # It may be a minute old. What is quiet by now was said before such a minute, and
                # so before an installation of which that look did not know yet (R7).
                installation = await look(space, app.key, fresh=True)
            if installation is None:
                _not_installed.labels(app.key).inc()
            else:
                asked.setdefault(installation.crm_account, []).append(app.key)
        for crm_account, apps in asked.items():
            key = Key(event.workspace_id, event.conversation_id, self.crm, crm_account)
            folded = await self.ledger.fold(key, event, tuple(apps))
            _accepted.labels(self.crm).inc(folded.accepted)
            _repeated.labels(self.crm).inc(folded.repeated)
            _log.info(
                "delivery.asked",
                workspace=event.workspace_id,
                conversation=event.conversation_id,
                crm=self.crm,
                trigger=event.trigger,
                accepted=folded.accepted,
            )
            if folded.accepted:
                self.work_arrived()

    def _meant(self, event: ConversationSettled) -> list[App]:
        return [app for app in apps_of(self.crm) if event.app in (None, app.key)]

    def changed(self, events: Sequence[SettingsChanged]) -> None:
        """Drop what is held of their workspaces."""
        for workspace_id in {event.workspace_id for event in events}:
            self.forget(workspace_id)

    async def wake(self, events: Sequence[SettingsChanged]) -> None:
        """Let rows that wait for a reconnect try again. Raises LedgerAway."""
        ours = {app.key for app in apps_of(self.crm)}
        workspaces = sorted({event.workspace_id for event in events if event.app in ours})
        if workspaces and await self.ledger.wake(workspaces, self.crm):
            self.work_arrived()

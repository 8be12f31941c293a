"""Trying again what was not written: delivery is asked, and judges each conversation afresh."""

from dataclasses import dataclass

from common import log
from common.clock import Clock
from common.peers import PeerUnavailable

from settings.domain.history import Filter
from settings.ports.history import Asked, Deliveries
from settings.ports.installations import Change, InstallationStore

_log = log.get(__name__)

_MOST_CALLS = 20  # some ten thousand conversations; a browser waits for no more


@dataclass(frozen=True, slots=True)
class Retrying:
    deliveries: Deliveries
    installations: InstallationStore
    clock: Clock

    async def count(self, workspace_id: str, wanted: Filter) -> int | None:
        """How many of what the filter finds can be tried again; None: it cannot be told now."""
        if not wanted.to_try_again:
            return 0
        try:
            return (await self.deliveries.unwritten(workspace_id, wanted)).count
        except PeerUnavailable:
            return None

    async def try_again(self, workspace_id: str, wanted: Filter, by: str) -> Asked:
        """Ask for all that is counted now: what fails again meanwhile is not asked once more.

        Raises PeerUnavailable where nothing was asked; `after` tells that there is more.
        """
        if not wanted.to_try_again:
            return Asked(0, 0)
        counted = await self.deliveries.unwritten(workspace_id, wanted)
        if counted.count == 0:
            return Asked(0, 0)
        await self.installations.note_asked(
            workspace_id,
            wanted.app,
            "tried_again",
            Change(by, self.clock.now()),
            count=counted.count,
            conversation=wanted.conversation_id,
            outcomes=sorted(wanted.outcomes),
            since=None if wanted.since is None else wanted.since.isoformat(),
            until=counted.until.isoformat(),
        )
        done = await self.deliveries.ask_again(workspace_id, wanted, counted.until, None)
        for _ in range(_MOST_CALLS - 1):
            if done.after is None:
                break
            try:
                more = await self.deliveries.ask_again(
                    workspace_id, wanted, counted.until, done.after
                )
            except PeerUnavailable:
                break  # what was asked so far is told, and that there is more
            asked, already_open = done.asked + more.asked, done.already_open + more.already_open
            done = Asked(asked, already_open, more.after)
        _log.info("history.tried_again", workspace=workspace_id, asked=done.asked)
        return done

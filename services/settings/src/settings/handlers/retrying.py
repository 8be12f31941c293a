"""Trying again what was not written: delivery is asked, and judges each conversation afresh."""

from dataclasses import dataclass

from common import log
from common.clock import Clock
from common.outcomes import Outcome
from common.peers import PeerUnavailable

from settings.domain.history import AGAIN, Again, Filter
from settings.ports.history import Asked, Deliveries, HistoryStore
from settings.ports.installations import Change, InstallationStore

_log = log.get(__name__)

_MOST_CALLS = 20  # some ten thousand conversations; a browser waits for no more
_MOST_CONVERSATIONS = 1_000  # that delivery takes by name in one call
_SUPERSEDED = frozenset({Outcome.SUPERSEDED})


@dataclass(frozen=True, slots=True)
class Retrying:
    history: HistoryStore
    deliveries: Deliveries
    installations: InstallationStore
    clock: Clock

    async def count(self, workspace_id: str, wanted: Filter) -> int | None:
        """How many of what the filter finds can be tried again; None: it cannot be told now."""
        parts = await self._parts(workspace_id, wanted)
        try:
            return sum([(await self.deliveries.unwritten(workspace_id, p)).count for p in parts])
        except PeerUnavailable:
            return None

    async def try_again(self, workspace_id: str, wanted: Filter, by: str) -> Asked:
        """Ask for all that is counted now: what fails again meanwhile is not asked once more.

        Raises PeerUnavailable where nothing was asked; `after` tells that there is more.
        """
        parts = await self._parts(workspace_id, wanted)
        counted = [await self.deliveries.unwritten(workspace_id, part) for part in parts]
        count = sum(one.count for one in counted)
        if count == 0:
            return Asked(0, 0)
        await self.installations.note_asked(
            workspace_id,
            wanted.app,
            "tried_again",
            Change(by, self.clock.now()),
            count=count,
            conversation=wanted.conversation_id,
            outcomes=sorted(wanted.outcomes),
            since=None if wanted.since is None else wanted.since.isoformat(),
            until=counted[0].until.isoformat(),
        )
        done, calls = Asked(0, 0), 0
        for part, at in zip(parts, counted, strict=True):
            after = None
            while True:
                try:
                    more = await self.deliveries.ask_again(workspace_id, part, at.until, after)
                except PeerUnavailable:
                    if calls == 0:
                        raise
                    return Asked(done.asked, done.already_open, after=True)
                calls, after = calls + 1, more.after
                done = Asked(done.asked + more.asked, done.already_open + more.already_open)
                if after is None:
                    break
                if calls == _MOST_CALLS:
                    return Asked(done.asked, done.already_open, after)
        _log.info("history.tried_again", workspace=workspace_id, asked=done.asked)
        return done

    async def _parts(self, workspace_id: str, wanted: Filter) -> list[Again]:
        """What the filter finds, as delivery knows it; empty: nothing that is tried again."""
        if not wanted.to_try_again:
            return []
        if not wanted.means_superseded:
            named = () if wanted.conversation_id is None else (wanted.conversation_id,)
            outcomes = wanted.to_try_again - _SUPERSEDED
            return [Again(outcomes, wanted.app, wanted.since, wanted.until, named)]
        found = await self.history.conversations(workspace_id, wanted)
        return [
            Again(AGAIN - _SUPERSEDED, app, conversation_ids=tuple(ids[at:][:_MOST_CONVERSATIONS]))
            for app, ids in found.items()
            for at in range(0, len(ids), _MOST_CONVERSATIONS)
        ]

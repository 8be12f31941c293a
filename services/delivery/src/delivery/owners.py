"""Whose note it is: the CRM's user with the assignee's address, looked up and held in memory.

The address comes from Intercom and is never kept, only which teammate is which user (R11). Who
cannot be told is nobody: the CRM then takes the connection's own user.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from common import log

from delivery.ports import (
    Crm,
    CrmAccess,
    GiveUp,
    Gone,
    IntercomAccess,
    IntercomPort,
    ReconnectNeeded,
    RetryLater,
    TokenRejected,
)

HELD_FOR_S: Final = 600.0
HELD_MAX: Final = 10_000
# A note is not kept waiting for the sake of its owner.
DEADLINE: Final = timedelta(seconds=5)

_log = log.get(__name__)
_Place = tuple[str, str, str, str]  # CRM, its account, workspace, teammate


@dataclass(slots=True)
class Owners:
    monotonic: Callable[[], float] = time.monotonic
    _held: dict[_Place, tuple[str | None, float]] = field(default_factory=dict)

    async def of(
        self,
        crm: Crm,
        access: CrmAccess,
        intercom: IntercomPort,
        workspace: IntercomAccess,
        teammate_id: str | None,
    ) -> str | None:
        """The user's id; None where there is none, or none could be found just now.

        Raises TokenRejected where the CRM refuses the token.
        """
        if teammate_id is None:
            return None
        place = (crm.name, access.account_id, workspace.workspace_id, teammate_id)
        held = self._held.get(place)
        if held is not None and held[1] > self.monotonic():
            return held[0]
        try:
            email = await intercom.teammate_email(workspace, teammate_id, DEADLINE)
        except (RetryLater, GiveUp, TokenRejected) as error:
            _untold(place, error)
            return None
        except Gone:  # no longer a teammate
            email = None
        try:
            owner_id = await crm.user_with_email(access, email, DEADLINE) if email else None
        except (RetryLater, GiveUp, ReconnectNeeded, Gone) as error:
            _untold(place, error)
            return None
        while len(self._held) >= HELD_MAX:
            del self._held[next(iter(self._held))]
        self._held[place] = (owner_id, self.monotonic() + HELD_FOR_S)
        return owner_id


def _untold(place: _Place, error: Exception) -> None:
    """The note is written all the same; the next one asks again."""
    crm, _, workspace, teammate = place
    why = getattr(error, "reason", type(error).__name__)
    _log.warning("owner.unknown", crm=crm, workspace=workspace, teammate=teammate, why=why)

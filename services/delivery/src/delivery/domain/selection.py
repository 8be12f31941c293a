"""Which answers of the ledger are meant: what people look at in a list, or have replayed."""

import base64
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

from common.outcomes import Outcome

# Whatever was not written may be looked at again; nothing is asked anew that stands in the CRM as
# it should, or that a later request answered.
REPLAYABLE: Final = frozenset(Outcome) - {
    Outcome.DELIVERED,
    Outcome.UP_TO_DATE,
    Outcome.SUPERSEDED,
}
# What a replay takes where no outcome is named: all that left something unwritten.
UNWRITTEN: Final = REPLAYABLE - {Outcome.UPDATED, Outcome.ALREADY_THERE}


@dataclass(frozen=True, slots=True)
class Selection:
    """All of it that is given must hold."""

    workspace_id: str | None = None
    conversation_ids: tuple[str, ...] = ()  # named together with their workspace
    apps: tuple[str, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    reason: str | None = None
    since: datetime | None = None  # inclusive: decided then or later
    until: datetime | None = None  # exclusive


@dataclass(frozen=True, slots=True)
class Place:
    """Where a list goes on: behind this answer. Opaque for those who ask."""

    decided_at: datetime
    ledger_id: int
    app: str

    def cursor(self) -> str:
        place = [self.decided_at.isoformat(), self.ledger_id, self.app]
        return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")

    @classmethod
    def at(cls, cursor: str) -> Self:
        """Raises ValueError for anything but a cursor of ours."""
        padded = cursor + "=" * (-len(cursor) % 4)
        try:
            decided_at, ledger_id, app = json.loads(base64.urlsafe_b64decode(padded))
            place = cls(datetime.fromisoformat(decided_at), int(ledger_id), str(app))
        except (TypeError, AttributeError, RecursionError):
            raise ValueError("not a cursor") from None
        if place.decided_at.tzinfo is None or not 0 <= place.ledger_id < 2**63:
            raise ValueError("not a cursor")
        return place

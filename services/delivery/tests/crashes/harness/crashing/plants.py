"""Bugs to plant: the crashes are trusted only because they show each of them."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from delivery.adapters.postgres import PostgresLedger
from delivery.domain.answer import Result
from delivery.domain.row import Kind, Known
from delivery.ports import Claim
from delivery.probing import Probing
from delivery.sending import Sending


def _create_unannounced(patch: pytest.MonkeyPatch) -> None:
    """Nothing says that a create is under way."""

    async def save(self: Sending, known: Known) -> None:
        self.working.known = known

    patch.setattr(Sending, "save", save)


def _unprobed(patch: pytest.MonkeyPatch) -> None:
    """Whoever finds a create of unknown end creates."""

    async def probe(self: Probing, kind: Kind) -> None:
        working = self.sending.working
        working.known = working.known.with_unknown(kind, None)

    patch.setattr(Probing, "probe", probe)


def _answered_before_known(patch: pytest.MonkeyPatch) -> None:
    """The outcome and the note's id are committed one after the other."""
    at_once = PostgresLedger.finish

    async def finish(self: PostgresLedger, claim: Claim, result: Result) -> None:
        row = await self.read(claim.row.key)
        assert row is not None
        await at_once(self, claim, replace(result, known=row.known))
        note, activity = result.known.note, result.known.activity
        async with self._connection() as connection:
            await connection.execute(
                "UPDATE ledger SET note_id = $2, activity_id = $3, person_id = $4, "
                "unknown_write = NULL, unknown_activity = NULL WHERE conversation_id = $1",
                claim.row.key.conversation_id,
                note.id if note else None,
                activity.id if activity else None,
                result.known.person_id,
            )

    patch.setattr(PostgresLedger, "finish", finish)


PLANTS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "a create is not announced": _create_unannounced,
    "an unknown end is not probed": _unprobed,
    "an outcome is committed before the id": _answered_before_known,
}

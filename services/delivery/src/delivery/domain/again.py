"""An answered request, asked once more: only here is `answered_through` lowered."""

from dataclasses import replace
from datetime import datetime, timedelta

from common.updates import Update

from delivery.domain.fold import asks_the_same, next_number
from delivery.domain.row import Request, Row

_HIGHEST_PART = 2**63 - 1


def asked_again(row: Row, request: Request, now: datetime) -> Row | None:
    """The row with this request open again; None where an open one asks the same anyway.

    Everything is judged afresh: the toggle, Intercom, the person. What the row waits for, it waits
    for still.
    """
    if any(asks_the_same(open_request, request) for open_request in row.requests):
        return None
    number = next_number(row)
    return replace(
        row,
        wanted=number,
        requests=(*row.requests, replace(request, number=number, asked_at=now)),
        answered_through=_lowered(row.answered_through, request.update),
    )


def _lowered(through: Update | None, update: Update | None) -> Update | None:
    """Just below the update that is open again, so that no row says of it that it was answered."""
    if through is None or update is None or through < update:
        return through
    if update.part_id > 0:
        return Update(update.updated_at, update.part_id - 1)
    return Update(update.updated_at - timedelta(seconds=1), _HIGHEST_PART)

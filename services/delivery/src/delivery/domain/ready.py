"""When a row may be claimed next."""

from datetime import datetime

from delivery.domain.row import Row


def ready_at(row: Row, now: datetime) -> datetime | None:
    """The first instant at which the row may be claimed; None: there is nothing to do."""
    due = [at for at in (_due_at(row, now), row.known.heal_at) if at is not None]
    return min(due, default=None)


def is_due(row: Row, now: datetime) -> bool:
    """Whether its requests may be attempted now: a row may also be claimed only to be healed."""
    due_at = _due_at(row, now)
    return due_at is not None and due_at <= now


def _due_at(row: Row, now: datetime) -> datetime | None:
    """When its requests may be attempted.

    An action or a manual request need not wait for quiet, but nothing shortens a backoff,
    a Retry-After or a wait for reconnecting.
    """
    if not row.requests:
        return None
    waits = [now, row.not_before_retry]
    if all(request.waits_for_quiet for request in row.requests):
        waits.append(row.not_before_quiet)
    return max(wait for wait in waits if wait is not None)

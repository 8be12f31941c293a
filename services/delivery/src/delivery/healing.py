"""Ten minutes after an unknown end: a create that took effect late after all is taken back.

Surplus notes and activities with exactly our marker and by our user are deleted.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from common import log
from common.catalog import apps_of

from delivery.domain.heal import healed, periods_to_look_at, persons_to_look_at
from delivery.domain.note import Marker
from delivery.domain.row import Kind, Known
from delivery.ports import CrmAccess, GiveUp, Gone, ReconnectNeeded, RetryLater, TokenRejected
from delivery.records import records
from delivery.working import Needs, Working

_log = log.get(__name__)

# Creates of one row lie within the days of its retries; surplus ones are looked for that far back.
_LOOK_BACK = timedelta(days=4)
# While the app is not installed, or its connection leads to another CRM account.
_NOT_CONNECTED_PAUSE = timedelta(hours=1)
_KINDS: tuple[Kind, ...] = ("note", "activity")


async def heal(needs: Needs, working: Working) -> None:
    """Look the row's persons over; what cannot be done now is done ten minutes later."""
    known = working.known
    try:
        app = await _app(needs, working)
        if app is None:
            # It may come back, and then nobody else would look.
            known = replace(known, heal_at=working.now() + _NOT_CONNECTED_PAUSE)
        else:
            access = await needs.settings.crm_access(working.row.key.workspace_id, app)
            persons = await _persons(needs, access, known)
            for kind in _KINDS if needs.crm.has_activity else _KINDS[:1]:
                for period in periods_to_look_at(known, kind):
                    known = await _heal(needs, working, access, known, kind, persons, period)
            known = replace(known, heal_periods=(), heal_persons=())
    except (RetryLater, TokenRejected, ReconnectNeeded, GiveUp, Gone) as error:
        _log.warning("delivery.healing_postponed", error=type(error).__name__)
        known = replace(working.known, heal_at=working.now() + needs.limits.heal_after)
    working.healed_at, working.known = working.known.heal_at, known


async def _app(needs: Needs, working: Working) -> str | None:
    key = working.row.key
    for app in apps_of(key.crm):
        installation = await needs.settings.installation(key.workspace_id, app.key)
        if installation is not None and installation.crm_account == key.crm_account:
            return app.key
    return None


async def _persons(needs: Needs, access: CrmAccess, known: Known) -> list[str]:
    """Where they are by now; the note and the activity say so too, if a merge left no trace."""
    deadline, persons = needs.limits.call_deadline, list[str]()
    for person_id in persons_to_look_at(known):
        state = await needs.crm.person(access, person_id, deadline)
        persons += [state.id] if state else []
    for kind in _KINDS:
        recorded = known.record(kind)
        if recorded is not None:
            stored = await records(kind, needs.crm, access, deadline).read(recorded.id)
            persons += [stored.person_id] if stored and stored.person_id else []
    return list(dict.fromkeys(persons))


async def _heal(
    needs: Needs,
    working: Working,
    access: CrmAccess,
    known: Known,
    kind: Kind,
    persons: Sequence[str],
    period: int | None,
) -> Known:
    key, ours = working.row.key, records(kind, needs.crm, access, needs.limits.call_deadline)
    marker = Marker(key.workspace_id, key.conversation_id, period)
    since = working.now() - _LOOK_BACK
    found = [
        record for person_id in persons for record in await ours.marked(person_id, marker, since)
    ]
    end = healed(known, kind, period, found, access.user_id)
    for record in end.surplus:
        await ours.delete(record.id)
        _log.info("delivery.healed", kind=kind, conversation=key.conversation_id)
    return end.known

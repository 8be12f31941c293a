"""Ten minutes after an unknown end: a create that took effect late after all is taken back.

Surplus notes and activities with exactly our marker and by our user are deleted; the recorded one
is kept, or where none is recorded the oldest is.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from common import log
from common.catalog import apps_of

from delivery.domain.block import carries
from delivery.domain.note import Marker, StoredNote
from delivery.domain.plan import is_by_us
from delivery.domain.row import Known, Written
from delivery.ports import CrmAccess, GiveUp, Gone, ReconnectNeeded, RetryLater, TokenRejected
from delivery.working import Needs, Working, as_activity_crm

_log = log.get(__name__)

# Creates of one row lie within the days of its retries; surplus ones are looked for that far back.
_LOOK_BACK = timedelta(days=4)
# While the app is not installed, or its connection leads to another CRM account.
_NOT_CONNECTED_PAUSE = timedelta(hours=1)


async def heal(needs: Needs, working: Working) -> None:
    """Look the row's person over; what cannot be done now is done ten minutes later."""
    known = working.known
    try:
        app = await _app(needs, working)
        if app is None:
            # It may come back, and then nobody else would look.
            known = replace(known, heal_at=working.now() + _NOT_CONNECTED_PAUSE)
        else:
            access = await needs.settings.crm_access(working.row.key.workspace_id, app)
            for person_id in await _persons(needs, access, known):
                for period in _periods(known):
                    known = await _heal_notes(needs, working, access, known, person_id, period)
                if needs.crm.has_activity:
                    known = await _heal_activities(needs, working, access, known, person_id)
        if app is not None:
            known = replace(known, heal_periods=())
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
    """The recorded person, and the note's own: a merge may have left no other trace."""
    persons: list[str] = []
    if known.person_id is not None:
        state = await needs.crm.person(access, known.person_id, needs.limits.call_deadline)
        persons += [state.id] if state else []
    if known.note is not None:
        note = await needs.crm.note(access, known.note.id, needs.limits.call_deadline)
        persons += [note.person_id] if note and note.person_id else []
    return list(dict.fromkeys(persons))


def _periods(known: Known) -> list[int | None]:
    """That of the recorded note (policy `update`: None), and those with an unknown end before."""
    now = known.note.period if known.note else None
    return list(dict.fromkeys((now, *known.heal_periods)))


async def _heal_notes(
    needs: Needs,
    working: Working,
    access: CrmAccess,
    known: Known,
    person_id: str,
    period: int | None,
) -> Known:
    key, deadline = working.row.key, needs.limits.call_deadline
    marker = Marker(key.workspace_id, key.conversation_id, period)
    since = working.now() - _LOOK_BACK
    found = await needs.crm.notes_marked(access, person_id, marker, since, deadline)
    recorded = known.note if known.note and known.note.period == period else None
    kept, surplus = _sorted(found, access, recorded.id if recorded else None)
    lost = known.lost is not None and period is None
    if recorded is not None and kept is None:
        stored = await needs.crm.note(access, recorded.id, deadline)
        lost = stored is None or not carries(stored.body, marker)
    if lost:
        # People deleted ours or made it theirs; a late second one must not take its place.
        kept, surplus = None, [note for note in found if is_by_us(note, access.user_id)]
    for note in surplus:
        await needs.crm.delete_note(access, note.id, deadline)
        _log.info("delivery.healed", kind="note", conversation=key.conversation_id)
    if known.note is None and kept is not None:
        return replace(known, note=Written(kept.id, period, None))
    return known


async def _heal_activities(
    needs: Needs, working: Working, access: CrmAccess, known: Known, person_id: str
) -> Known:
    key, deadline, crm = working.row.key, needs.limits.call_deadline, as_activity_crm(needs.crm)
    marker = Marker(key.workspace_id, key.conversation_id)
    since = working.now() - _LOOK_BACK
    found = await crm.activities_marked(access, person_id, marker, since, deadline)
    kept, surplus = _sorted(found, access, known.activity.id if known.activity else None)
    for activity in surplus:
        await crm.delete_activity(access, activity.id, deadline)
        _log.info("delivery.healed", kind="activity", conversation=key.conversation_id)
    if known.activity is None and kept is not None:
        return replace(known, activity=Written(kept.id, None, None))
    return known


def _sorted(
    found: Sequence[StoredNote], access: CrmAccess, recorded: str | None
) -> tuple[StoredNote | None, list[StoredNote]]:
    """The one to keep, and those to delete: nothing, unless the one to keep is among them."""
    ours = [note for note in found if is_by_us(note, access.user_id)]
    kept = next((note for note in ours if recorded is None or note.id == recorded), None)
    return kept, [note for note in ours if kept is not None and note is not kept]

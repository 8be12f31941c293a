"""Ten minutes after an unknown end: a create that took effect late after all is taken back.

Surplus notes and activities with exactly our marker and by our user are deleted; the recorded one
is kept, or where none is recorded the first one found is: the oldest, unless at several persons.
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
            for period in _periods(known):
                known = await _heal_notes(needs, working, access, known, persons, period)
            if needs.crm.has_activity:
                known = await _heal_activities(needs, working, access, known, persons)
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
    """Wherever we wrote or tried to: a late note need not be at the recorded person.

    The note and the activity say where they are now: a merge may have left no other trace.
    """
    deadline, persons = needs.limits.call_deadline, list[str]()
    unknown = [u.person_id for u in (known.unknown_note, known.unknown_activity) if u is not None]
    for person_id in dict.fromkeys((known.person_id, *unknown, *known.heal_persons)):
        state = await needs.crm.person(access, person_id, deadline) if person_id else None
        persons += [state.id] if state else []
    records = []
    if known.note is not None:
        records.append(await needs.crm.note(access, known.note.id, deadline))
    if known.activity is not None:
        crm = as_activity_crm(needs.crm)
        records.append(await crm.activity(access, known.activity.id, deadline))
    persons += [record.person_id for record in records if record and record.person_id]
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
    persons: Sequence[str],
    period: int | None,
) -> Known:
    key, deadline = working.row.key, needs.limits.call_deadline
    marker = Marker(key.workspace_id, key.conversation_id, period)
    since = working.now() - _LOOK_BACK
    found = [
        note
        for person_id in persons
        for note in await needs.crm.notes_marked(access, person_id, marker, since, deadline)
    ]
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
    needs: Needs, working: Working, access: CrmAccess, known: Known, persons: Sequence[str]
) -> Known:
    key, deadline, crm = working.row.key, needs.limits.call_deadline, as_activity_crm(needs.crm)
    marker = Marker(key.workspace_id, key.conversation_id)
    since = working.now() - _LOOK_BACK
    found = [
        activity
        for person_id in persons
        for activity in await crm.activities_marked(access, person_id, marker, since, deadline)
    ]
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

"""Ten minutes after an unknown end: a create that took effect late after all is taken back.

Surplus notes and activities with exactly our marker and by our user are deleted.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial

from common import log
from common.catalog import apps_of

from delivery.domain.heal import healed, periods_to_look_at, persons_to_look_at
from delivery.domain.note import Marker
from delivery.domain.row import Kind, Known
from delivery.persons import Persons
from delivery.ports import (
    CrmAccess,
    GiveUp,
    Gone,
    LedgerAway,
    ReconnectNeeded,
    RetryLater,
    TokenRejected,
)
from delivery.reaching import reach
from delivery.records import records
from delivery.rewriting import write_once_more
from delivery.whereabouts import KINDS, whereabouts
from delivery.working import Ended, Needs, Working

_log = log.get(__name__)

# Creates of one row lie within the days of its retries; surplus ones are looked for that far back.
_LOOK_BACK = timedelta(days=4)
# While the app is not installed, or its connection leads to another CRM account.
_NOT_CONNECTED_PAUSE = timedelta(hours=1)


async def heal(needs: Needs, working: Working) -> None:
    """Look the row's persons over; what cannot be done now is done ten minutes later."""
    known = working.known
    try:
        found = await _through_any(needs, working)
        if found is None:
            # It may come back, and then nobody else would look.
            known = replace(known, heal_at=working.now() + _NOT_CONNECTED_PAUSE)
        else:
            known = replace(found, heal_periods=(), heal_persons=(), heal_text=False)
    except (LedgerAway, RetryLater, TokenRejected, ReconnectNeeded, GiveUp, Gone) as error:
        _log.warning("delivery.healing_postponed", error=type(error).__name__)
        known = replace(working.known, heal_at=working.now() + needs.limits.heal_after)
    working.healed_at, working.known = working.known.heal_at, known


async def _through_any(needs: Needs, working: Working) -> Known | None:
    """By the first app whose connection works; None: none leads to this very account."""
    key, refused = working.row.key, None
    for app in apps_of(key.crm):
        installation = await needs.settings.installation(key.workspace_id, app.key)
        if installation is None or installation.crm_account != key.crm_account:
            continue
        try:
            found = await reach(
                needs.settings,
                key.workspace_id,
                app.key,
                partial(_look_over, needs, working, app.key),
            )
        except ReconnectNeeded as error:
            refused = refused or error
        else:
            if found is not None:
                return found
    if refused is not None:
        raise refused
    return None


async def _look_over(needs: Needs, working: Working, app: str, access: CrmAccess) -> Known | None:
    """What is known then; None: the connection leads to another account."""
    # What is held of the installation may be older: ids of one account mean other records, or
    # none, in another.
    if access.account_id != working.row.key.crm_account:
        return None
    known = working.known
    persons = await whereabouts(
        needs,
        access,
        known,
        persons_to_look_at(known),
        partial(_candidates, needs, working, access),
    )
    for kind in KINDS if needs.crm.has_activity else KINDS[:1]:
        for period in periods_to_look_at(known, kind):
            known = await _heal(needs, working, access, known, kind, persons, period)
    if known.heal_text:
        await write_once_more(needs, working, app)
    return known


async def _candidates(needs: Needs, working: Working, access: CrmAccess) -> Sequence[str]:
    key = working.row.key
    intercom = await needs.settings.intercom_access(key.workspace_id)
    try:
        conversation = await needs.intercom.conversation(
            intercom, key.conversation_id, needs.limits.call_deadline
        )
        return await Persons(needs, working, access, intercom, conversation).candidates()
    except (Ended, Gone):  # no contact, or none any more
        return []


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
    end = healed(known, kind, period, found, access.user_id, working.row.distrust)
    for record in end.surplus:
        await ours.delete(record.id)
        _log.info("delivery.healed", kind=kind, conversation=key.conversation_id)
    return end.known

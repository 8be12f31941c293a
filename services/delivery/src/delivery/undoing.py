"""An attempt that lost its row takes back what it created, or has what it rewrote written anew."""

from common import log

from delivery.domain.heal import is_ours_to_undo
from delivery.ports import (
    GiveUp,
    Gone,
    LedgerAway,
    ReconnectNeeded,
    RetryLater,
    TokenRejected,
)
from delivery.records import records
from delivery.rewriting import write_once_more
from delivery.working import Created, Needs, Working

_log = log.get(__name__)


async def undo(needs: Needs, working: Working) -> None:
    """Whatever cannot be undone now is left to healing, which the row is marked for."""
    if working.app is None or not (working.created or working.rewrote):
        return
    key, app = working.row.key, working.app
    # Such a note is the present owner's as well: deleted, it would be gone from under them.
    shared = [made for made in working.created if needs.crm.note_id_is_ours and made.kind == "note"]
    own = [made for made in working.created if made not in shared]
    try:
        if own:
            await needs.ledger.heal(key, working.now() + needs.limits.heal_after)
            for created in own:
                await _undo(needs, working, created, app)
        if working.rewrote or shared:
            # The present owner's text may have been older or newer than ours.
            await write_once_more(needs, working, app)
    except (LedgerAway, RetryLater, TokenRejected, ReconnectNeeded, GiveUp, Gone) as error:
        _log.warning("delivery.undo_left_to_healing", error=type(error).__name__)


async def _undo(needs: Needs, working: Working, created: Created, app: str) -> None:
    key = working.row.key
    current = await needs.ledger.read(key)
    if current is None or not is_ours_to_undo(
        current.known, created.kind, created.id, created.started_at
    ):
        return
    access = await needs.settings.crm_access(key.workspace_id, app)
    if access.account_id != key.crm_account:
        return  # its id means another record there; healing looks once the connection leads back
    ours = records(created.kind, needs.crm, access, needs.limits.call_deadline)
    await ours.delete(created.id)
    _log.info("delivery.undone", kind=created.kind, conversation=key.conversation_id)

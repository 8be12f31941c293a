"""A call to a CRM through one app's connection, with a newer token where the first is refused."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from delivery.ports import CrmAccess, ReconnectNeeded, SettingsPort, TokenRejected

Answer = TypeVar("Answer")


async def reach(
    settings: SettingsPort,
    workspace_id: str,
    app: str,
    call: Callable[[CrmAccess], Awaitable[Answer]],
) -> Answer:
    """What `call` answers, given a valid way into the CRM account.

    Raises ReconnectNeeded where no token is accepted, Gone where the app is not installed, and
    whatever `call` and settings raise.
    """
    access = await settings.crm_access(workspace_id, app)
    try:
        return await call(access)
    except TokenRejected:
        again = await settings.crm_access(workspace_id, app, rejected=access.access_token)
    try:
        return await call(again)
    except TokenRejected:
        raise ReconnectNeeded("crm_token_rejected") from None

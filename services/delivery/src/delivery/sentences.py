"""How an action stands, in a sentence for the teammate who pressed its button."""

import math
from collections.abc import Mapping
from typing import Final

from common.catalog import APPS

from delivery.domain.acted import Standing, Stands, Wanted

_REFUSED: Final[Mapping[str, str]] = {
    "uninstalled": "{app} is not installed for this workspace.",
    "paused": "The workspace's admin has paused you as a user of {app}.",
    "not_listed": "You are not a user of {app} here; the workspace's admin can add you.",
    "not_offered": "{app} has no such action.",
    "not_served": "This delivery does not serve {app}; check LULL_INGEST_DELIVERY_URL.",
}
_FAILED: Final[Mapping[str, str]] = {
    "person_gone": "That person no longer exists in {app}. Choose another one.",
}
# Whose fault it is, where it is not the CRM's.
_AWAY: Final[Mapping[str, str]] = {
    "ledger_away": "Lull's database cannot be reached now.",
    "reconnect_needed": "The connection to {app} must be renewed by the workspace's admin.",
    "crm_token_rejected": "The connection to {app} must be renewed by the workspace's admin.",
    "too_many": "Too many actions are under way.",
}
_ONCE: Final = "Press again: it is done once, however often you press."


def sentence_of(stands: Standing, wanted: Wanted | None) -> str:
    """Of anything but what is done or under way."""
    app = "The CRM" if wanted is None else APPS[wanted.app].name
    reason = stands.reason or ""
    match stands.stands:
        case Stands.REFUSED:
            return _REFUSED[reason].format(app=app)
        case Stands.CONFLICT:
            return "This button was used for another action. Open the form again."
        case Stands.FAILED:
            said = _FAILED.get(reason, "{app} refused it ({reason}). Change it and press again.")
            return said.format(app=app, reason=reason)
        case Stands.UNKNOWN:
            said = f"It is not known whether {app} did it."
            if stands.again_in is None:
                return f"{said} {_ONCE}"
            seconds = math.ceil(stands.again_in.total_seconds())
            return f"{said} Press again in {seconds} s: then it is looked for, and done once."
    return f"{_away(reason, app)} Nothing was done. {_ONCE}"


def _away(reason: str, app: str) -> str:
    if reason.startswith("settings"):
        return "Lull's settings cannot be reached now."
    return _AWAY.get(reason, "{app} cannot be reached now.").format(app=app)

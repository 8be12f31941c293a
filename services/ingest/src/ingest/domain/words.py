"""What the inbox card calls things: each CRM's own words, and instants in UTC."""

from datetime import UTC, datetime
from typing import Final

from common.catalog import APPS, ActionKind

_PERSON: Final = {"pipedrive": "person", "salesloft": "person"}
_DEAL: Final = {"keap": "opportunity", "dynamics365": "opportunity"}


def noun(app: str, kind: str) -> str:
    """As the CRM says it."""
    crm = APPS[app].crm
    if kind == ActionKind.PERSON:
        return _PERSON.get(crm, "contact")
    return _DEAL.get(crm, "deal") if kind == ActionKind.DEAL else kind


def button_label(app: str, kind: str) -> str:
    if kind == ActionKind.NOTE:
        return "Add note"
    return f"Create {noun(app, kind)}" if kind in set(ActionKind) else "Sync now"


def time(at: datetime, now: datetime) -> str:
    """The day only where it is not today's. UTC: the teammate's zone is not known here."""
    at = at.astimezone(UTC)
    return f"{at:%H:%M} UTC" if at.date() == now.date() else f"{at:%Y-%m-%d %H:%M} UTC"

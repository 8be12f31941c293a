"""What the inbox card calls things: each CRM's own words, and instants in UTC."""

from datetime import UTC, datetime

from common.catalog import APPS, ActionKind


def noun(app: str, kind: str) -> str:
    """As the CRM says it."""
    words = {"person": APPS[app].person_word, "deal": APPS[app].deal_word}
    return words.get(kind, kind)


def button_label(app: str, kind: str) -> str:
    if kind == ActionKind.NOTE:
        return "Add note"
    return f"Create {noun(app, kind)}" if kind in set(ActionKind) else "Sync now"


def time(at: datetime, now: datetime) -> str:
    """The day only where it is not today's. UTC: the teammate's zone is not known here."""
    at = at.astimezone(UTC)
    return f"{at:%H:%M} UTC" if at.date() == now.date() else f"{at:%Y-%m-%d %H:%M} UTC"

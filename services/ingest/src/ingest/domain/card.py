"""The card of the open conversation: who the contact is in each CRM, and what can be done.

It also says how the sync stands. Values in, a canvas out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from common.catalog import APPS

from ingest.domain.canvas_kit import Canvas, Component, button, canvas, divider, link, text
from ingest.domain.canvas_request import DO, OPEN, REFRESH, Button, Drawing
from ingest.domain.standing import SYNC, AppStanding, Person, Waiting
from ingest.domain.words import button_label, noun, time

_PERSON: Final = {
    "none": "No {person} matches.",
    "several": "Several {person}s match: make them one in {app}, then refresh.",
}
_UNKNOWN: Final = {
    "slow": "{app} is slow: still looking for the {person}. Refresh in a moment.",
    "no_address": "The contact has neither an e-mail address nor a phone number to look for.",
    "reconnect_needed": "{app} must be connected again by the workspace's admin.",
    "crm_token_rejected": "{app} must be connected again by the workspace's admin.",
}
_MAY_NOT: Final = {
    "paused": "The workspace's admin has paused you as a user of {app}, so you cannot act here.",
    "not_listed": "You are not a user of {app} here, so you cannot act; the workspace's admin can "
    "add you.",
}
_WAITS: Final = {
    "worker": "The transcript is on its way.",
    "attempt": "The transcript is being written.",
    "quiet": "The transcript waits until the conversation is quiet{until}.",
    "reply": "The transcript waits for the newest reply{until}.",
    "retry": "The transcript could not be written yet; the next try is due{until}.",
    "paused": "The transcript waits for its turn{until}: {app} takes no more for now.",
    "probe": "It is being looked up whether the transcript arrived{until}.",
    "settings": "The transcript waits for Lull's settings.",
    "reconnect": "The transcript waits until {app} is connected again.",
}
NOT_CONFIGURED: Final = "The inbox app is not configured."
NO_CONVERSATION: Final = "Open a conversation to see it here."
_AWAY: Final = "Lull cannot be reached now. Nothing was done; refresh to try again."


@dataclass(frozen=True, slots=True)
class Pending:
    """What debounce tells; `known` where it does tell."""

    due_at: datetime | None = None
    known: bool = True


def card(
    standings: Sequence[AppStanding],
    silent: Sequence[str],
    pending: Pending,
    drawing: Drawing,
    now: datetime,
) -> Canvas:
    """The whole card.

    Args:
        standings: of the installed apps.
        silent: apps that may be installed, whose delivery does not answer.
        pending: the update that waits for quiet.
        drawing: this drawing, with an id of its own.
        now: for how times are written.

    """
    if not standings and silent:
        return canvas([text(_AWAY, "error"), _refresh()], {})
    if not standings:
        return said("None of our apps is installed for this workspace.")
    components = [component for one in standings for component in _app(one, now)]
    components.append(text(_pending(pending, now), "muted"))
    if silent:
        names = ", ".join(APPS[app].name for app in silent)
        components.append(text(f"No answer for: {names}.", "muted"))
    components.append(_refresh())
    persons = {one.app: one.person.id for one in standings if one.person.id is not None}
    return canvas(components, Drawing(drawing.id, drawing.at, persons).stored())


def said(sentence: str) -> Canvas:
    """A card with nothing but a sentence and a way to look again."""
    return canvas([text(sentence), _refresh()], {})


def _app(one: AppStanding, now: datetime) -> list[Component]:
    name = APPS[one.app].name
    components = [text(name, "header"), text(_person(one.app, one.person))]
    if one.last is None:
        components.append(text("Not synced yet.", "muted"))
    else:
        at = time(one.last.at, now)
        components.append(text(f"Last sync {at}: {one.last.sentence}", "muted"))
    if one.waiting is not None:
        components.append(text(_waits(one.waiting, name, now), "muted"))
    if one.actor in _MAY_NOT:
        components.append(text(_MAY_NOT[one.actor].format(app=name), "muted"))
    else:
        components += [_button(one.app, kind) for kind in one.offered()]
    return [*components, divider()]


def _button(app: str, kind: str) -> Component:
    does = DO if kind == SYNC else OPEN  # a sync has no form
    return button(str(Button(does, app, kind)), button_label(app, kind))


def _refresh() -> Component:
    return button(str(Button(REFRESH)), "Refresh", "link")


def _person(app: str, person: Person) -> str:
    words = {"app": APPS[app].name, "person": noun(app, "person")}
    if person.state in _PERSON and person.reason not in _UNKNOWN:
        return _PERSON[person.state].format(**words)
    if person.state in ("matched", "lead"):
        what = "lead" if person.state == "lead" else words["person"]
        opens = link(f"Open in {words['app']}", person.url) if person.url else ""
        return f"One {what} matches. {opens}".strip()
    other = "Whether a {person} matches cannot be told now."
    return _UNKNOWN.get(person.reason or "", other).format(**words)


def _waits(waiting: Waiting, app: str, now: datetime) -> str:
    until = "" if waiting.until is None else f" (until {time(waiting.until, now)})"
    return _WAITS.get(waiting.waits_for, "The transcript waits.").format(app=app, until=until)


def _pending(pending: Pending, now: datetime) -> str:
    if not pending.known:
        return "Whether a sync is pending cannot be told now."
    if pending.due_at is None:
        return "No sync is pending."
    return (
        f"A sync is pending: due at {time(pending.due_at, now)} if nobody writes until then, "
        "where Transcript Sync is on."
    )

"""What an admin should know without asking: judged on what is stored, never on a guess."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from common.outcomes import Outcome

from settings.domain.installations import ConnectionState, InstalledApp, Workspace

LOOKED_AT = 20  # newest outcomes of an app; fewer say nothing
SILENCE = timedelta(days=1)
USUAL = timedelta(days=7)  # who talked on so many days before it fell silent
USUAL_DAYS = 5
_UNASSIGNED = frozenset({Outcome.NO_ACTIVE_ASSIGNEE, Outcome.TEAM_ONLY})


class Matter(StrEnum):
    INTERCOM_RECONNECT = "intercom_reconnect"
    RECONNECT = "reconnect"
    FAILURES = "failures"
    SILENCE = "silence"
    UNASSIGNED = "unassigned"


@dataclass(frozen=True, slots=True)
class Attention:
    """One matter; `count` where it is about a number of conversations."""

    matter: Matter
    app: str | None = None
    count: int = 0

    def said(self, app_name: str) -> tuple[str, str]:
        """What it is, and what it means, in a sentence each (the second may be empty)."""
        what, means = _SAID[self.matter]
        plural = "" if self.count == 1 else "s"
        return what.format(app=app_name, count=self.count, s=plural), means


_SAID = {
    Matter.INTERCOM_RECONNECT: (
        "Intercom has to be connected again.",
        "Nothing is lost: what is waiting goes out by itself afterwards.",
    ),
    Matter.RECONNECT: (
        "{app} no longer accepts our access.",
        "Conversations wait, and go out by themselves once it is connected again.",
    ),
    Matter.FAILURES: ("{count} conversation{s} failed at {app} within a day.", ""),
    Matter.SILENCE: (
        "No message has arrived for a day.",
        "This workspace usually talks: look in Intercom whether Lull's webhooks are switched on.",
    ),
    Matter.UNASSIGNED: (
        "The last {count} conversations were not assigned to an active app user of {app}.",
        "None of them was written.",
    ),
}


@dataclass(frozen=True, slots=True)
class Lately:
    """What the history holds of one app."""

    failures: int = 0  # conversations whose newest outcome of the last day is a failure
    newest: Sequence[Outcome] = ()  # the last LOOKED_AT
    days: int = 0  # of the USUAL ones before the last SILENCE, on which anything was reported


def attention(
    workspace: Workspace,
    apps: Sequence[InstalledApp],
    lately: Mapping[str, Lately],
    last_update_at: datetime | None,
    now: datetime,
) -> list[Attention]:
    """The gravest first."""
    found = []
    if workspace.intercom is not ConnectionState.CONNECTED:
        found.append(Attention(Matter.INTERCOM_RECONNECT))
    found += [
        Attention(Matter.RECONNECT, app.app)
        for app in apps
        if app.connection is not ConnectionState.CONNECTED
    ]
    for app in apps:
        of_app = lately.get(app.app, Lately())
        if of_app.failures:
            found.append(Attention(Matter.FAILURES, app.app, of_app.failures))
    talks = max((of_app.days for of_app in lately.values()), default=0) >= USUAL_DAYS
    if talks and last_update_at is not None and now - last_update_at >= SILENCE:
        found.append(Attention(Matter.SILENCE))
    for app in apps:
        newest = lately.get(app.app, Lately()).newest
        if app.transcript_sync and len(newest) >= LOOKED_AT and set(newest) <= _UNASSIGNED:
            found.append(Attention(Matter.UNASSIGNED, app.app, len(newest)))
    return found

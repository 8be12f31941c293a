"""An installation as people see and change it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

# Options that need not be chosen.
HAVE_DEFAULTS = frozenset({"time_zone", "activity_policy", "activity_type"})
ACTIVITY_TYPE = r"^[A-Za-z0-9_-]{1,100}$"
NotePolicy = Literal["update", "new"]


class ConnectionState(StrEnum):
    CONNECTED = "connected"
    RECONNECT_NEEDED = "reconnect_needed"


@dataclass(frozen=True, slots=True)
class AppUser:
    """A teammate listed for an app, by Intercom id; active when not paused."""

    id: str
    paused: bool = False


@dataclass(frozen=True, slots=True)
class Options:
    """What a change of options sets; None leaves it as it is.

    Those named in `as_deployed` are chosen no longer: what the deployment, or the workspace, has.
    """

    note_policy: NotePolicy | None = None
    all_conversations: bool | None = None
    time_zone: str | None = None
    activity_policy: NotePolicy | None = None
    activity_type: str | None = None
    as_deployed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Workspace:
    id: str
    region: str  # US, EU, AU
    name: str  # the business's own, as Intercom says it; no person's
    time_zone: str  # IANA name
    admin_id: str  # who first installed here; a later reconnect by somebody else changes nothing
    intercom: ConnectionState


@dataclass(frozen=True, slots=True)
class InstalledApp:
    """One row of a workspace's list of apps."""

    app: str
    version: int
    installed_at: datetime
    installed_by: str
    transcript_sync: bool
    note_policy: NotePolicy
    all_conversations: bool
    time_zone: str | None  # None: the workspace's
    crm_account: str
    api_base: str  # the account's API host
    connection: ConnectionState
    warning: str | None  # what is amiss with the account, for its admin to mend
    app_users: tuple[AppUser, ...]
    # Of the activity beside the note, where the CRM gets one; None: the deployment's own.
    activity_policy: NotePolicy | None = None
    activity_type: str | None = None


class Connecting(StrEnum):
    """What a completed authorization does; also the action in the audit trail."""

    INSTALLED = "installed"  # for the first time
    REINSTALLED = "reinstalled"  # after an uninstall: R7 counts anew, nothing of before is kept
    RECONNECTED = "reconnected"  # all that was set stays, and R7's time with it


def connecting(*, known: bool, installed: bool) -> Connecting:
    """What connecting means for an app that was known here before, or is installed right now."""
    if installed:
        return Connecting.RECONNECTED
    return Connecting.REINSTALLED if known else Connecting.INSTALLED

"""What the handlers need, in our words: nothing inside knows a vendor's field or a database row."""

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from common.eligibility import Installation
from common.outcomes import Outcome

from settings.domain.attention import Attention, Lately
from settings.domain.authorizations import Authorization
from settings.domain.history import AppSummary, Entry, Filter, Place
from settings.domain.installations import (
    AppUser,
    Connecting,
    ConnectionState,
    InstalledApp,
    Options,
    Workspace,
)
from settings.domain.sessions import Session
from settings.domain.tokens import Tokens


class StoreUnavailable(Exception):
    """PostgreSQL cannot answer now, or its schema is not there yet.

    Nothing was changed, unless the connection broke during a commit.
    """


class TokenUnreadable(StoreUnavailable):
    """Changed, moved from another place, or encrypted with a key that is not on the ring."""


class UnknownWorkspace(Exception):
    """No such workspace."""


class NotInstalled(Exception):
    """The app is not installed in this workspace, or there is no such workspace."""


class GrantRefused(Exception):
    """The vendor says for good that this code or token stands for no customer's consent."""


class SeveralAccounts(Exception):
    """What the person allowed opens several CRM accounts, and nothing says which one is meant."""

    def __init__(self, choices: Sequence["AccountChoice"]) -> None:
        super().__init__(len(choices))
        self.choices = choices


class VendorUnavailable(Exception):
    """The vendor cannot answer now."""

    def __init__(self, reason: str, retry_after: timedelta | None = None) -> None:
        super().__init__(reason)
        self.reason = reason  # a code, never the vendor's words
        self.retry_after = retry_after


class VendorMisconfigured(VendorUnavailable):
    """The vendor refuses us, not the customer: wrong client id, secret or redirect address."""


@dataclass(frozen=True, slots=True)
class Change:
    """Who changes something, and when: what the audit trail keeps of it."""

    actor: str  # `operator`, `teammate:<id>`, `caller:<name>` or `settings`
    at: datetime


@dataclass(frozen=True, slots=True)
class CrmGrant:
    """What a completed authorization gave us in one CRM account."""

    tokens: Tokens
    account_id: str
    user_id: str | None  # our connection's own user there
    api_base: str
    warning: str | None = None  # a sentence for the admin: connected, but something is amiss


@dataclass(frozen=True, slots=True)
class AccountChoice:
    """One of several CRM accounts, for the person who may enter them all to choose."""

    key: str  # what `exchange` takes as the account
    name: str


@dataclass(frozen=True, slots=True)
class Departure:
    """A vendor says that this user of a CRM account removed our app."""

    account_id: str
    user_id: str


@dataclass(frozen=True, slots=True)
class CrmConnection(CrmGrant):
    state: ConnectionState = field(kw_only=True)
    token_version: int = field(
        kw_only=True
    )  # grows with each stored pair: tells a newer pair from the one that was read


@dataclass(frozen=True, slots=True)
class IntercomMe:
    """The workspace behind a token, and who authorised it."""

    workspace_id: str
    region: str
    name: str
    time_zone: str
    admin_id: str


@dataclass(frozen=True, slots=True)
class IntercomConnection:
    workspace: Workspace
    access_token: str

    def __repr__(self) -> str:
        return f"IntercomConnection(workspace={self.workspace.id!r})"


class InstallationStore(Protocol):
    """Each change is one transaction with its audit row and, where consumers must know, its event.

    Changes raise NotInstalled or UnknownWorkspace; setting what is set already changes nothing.
    """

    async def installations(
        self, keys: Sequence[tuple[str, str]]
    ) -> dict[tuple[str, str], Installation]: ...

    async def workspaces(self) -> list[Workspace]: ...

    async def workspace(self, workspace_id: str) -> Workspace: ...

    async def apps(self, workspace_id: str) -> list[InstalledApp]: ...

    async def app(self, workspace_id: str, app: str) -> InstalledApp: ...

    async def set_transcript_sync(
        self, workspace_id: str, app: str, on: bool, change: Change
    ) -> None: ...

    async def set_app_users(
        self, workspace_id: str, app: str, users: Sequence[AppUser], change: Change
    ) -> None: ...

    async def set_options(
        self, workspace_id: str, app: str, options: Options, change: Change
    ) -> None: ...

    async def set_admin(self, workspace_id: str, teammate_id: str, change: Change) -> None: ...

    async def uninstall(self, workspace_id: str, app: str, change: Change) -> None: ...

    async def forget(self, workspace_id: str, change: Change) -> dict[str, int]:
        """Delete all that is kept of a workspace but its audit trail; how many rows of what."""
        ...

    async def request_sync(
        self,
        workspace_id: str,
        conversation_id: str,
        app: str | None,
        action_id: str,
        change: Change,
    ) -> None: ...

    async def note_asked(
        self, workspace_id: str, app: str | None, action: str, change: Change, **detail: Any
    ) -> None:
        """Keep in the audit trail what another service is about to be asked."""
        ...


class ConnectionStore(Protocol):
    """Tokens, encrypted at rest, and the lease under which one of all replicas refreshes them."""

    async def save_workspace(self, me: IntercomMe, access_token: str, change: Change) -> str:
        """Create the workspace, or renew its token; returns the workspace's admin id."""
        ...

    async def connect(
        self, workspace_id: str, app: str, grant: CrmGrant, change: Change
    ) -> Connecting:
        """Create, recreate or reconnect the installation."""
        ...

    async def crm_connection(self, workspace_id: str, app: str) -> CrmConnection: ...

    async def connected_to(
        self, apps: Sequence[str], account_id: str, user_id: str | None = None
    ) -> list[tuple[str, str]]:
        """Workspace and app of every connection to that account (and user) of that CRM's apps."""
        ...

    async def obtained_before(self, before: datetime) -> list[tuple[str, str]]:
        """Workspace and app of connections that work, with an older pair; the oldest first."""
        ...

    async def claim_refresh(
        self, workspace_id: str, app: str, claimant: str, lease: timedelta
    ) -> CrmConnection | None:
        """The connection as it is now, with the lease ours; None while somebody else holds it."""
        ...

    async def save_refreshed(
        self, workspace_id: str, app: str, claimant: str, seen_version: int, tokens: Tokens
    ) -> bool:
        """Store the pair and give the lease back; False where a newer pair is stored already.

        It does not ask whether the lease still stands: a rotating CRM has dropped the old refresh
        token, so a late answer is the only living one.
        """
        ...

    async def release_refresh(self, workspace_id: str, app: str, claimant: str) -> None: ...

    async def mark_crm_dead(
        self, workspace_id: str, app: str, claimant: str, seen_version: int, change: Change
    ) -> None:
        """Ask for a reconnect, if the pair that was refused is still the stored one."""
        ...

    async def intercom_connection(self, workspace_id: str) -> IntercomConnection: ...

    async def mark_intercom_dead(
        self, workspace_id: str, refused_token: str, change: Change
    ) -> None: ...


class AuthorizationStore(Protocol):
    async def keep(self, state: str, authorization: Authorization) -> None: ...

    async def take(self, state: str) -> Authorization | None:
        """The authorization, which can never be taken again, expired or not."""
        ...


class HistoryStore(Protocol):
    async def page(
        self, workspace_id: str, wanted: Filter, after: Place | None, limit: int
    ) -> list[Entry]:
        """Newest first."""
        ...

    async def summary(self, workspace_id: str, today: datetime) -> dict[str, AppSummary]: ...

    async def lately(self, workspace_id: str, now: datetime) -> dict[str, Lately]: ...

    async def last_update_received(self, workspace_id: str) -> datetime | None: ...

    async def forget_before(self, at: datetime) -> int: ...

    async def conversations_of(
        self, workspace_id: str, apps: Sequence[str], person_id: str
    ) -> list[str]:
        """Whose outcomes name this record of a CRM."""
        ...

    async def forget_conversations(self, workspace_id: str, ids: Sequence[str]) -> int: ...


@dataclass(frozen=True, slots=True)
class AuditRow:
    id: int
    at: datetime
    actor: str
    action: str
    app: str | None
    detail: Mapping[str, Any]


class AuditStore(Protocol):
    async def page(self, workspace_id: str, before: int | None, limit: int) -> list[AuditRow]:
        """Newest first; `before` is the id where the page before ended."""
        ...


class Pending(Protocol):
    """What debounce holds. Raises PeerUnavailable."""

    async def count(self, workspace_id: str) -> int: ...

    async def due_at(self, workspace_id: str, conversation_id: str) -> datetime | None:
        """When it is settled if nobody speaks again; None: it does not wait for quiet."""
        ...


@dataclass(frozen=True, slots=True)
class Waiting:
    """A conversation that delivery holds."""

    conversation_id: str
    app: str
    waits_for: str  # delivery's word: `retry`, `reconnect`, `settings`, `quiet`, `worker`, ...
    until: datetime | None
    failed_attempts: int
    reason: str | None


@dataclass(frozen=True, slots=True)
class Preview:
    """What would become of a conversation by itself; nothing is written. Never stored or logged."""

    refused: Outcome | None
    quiet_at: datetime | None  # it would wait until then
    person_id: str | None
    note: str | None  # plain text, of the conversation

    def __repr__(self) -> str:
        return f"Preview(refused={self.refused!r})"


@dataclass(frozen=True, slots=True)
class Unwritten:
    """What delivery would look at once more: so many, decided before `until`."""

    count: int
    until: datetime


@dataclass(frozen=True, slots=True)
class Asked:
    """What delivery was asked to look at once more."""

    asked: int
    already_open: int  # it is being asked for already, and needs no other request
    after: Any = None  # where to go on, in delivery's own words; None: that was all


@dataclass(frozen=True, slots=True)
class ForgottenContact:
    deleted: Mapping[str, int]  # rows, by table
    conversation_ids: list[str]


class Deliveries(Protocol):
    """What delivery's ledger holds. Raises PeerUnavailable."""

    async def waiting(self, workspace_id: str, conversation_id: str) -> list[Waiting]: ...

    async def preview(self, workspace_id: str, conversation_id: str, app: str) -> Preview: ...

    async def unwritten(self, workspace_id: str, wanted: Filter) -> Unwritten: ...

    async def ask_again(
        self, workspace_id: str, wanted: Filter, until: datetime, after: Any
    ) -> Asked: ...

    async def forget(self, workspace_id: str) -> Mapping[str, int]:
        """Delete all it holds of the workspace; how many rows of what. Safe to repeat."""
        ...

    async def forget_contact(
        self, workspace_id: str, conversation_ids: Sequence[str], record: tuple[str, str] | None
    ) -> ForgottenContact:
        """Delete all it holds of these conversations, and of those with this CRM's record."""
        ...


@dataclass(frozen=True, slots=True)
class Notice:
    """A matter that the admin of a workspace is to be told of."""

    workspace: Workspace
    attention: Attention
    since: datetime
    told_by: frozenset[str] = frozenset()  # the ways that it went out by

    @property
    def id(self) -> str:
        """The same however often it is sent: a repeat is recognised."""
        about = self.attention
        parts = (self.workspace.id, about.matter, about.app or "", self.since.isoformat())
        return hashlib.sha256("|".join(parts).encode()).hexdigest()[:32]


class NotTold(Exception):
    """It did not go out; it is tried again. The reason is a code."""


class Teller(Protocol):
    """A way to reach an admin. Raises NotTold, VendorUnavailable or StoreUnavailable."""

    @property
    def name(self) -> str: ...

    async def tell(self, notice: Notice) -> None: ...


class NoticeStore(Protocol):
    def turn(self) -> AbstractAsyncContextManager[bool]:
        """Whether it is this replica's turn to tell, for as long as the context lasts."""
        ...

    async def keep(
        self, workspace: Workspace, matters: Sequence[Attention], at: datetime
    ) -> list[Notice]:
        """What is the matter now, and what of it was told; what is over is forgotten."""
        ...

    async def told(self, notice: Notice, by: str) -> None: ...


class SessionStore(Protocol):
    """Sessions by the hash of their id."""

    async def find(self, key: str) -> Session | None: ...

    async def create(self, session: Session, replaces: str | None) -> None:
        """Begin it, and end the one it replaces in the same moment."""
        ...

    async def seen(self, key: str, at: datetime) -> None: ...

    async def end(self, key: str) -> None: ...


class IntercomVendor(Protocol):
    """Raises VendorUnavailable, or GrantRefused for a code or token that is not valid."""

    def authorize_url(self, state: str, redirect_uri: str) -> str: ...

    async def exchange(self, code: str) -> str: ...

    async def me(self, access_token: str, region: str | None = None) -> IntercomMe: ...

    async def teammates(self, access_token: str, region: str) -> dict[str, str]:
        """Names by Intercom id, in Intercom's order."""
        ...

    async def address_of(self, access_token: str, region: str, teammate_id: str) -> str | None:
        """A teammate's e-mail address; None where they are no teammate any more."""
        ...


class CrmVendor(Protocol):
    """Raises VendorUnavailable, or GrantRefused for a code or refresh token that is not valid."""

    def authorize_url(self, state: str, redirect_uri: str, challenge: str | None) -> str: ...

    async def exchange(
        self, code: str, redirect_uri: str, verifier: str | None, account: str | None = None
    ) -> CrmGrant:
        """Raises SeveralAccounts where what was allowed opens several, and none of them was chosen.

        `account` is the key of the choice; it only ever picks one of what the person may enter.
        """
        ...

    async def activity_warning(
        self, api_base: str, access_token: str, wanted: str | None
    ) -> str | None:
        """Why activities of this type cannot be made in the account, as a sentence for its admin.

        None where they can, or where this CRM gets none; `wanted` None: the deployment's type.
        """
        ...

    async def refresh(self, refresh_token: str, api_base: str) -> Tokens:
        """A new pair for the account at this address."""
        ...

    async def revoke(self, refresh_token: str) -> None:
        """End the consent there too; does nothing where no call for it is known."""
        ...

    def departure(self, authorization: str | None, body: bytes) -> Departure | None:
        """Whom the vendor's own notice of an uninstall is about.

        None: it does not prove to be the vendor's, or this vendor sends none.
        """
        ...

    def person_url(self, api_base: str, account_id: str, person_id: str) -> str | None:
        """Where people see this person in the CRM; None where no such address is known."""
        ...

"""What the handlers need, in our words: nothing inside knows a vendor's field."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from common.eligibility import Installation
from common.events import ConversationSettled

from delivery.domain.answer import Result
from delivery.domain.conversation import Contact, Conversation
from delivery.domain.fold import Folded
from delivery.domain.note import Marker, Note, StoredNote
from delivery.domain.rates import Whose
from delivery.domain.row import Key, Known, Row


class RetryLater(Exception):
    """The other side cannot answer now. The request had no effect."""

    def __init__(self, reason: str, retry_after: timedelta | None = None) -> None:
        super().__init__(reason)
        self.reason = reason  # a code such as `http_429`, never the vendor's words
        self.retry_after = retry_after


class UnknownEnd(RetryLater):
    """The request may have had its effect: time-out, cut connection, 5xx after it was sent."""


class Paused(RetryLater):
    """Not sent: a rate limit or an open circuit holds the connection's calls back until then.

    It is no failure of the row's, and holds for every row of its connection, or of the vendor.
    """

    def __init__(self, reason: str, retry_after: timedelta, *, whole_vendor: bool = False) -> None:
        super().__init__(reason, retry_after)
        self.whole_vendor = whole_vendor


class SettingsAway(RetryLater):
    """settings cannot answer: work waits for as long as it takes, nothing is guessed."""


class ReconnectNeeded(Exception):
    """The connection's token is refused for good: the admin must connect again."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class GiveUp(Exception):
    """Refused for good; trying again would be refused again."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class TokenRejected(Exception):
    """401: the access token is refused; settings may have a newer one. One try, then reconnect."""


class Gone(Exception):
    """404: what was asked for no longer exists."""


@dataclass(frozen=True, slots=True)
class CrmAccess:
    """A valid way into one CRM account, handed out by settings for a short while."""

    access_token: str
    api_base: str  # Pipedrive's api_domain, HubSpot's host, ...
    account_id: str
    user_id: str | None  # the connection's own user in the CRM, for adopting only our notes
    expires_at: datetime

    @property
    def whose(self) -> Whose:
        return Whose(self.account_id, self.user_id)

    def __repr__(self) -> str:
        return f"CrmAccess(account_id={self.account_id!r})"


@dataclass(frozen=True, slots=True)
class IntercomAccess:
    """A valid way into one Intercom workspace."""

    access_token: str
    api_base: str
    link_base: str  # the host that people open, e.g. https://app.eu.intercom.com
    workspace_id: str

    @property
    def whose(self) -> Whose:
        return Whose(self.workspace_id)

    def __repr__(self) -> str:
        return f"IntercomAccess(workspace_id={self.workspace_id!r})"


@dataclass(frozen=True, slots=True)
class PersonState:
    """A person read by id: alive under this id, or under another one after a merge."""

    id: str


class SettingsPort(Protocol):
    """Raises SettingsAway while settings cannot answer, RetryLater while a vendor cannot."""

    async def installation(
        self, workspace_id: str, app: str, *, fresh: bool = False
    ) -> Installation | None:
        """At most 60 s old, or asked just now if `fresh`; None where the app is not installed."""
        ...

    async def crm_access(
        self, workspace_id: str, app: str, *, rejected: str | None = None
    ) -> CrmAccess:
        """A valid token; `rejected` names one that the CRM just refused.

        Raises ReconnectNeeded, or Gone where the app is not installed.
        """
        ...

    async def intercom_access(
        self, workspace_id: str, *, rejected: str | None = None
    ) -> IntercomAccess:
        """Raises ReconnectNeeded where the workspace withdrew its consent."""
        ...


class IntercomPort(Protocol):
    """Raises RetryLater, TokenRejected, GiveUp, or Gone for an unknown id."""

    async def conversation(
        self, access: IntercomAccess, conversation_id: str, deadline: timedelta
    ) -> Conversation: ...

    async def contact(
        self, access: IntercomAccess, contact_id: str, deadline: timedelta
    ) -> Contact: ...

    async def teammate_email(
        self, access: IntercomAccess, teammate_id: str, deadline: timedelta
    ) -> str | None:
        """Lower case; None where the teammate has none."""
        ...


class Crm(Protocol):
    """One CRM, in our words.

    Reads raise RetryLater, TokenRejected, ReconnectNeeded or GiveUp; creates and updates also
    UnknownEnd. What no longer exists is None, except where Gone is named.
    """

    name: str
    html: bool  # notes take HTML; else plain text
    note_max_chars: int  # the whole body, markup included, in UTF-16 units
    note_max_bytes: int | None  # the whole body in UTF-8, where the CRM counts so
    visible_after: timedelta  # a note that was created can be listed after this, at the latest
    has_activity: bool
    # The note's id is made of its marker and account: a create that is repeated, or sent through
    # another app's connection, meets the note that is there and brings it up to date.
    note_id_is_ours: bool

    async def find_persons(
        self, access: CrmAccess, contact: Contact, deadline: timedelta
    ) -> Sequence[str]:
        """Ids of the persons with one of the contact's addresses, else one of its phones."""
        ...

    async def find_leads(
        self, access: CrmAccess, contact: Contact, deadline: timedelta
    ) -> Sequence[str]:
        """Likewise of open leads, for apps of the catalog that take leads."""
        ...

    async def person(
        self, access: CrmAccess, person_id: str, deadline: timedelta
    ) -> PersonState | None:
        """Follows merges where the CRM tells; None: deleted, or merged without a trace."""
        ...

    async def create_note(
        self, access: CrmAccess, person_id: str, note: Note, deadline: timedelta
    ) -> str:
        """The new note's id. Raises Gone where the person no longer exists."""
        ...

    async def note(
        self, access: CrmAccess, note_id: str, deadline: timedelta
    ) -> StoredNote | None: ...

    async def update_note(
        self, access: CrmAccess, note_id: str, body: str, note: Note, deadline: timedelta
    ) -> None:
        """Replace the whole body by `body` (our block within people's text). Raises Gone."""
        ...

    async def delete_note(self, access: CrmAccess, note_id: str, deadline: timedelta) -> None: ...

    async def notes_marked(
        self,
        access: CrmAccess,
        person_id: str,
        marker: Marker,
        since: datetime,
        deadline: timedelta,
    ) -> Sequence[StoredNote]:
        """Live notes of this person whose marker is exactly this one, oldest first."""
        ...

    async def user_with_email(
        self, access: CrmAccess, email: str, deadline: timedelta
    ) -> str | None:
        """The active user with this address, as what owns a record; None: there is none."""
        ...


class ActivityCrm(Crm, Protocol):
    """A CRM that gets an Activity as well (R5)."""

    async def create_activity(
        self, access: CrmAccess, person_id: str, note: Note, deadline: timedelta
    ) -> str: ...

    async def activity(
        self, access: CrmAccess, activity_id: str, deadline: timedelta
    ) -> StoredNote | None: ...

    async def update_activity(
        self, access: CrmAccess, activity_id: str, body: str, note: Note, deadline: timedelta
    ) -> None:
        """As `update_note`."""
        ...

    async def delete_activity(
        self, access: CrmAccess, activity_id: str, deadline: timedelta
    ) -> None: ...

    async def activities_marked(
        self,
        access: CrmAccess,
        person_id: str,
        marker: Marker,
        since: datetime,
        deadline: timedelta,
    ) -> Sequence[StoredNote]: ...


@dataclass(frozen=True, slots=True)
class Claim:
    """A row that is this worker's until the lease ends; whatever it writes then is fenced off."""

    row: Row  # as it stood when claimed
    token: str
    claimed_at: datetime  # by the ledger's clock
    claimed_on: float  # on this process's monotonic clock, before the claim was sent
    good_until: float  # likewise; frozen or late, the lease is never thought to be longer

    def now(self, monotonic: float) -> datetime:
        """The present instant by the ledger's clock."""
        return self.claimed_at + timedelta(seconds=monotonic - self.claimed_on)


class LeaseLost(Exception):
    """The row is no longer this claim's: the lease ended, and somebody else may have it."""


class LedgerAway(Exception):
    """PostgreSQL cannot answer now; nothing was changed, or nobody knows."""


class Ledger(Protocol):
    """The rows. Every method raises LedgerAway while PostgreSQL cannot answer."""

    async def fold(self, key: Key, event: ConversationSettled, apps: tuple[str, ...]) -> Folded:
        """Durably take in an event; the row is made where there is none."""
        ...

    async def claim(self, crm: str, limit: int, running: dict[str, int]) -> list[Claim]:
        """Ready rows, fair across workspaces.

        Args:
            running: attempts under way per workspace, which counts against its share; a workspace
                at its share gets no more.

        """
        ...

    async def save(self, claim: Claim, known: Known) -> None:
        """Durably note what is known of our records. Raises LeaseLost."""
        ...

    async def finish(self, claim: Claim, result: Result) -> None:
        """Answer the row and give the lease back, outcomes with it. Raises LeaseLost."""
        ...

    async def move(self, claim: Claim, to: Key, app: str, result: Result) -> None:
        """Finish, and ask another account's row for what stays open of it. Raises LeaseLost."""
        ...

    async def release(self, claims: Sequence[Claim]) -> None:
        """Give leases back unfinished: the rows are ready at once for whoever claims them."""
        ...

    async def read(self, key: Key) -> Row | None: ...

    async def heal(self, key: Key, at: datetime) -> None:
        """Have the row looked over for surplus notes then, when everything must be visible."""
        ...

    async def wake(self, workspace_ids: Sequence[str], crm: str) -> int:
        """Let rows of these that wait for a reconnect try again; how many."""
        ...


@dataclass(frozen=True, slots=True)
class Replayed:
    asked: int
    already_open: int  # an open request of the row asks the same; it needs no other
    after: tuple[int, str] | None  # where to go on; None: that was all

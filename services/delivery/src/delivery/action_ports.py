"""What the actions of our inbox app need (R1): a CRM that carries them out, and their store."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Protocol

from common.catalog import ActionKind
from common.events import ConversationSettled

from delivery.domain.acted import Acted, ActionKey, Record, Standing, Wanted
from delivery.domain.action import Action, Made
from delivery.domain.row import Key
from delivery.ports import CrmAccess


class CrmActions(Protocol):
    """What people do in a CRM from our inbox app (R1), and where they see what was made."""

    actions: ClassVar[frozenset[ActionKind]]

    async def act(self, access: CrmAccess, action: Action, deadline: timedelta) -> Made:
        """Make the record, or find what is there already.

        Persons are found by address, so that none is doubled; the rest is looked for first where
        `action.again` says that an earlier attempt's end is not known.

        Raises GiveUp for an action that the CRM does not have, Gone where the person is gone, and
        UnknownEnd as a create does.
        """
        ...

    def person_url(self, access: CrmAccess, person_id: str) -> str | None: ...

    def note_url(self, access: CrmAccess, person_id: str, note_id: str) -> str | None: ...

    def made_url(
        self, access: CrmAccess, kind: ActionKind, record_id: str, person_id: str | None
    ) -> str | None:
        """Where people see what an action made."""
        ...

    def is_lead(self, person_id: str) -> bool:
        """Whether it is the id of a lead that is a person of its own."""
        ...


@dataclass(frozen=True, slots=True)
class Begun:
    """An attempt at an action that this process may carry out until its lease ends."""

    key: ActionKey
    token: str
    asked_at: datetime  # first of all; whatever was made for it is not older
    begun_at: datetime  # by the store's clock
    good_until: float  # on this process's monotonic clock; never thought to be longer than it is
    again: bool = False  # an earlier attempt may have made the record


class ActionStore(Protocol):
    """What is known of actions. Every method raises LedgerAway while PostgreSQL cannot answer."""

    async def read(self, key: ActionKey) -> tuple[Acted, datetime] | None:
        """The action, and the present instant by the store's clock."""
        ...

    async def begin(
        self,
        key: ActionKey,
        wanted: Wanted,
        *,
        actor_id: str,
        crm_account: str,
        lease: timedelta,
        visible_after: timedelta,
    ) -> Begun | Standing:
        """Durably say that an attempt is under way, if this press asks for one."""
        ...

    async def done(
        self, begun: Begun, record: Record, row: Key, event: ConversationSettled
    ) -> None:
        """Say what was made, and fold the event that follows from it: both or neither.

        Raises LeaseLost where a later attempt is at it, which finds what this one made.
        """
        ...

    async def told(self, key: ActionKey, told: Wanted, actor_id: str) -> bool:
        """Note an action that another front end did itself; whether it is the one noted before."""
        ...

    async def forget(self, after: timedelta) -> int:
        """Delete what was last pressed longer ago than this, as far as one go reaches."""
        ...

    async def failed(self, begun: Begun, reason: str) -> None:
        """Say that the CRM refused it for good."""
        ...

    async def put_off(self, begun: Begun, reason: str, dark_for: timedelta | None) -> None:
        """Say that the attempt is over, without a record that is known of.

        Args:
            begun: the attempt.
            reason: a code.
            dark_for: how long a call of unknown end may go on; None: there is none.

        """
        ...

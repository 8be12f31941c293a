"""What is known of an action that somebody asked for, and what a further press of its button means.

A press that finds nobody at work on its action, and no end of it, acts. Where an earlier attempt's
end is not known, it waits until whatever that attempt made must be visible, and then acts with
`again`: the record is looked for before one is made.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

SYNC: Final = "sync"  # the kind of action that makes no record: `manual` in the trigger table
# After a restore: how long after its first press a button may still be pressed. Intercom asks for
# the card anew whenever the conversation is opened.
BUTTON_LIVES: Final = timedelta(days=1)
RESTORED: Final = "ledger_restored"


@dataclass(frozen=True, slots=True)
class ActionKey:
    """One press of one button, however often it arrives; whoever shows the button makes the id."""

    workspace_id: str
    conversation_id: str
    action_id: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """What must not change between two presses. What was typed is not kept, so it may."""

    app: str
    kind: str  # an ActionKind, or SYNC
    person_id: str | None


@dataclass(frozen=True, slots=True)
class Record:
    """What came of it in the CRM; no id for a sync, which makes none of its own."""

    id: str | None
    person_id: str | None = None  # whose it is; None where a lead is a person of its own
    was_there: bool = False


class State(StrEnum):
    """Of a row of `actions`."""

    DOING = "doing"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Acted:
    """A row of `actions`: ids and times only (R11)."""

    wanted: Wanted
    state: State
    asked_at: datetime  # first of all; whatever was made for it is not older
    # The latest attempt has sent its last request by then, whatever became of its process.
    lease_until: datetime
    # The latest call whose end is not known ended by then, and may have made a record.
    dark_until: datetime | None = None
    reason: str | None = None  # how the latest attempt ended without a record; None: no word yet
    record: Record | None = None

    @property
    def unknown_until(self) -> datetime | None:
        """`dark_until`, also where the latest attempt never said how it ended."""
        silent = self.state is State.DOING and self.reason is None
        return self.lease_until if silent else self.dark_until


class Stands(StrEnum):
    """How an action stands, as the API says it."""

    DONE = "done"
    WORKING = "working"
    REFUSED = "refused"  # not for this teammate, or not in this CRM
    CONFLICT = "conflict"  # the id belongs to another action
    FAILED = "failed"  # refused by the CRM for good
    UNKNOWN = "unknown"  # it may have been done
    AWAY = "away"  # it was not done


@dataclass(frozen=True, slots=True)
class Standing:
    stands: Stands
    reason: str | None = None  # a code
    again_in: timedelta | None = None  # until a further press acts; None: at once, or no need
    record: Record | None = None


@dataclass(frozen=True, slots=True)
class Begin:
    """Nobody is at it: act now."""

    again: bool = False


def doubted(
    acted: Acted | None, wanted: Wanted, *, now: datetime, before: datetime, lease: timedelta
) -> Acted | None:
    """What is known of it where presses until `before` may have been lost in a restore.

    What may have gone on is as a call of unknown end, by whichever attempt was under way then.

    Args:
        acted: as the store has it; None: it has nothing.
        wanted: by this press.
        now: by the clock that `before` was told by.
        before: when the ledger that was lost took its last write.
        lease: of an attempt.

    """
    dark_until = before + lease
    if acted is None:
        asked_at = now - BUTTON_LIVES
        if asked_at >= before:
            return None
        return Acted(wanted, State.DOING, asked_at, before, dark_until, RESTORED)
    if acted.state is State.DONE or acted.lease_until > dark_until:
        return acted
    return replace(acted, state=State.DOING, dark_until=dark_until, reason=RESTORED)


def standing(acted: Acted, now: datetime, visible_after: timedelta) -> Standing:
    """How it stands for somebody who only looks."""
    if acted.state is State.DONE:
        return Standing(Stands.DONE, record=acted.record)
    if acted.state is State.FAILED:
        return Standing(Stands.FAILED, acted.reason)
    if acted.reason is None and now < acted.lease_until:
        return Standing(Stands.WORKING, again_in=acted.lease_until + visible_after - now)
    unknown_until = acted.unknown_until
    if unknown_until is None:
        return Standing(Stands.AWAY, acted.reason)
    left = unknown_until + visible_after - now
    wait = left if left > timedelta(0) else None
    return Standing(Stands.UNKNOWN, acted.reason or "cut_off", wait)


def press(
    acted: Acted | None, wanted: Wanted, now: datetime, visible_after: timedelta
) -> Begin | Standing:
    """What a press of the button means.

    Args:
        acted: what is known of the action; None: nothing.
        wanted: by this press.
        now: by the clock that `acted` was written by.
        visible_after: when a record that was made is surely found, by the adapter.

    """
    if acted is None:
        return Begin()
    if acted.wanted != wanted:
        return Standing(Stands.CONFLICT)
    stands = standing(acted, now, visible_after)
    if stands.stands in (Stands.DONE, Stands.WORKING) or stands.again_in is not None:
        return stands
    return Begin(again=acted.unknown_until is not None)

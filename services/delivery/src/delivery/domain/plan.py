"""What to do about the note: create it, bring it up to date, look for it first, or leave it be."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from common.updates import Update

from delivery.domain import block
from delivery.domain.note import Marker, Note, StoredNote
from delivery.domain.row import Kind, Known, Lost, UnknownWrite

HANDED_OVER_MAX = 2  # a conversation whose notes people took over twice gets no third


class Step(StrEnum):
    PROBE = "probe"  # an earlier create may have taken effect
    UPDATE = "update"
    CREATE = "create"
    HANDED_OVER = "handed_over"
    LEFT_DELETED = "left_deleted"
    LEAVE = "leave"  # no note of ours, and nobody asked for one


def next_step(
    known: Known, period: int | None, *, newest: Update | None, by_quiet: bool, may_create: bool
) -> Step:
    """The next step towards a note that shows the conversation through `newest`.

    Args:
        period: policy `new`: the present one; None under policy `update`.
        by_quiet: a quiet request is among those to be answered; only it makes a lost note again.
        may_create: false where only a removal asks.

    """
    if known.unknown_note is not None:
        return Step.PROBE
    if known.lost is not None:
        again = by_quiet and newest is not None and _is_newer(newest, known.lost_through)
        if known.lost is Lost.DELETED:
            return Step.CREATE if again else Step.LEFT_DELETED
        allowed = again and known.handed_over < HANDED_OVER_MAX
        return Step.CREATE if allowed else Step.HANDED_OVER
    if known.note is not None and (period is None or known.note.period == period):
        return Step.UPDATE
    return Step.CREATE if may_create else Step.LEAVE


def is_up_to_date(known: Known, period: int | None, newest: Update | None, activity: bool) -> bool:
    """Whether all that was said already stands in the CRM, so that nothing need be written."""
    if known.unknown_note or known.unknown_activity or known.note is None or newest is None:
        return False
    if period is not None and known.note.period != period:
        return False
    records = [known.note, known.activity] if activity else [known.note]
    return all(
        record is not None and record.through is not None and record.through >= newest
        for record in records
    )


@dataclass(frozen=True, slots=True)
class Rewrite:
    """The note as it stands, with our block brought up to date in it."""

    body: str
    changes: bool  # false: it says this already; a clock that moved on is no change


def rewritten(stored: str, marker: Marker, note: Note) -> Rewrite | None:
    """None: our block is no longer whole, so people own that note."""
    if not block.carries(stored, marker):
        return None
    body = block.replaced(stored, marker, note)
    if body is None:
        return None
    return Rewrite(body, changes=not block.says_the_same(stored, marker, note))


def lose(known: Known, how: Lost, newest: Update | None) -> Known:
    """The note is no longer ours; its id is forgotten, so that nothing of ours touches it again."""
    return replace(
        known,
        note=None,
        lost=how,
        lost_through=newest,
        handed_over=known.handed_over + (how is Lost.HANDED_OVER),
    )


def remember(known: Known, kind: Kind) -> Known:
    """Where healing must look for this create of unknown end once it is cleared.

    By then the recorded note may be of a later period or at another person, or there may be none.
    """
    unknown = known.unknown_note if kind == "note" else known.unknown_activity
    if unknown is None:
        return known
    periods = () if unknown.period is None else (unknown.period,)
    return replace(
        known,
        heal_periods=tuple(dict.fromkeys((*known.heal_periods, *periods))),
        heal_persons=tuple(dict.fromkeys((*known.heal_persons, unknown.person_id))),
    )


def visible_at(unknown: UnknownWrite, deadline: timedelta, visible_after: timedelta) -> datetime:
    """From when on a probe would see the write, had it taken effect."""
    return unknown.started_at + deadline + visible_after


def is_by_us(note: StoredNote, user_id: str | None) -> bool:
    """Only a note of our connection's user is adopted, where the CRM says who wrote it."""
    return note.author_id is None or user_id is None or note.author_id == user_id


def is_ours_to_undo(current: Known, kind: Kind, created_id: str, started_at: datetime) -> bool:
    """Whether an attempt that lost its row should delete the record that it created meanwhile.

    Not if the present owner adopted it, and not while that very create is still being looked for:
    the probe will find it.
    """
    recorded = current.note if kind == "note" else current.activity
    if recorded is not None and recorded.id == created_id:
        return False
    sought = current.unknown_note if kind == "note" else current.unknown_activity
    return sought is None or sought.started_at != started_at


def _is_newer(newest: Update, than: Update | None) -> bool:
    return than is None or newest > than

"""What to do about the note: create it, bring it up to date, look for it first, or leave it be."""

from dataclasses import dataclass, replace
from enum import StrEnum

from common.updates import Update

from delivery.domain import block
from delivery.domain.note import Marker, Note
from delivery.domain.row import Known, Lost, Written

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
    if known.note is not None and (period in (None, known.note.period) or not may_create):
        return Step.UPDATE  # what was removed is taken out of an earlier period's note as well
    return Step.CREATE if may_create else Step.LEAVE


def is_up_to_date(known: Known, period: int | None, newest: Update | None, activity: bool) -> bool:
    """Whether all that was said already stands in the CRM, so that nothing need be written."""
    if known.unknown_note or known.unknown_activity or known.note is None:
        return False
    if period is not None and known.note.period != period:
        return False
    return shows(known.note, newest) and (shows(known.activity, newest) or not activity)


def shows(record: Written | None, newest: Update | None) -> bool:
    """Whether everything that was said stands in it."""
    through = record.through if record else None
    return through is not None and newest is not None and through >= newest


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


def was_deleted_by_people(recorded: str | None, present: str | None) -> bool:
    """Of a record that is gone: whether its person is still there, under the id it was made at.

    Else it went with them, and is made again at whoever is found now.
    """
    return recorded is not None and present == recorded


def lose(known: Known, how: Lost, newest: Update | None) -> Known:
    """The note is no longer ours; its id is forgotten, so that nothing of ours touches it again."""
    return replace(
        known,
        note=None,
        lost=how,
        lost_through=newest,
        handed_over=known.handed_over + (how is Lost.HANDED_OVER),
    )


def _is_newer(newest: Update, than: Update | None) -> bool:
    return than is None or newest > than

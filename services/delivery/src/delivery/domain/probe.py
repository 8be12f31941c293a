"""A create of unknown end: when to look for what it may have made, and what the look tells."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from delivery.domain.note import StoredNote
from delivery.domain.row import Distrust, Kind, Known, UnknownWrite, Written

# After a restore. Each costs a look; old periods were healed long ago.
HEALED_PERIODS_MAX = 20
CANDIDATES_MAX = 10
LOOKS = 2  # finished ones that found nothing; only then may it be created again
# Between two looks, where the CRM lists what it has at once.
_PAUSE_MIN = timedelta(seconds=1)


def visible_at(unknown: UnknownWrite, deadline: timedelta, visible_after: timedelta) -> datetime:
    """From when on a probe would see the write, had it taken effect."""
    return unknown.started_at + deadline + visible_after


def is_by_us(note: StoredNote, known: Known, user_id: str | None) -> bool:
    """Only a note of our connection's user is adopted, where the CRM says who wrote it.

    That is whoever is connected now, and whoever was when something was created for this row.
    """
    unsaid = note.author_id is None or user_id is None
    return unsaid or note.author_id == user_id or note.author_id in known.users


@dataclass(frozen=True, slots=True)
class Probed:
    known: Known
    again_at: datetime | None = None  # the look has to be repeated then, before anything is created


def probed(
    known: Known,
    kind: Kind,
    found: Sequence[StoredNote],
    *,
    person_id: str,
    now: datetime,
    visible_after: timedelta,
    heal_after: timedelta,
) -> Probed:
    """What is known after a finished look.

    Args:
        found: ours by marker and author, oldest first.
        person_id: at whom they were found.

    """
    unknown = known.unknown(kind)
    if unknown is None:
        return Probed(known)
    if not found and unknown.probes + 1 < LOOKS:
        again = known.with_unknown(kind, replace(unknown, probes=unknown.probes + 1))
        return Probed(again, now + max(visible_after, _PAUSE_MIN))
    if found:
        # It may be an earlier create's, landed late, with an older text.
        through = None if known.heal_persons else unknown.through
        record = Written(found[0].id, unknown.period, through)
        known = known.with_record(kind, record, person_id)
        known = replace(known, person_id=person_id)
        if kind == "note":  # whatever people did to the one before it
            known = replace(known, lost=None, lost_through=None)
    # What was sent may still take effect late, beside what is found or created now.
    known = replace(_remembered(known, unknown), heal_at=now + heal_after)
    return Probed(known.with_unknown(kind, None))


def _remembered(known: Known, unknown: UnknownWrite) -> Known:
    """Where healing must look for this create of unknown end once it is cleared.

    By then the recorded note may be of a later period or at another person, or there may be none.
    """
    return replace(
        known,
        heal_periods=tuple(dict.fromkeys((*known.heal_periods, unknown.period))),
        heal_persons=tuple(dict.fromkeys((*known.heal_persons, unknown.person_id))),
    )


def is_doubtful(
    known: Known, kind: Kind, distrust: Distrust | None, began_at: datetime | None
) -> bool:
    """Whether a restored ledger may have forgotten it; the conversation began at `began_at`."""
    if distrust is None or began_at is None or began_at >= distrust.before:
        return False
    sure_at = known.sure_at(kind)
    return sure_at is None or sure_at < distrust.declared_at


def doubted(
    known: Known,
    kind: Kind,
    *,
    person_id: str,
    candidates: Sequence[str],
    period: int | None,
    periods: Sequence[int],
    began_at: datetime,
    now: datetime,
) -> Known:
    """As if a create had been sent when the conversation began, and its end were unknown.

    What had to be healed is forgotten too, so it is looked for wherever it may be.

    Args:
        candidates: persons that it may have been created for.
        periods: the conversation's, oldest first.

    """
    unknown = UnknownWrite(person_id, period, began_at)
    healed = (*known.heal_periods, None, *periods[-HEALED_PERIODS_MAX:])
    known = replace(
        known,
        heal_periods=tuple(dict.fromkeys(healed)),
        heal_persons=tuple(dict.fromkeys((*known.heal_persons, *candidates[:CANDIDATES_MAX]))),
    )
    return known.with_unknown(kind, unknown).with_sure_at(kind, now)

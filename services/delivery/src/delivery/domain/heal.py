"""Creates that took effect after all: which records are surplus, and where to look for them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from delivery.domain.note import StoredNote
from delivery.domain.probe import is_by_us
from delivery.domain.row import Distrust, Kind, Known, Written


def persons_to_look_at(known: Known) -> list[str]:
    """Wherever we wrote or tried to: a late note need not be at the recorded person."""
    unknown = [u.person_id for u in (known.unknown_note, known.unknown_activity) if u is not None]
    recorded = [known.person_id] if known.person_id is not None else []
    return list(dict.fromkeys((*recorded, *unknown, *known.heal_persons)))


def periods_to_look_at(known: Known, kind: Kind) -> list[int | None]:
    """That of the recorded one (policy `update`: None), and those with an unknown end before."""
    recorded = known.record(kind)
    now = recorded.period if recorded else None
    return list(dict.fromkeys((now, *known.heal_periods)))


def unsure_of_text(known: Known, heal_at: datetime) -> Known:
    """An update was sent, or may have been, and takes effect by `heal_at` if it ever does."""
    if known.note is None and known.activity is None:
        return known
    return replace(known, heal_text=True, heal_at=max(known.heal_at or heal_at, heal_at))


@dataclass(frozen=True, slots=True)
class Healed:
    known: Known
    surplus: tuple[StoredNote, ...]  # to be deleted


def healed(
    known: Known,
    kind: Kind,
    period: int | None,
    found: Sequence[StoredNote],
    user_id: str | None,
    distrust: Distrust | None = None,
) -> Healed:
    """What to keep of what was found with exactly our marker.

    The recorded one is kept, and nothing takes its place where people deleted it or made it theirs.
    Where none is recorded the first one found is kept: the oldest, unless at several persons; and
    so it is where the ledger was restored since, and the record may be older than what is found.
    """
    ours = [note for note in found if is_by_us(note, known, user_id)]
    recorded = known.record(kind)
    of_period = recorded if recorded is not None and recorded.period == period else None
    if of_period is not None and any(note.id == of_period.id for note in ours):
        return Healed(known, tuple(note for note in ours if note.id != of_period.id))
    lost = of_period is not None or (kind == "note" and known.lost is not None and period is None)
    sure_at = known.sure_at(kind)
    sure = distrust is None or (sure_at is not None and sure_at >= distrust.declared_at)
    if lost and sure:
        return Healed(known, tuple(ours))
    if ours and (recorded is None or lost):
        known = known.with_record(kind, Written(ours[0].id, period, None), ours[0].person_id)
        if kind == "note":
            known = replace(known, lost=None, lost_through=None)
    return Healed(known, tuple(ours[1:]))


def is_ours_to_undo(current: Known, kind: Kind, created_id: str, started_at: datetime) -> bool:
    """Whether an attempt that lost its row should delete the record that it created meanwhile.

    Not if the present owner adopted it, and not while that very create is still being looked for:
    the probe will find it.
    """
    recorded, sought = current.record(kind), current.unknown(kind)
    if recorded is not None and recorded.id == created_id:
        return False
    return sought is None or sought.started_at != started_at

"""At whom records of ours are by now: persons are merged, and not every CRM says into whom."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from delivery.domain.row import Kind, Known
from delivery.ports import CrmAccess
from delivery.records import records
from delivery.working import Needs

KINDS: Final[tuple[Kind, ...]] = ("note", "activity")


async def whereabouts(
    needs: Needs,
    access: CrmAccess,
    known: Known,
    persons: Sequence[str],
    candidates: Callable[[], Awaitable[Sequence[str]]],
) -> list[str]:
    """Present ids of these persons, and of those that the recorded note and activity are at.

    Args:
        candidates: whom the contact's addresses find; asked where one of the persons is gone.

    """
    deadline, found, gone = needs.limits.call_deadline, list[str](), False
    for person_id in persons:
        state = await needs.crm.person(access, person_id, deadline)
        found += [state.id] if state else []
        gone = gone or state is None
    for kind in KINDS:
        recorded = known.record(kind)
        if recorded is not None:
            stored = await records(kind, needs.crm, access, deadline).read(recorded.id)
            found += [stored.person_id] if stored and stored.person_id else []
    if gone:
        found += await candidates()  # merged without a trace, perhaps
    return list(dict.fromkeys(found))

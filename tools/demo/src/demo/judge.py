"""Was it right? What came of each conversation, against what the scenario file says must come.

Pure: it is given what was seen. Notes and activities are counted in the CRM's own store, outcomes
are those the product reported; the expectations come from the file alone.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import unescape

from common.outcomes import Outcome

from demo.scenario import Conversation, Expected, Scenario

_TAG = re.compile(r"<[^>]*>")


@dataclass(frozen=True, slots=True)
class CrmSeen:
    """What lies in one CRM account for one conversation's persons: live records only."""

    notes: tuple[str, ...]  # bodies as stored
    activities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Seen:
    outcomes: Mapping[tuple[str, str], Sequence[Outcome]]  # (conversation name, app) -> in order
    crm: Mapping[tuple[str, str], CrmSeen]


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the final table."""

    conversation: str
    app: str
    outcome: str
    why: str
    faults: tuple[str, ...]  # empty: as it must be


def lines(scenario: Scenario, seen: Seen, *, by_outcomes: bool = True) -> list[Line]:
    """Every expectation of the scenario, judged.

    Args:
        scenario: what must come of it.
        seen: what came of it.
        by_outcomes: False judges the CRMs' stores alone: whatever happened on the way, each
            conversation that must have a note has just one with its last words in it.

    """
    return [
        _line(conversation, app, expected, seen, by_outcomes)
        for conversation in scenario.conversations
        for app, expected in conversation.expect.by_app().items()
    ]


def _line(
    conversation: Conversation, app: str, expected: Expected, seen: Seen, by_outcomes: bool
) -> Line:
    key = (conversation.name, app)
    outcomes = seen.outcomes.get(key, ())
    crm = seen.crm.get(key, CrmSeen(()))
    faults = _store_faults(expected, crm)
    if by_outcomes:
        faults += _shown(expected.not_yet, crm)
        if Counter(map(_as_made, outcomes)) != Counter(expected.outcomes):
            faults.insert(0, f"outcomes {_names(outcomes)} instead of {_names(expected.outcomes)}")
    return Line(conversation.name, app, _names(outcomes), conversation.expect.why, tuple(faults))


def _as_made(outcome: Outcome) -> Outcome:
    """A record whose answer came too late on a busy machine is found by the next attempt."""
    return Outcome.DELIVERED if outcome is Outcome.ALREADY_THERE else outcome


def _store_faults(expected: Expected, crm: CrmSeen) -> list[str]:
    faults = []
    for what, found, wanted in (
        ("note", crm.notes, expected.notes),
        ("activity", crm.activities, expected.activities),
    ):
        if len(found) != wanted:
            faults.append(f"{len(found)} live {what} record(s) instead of {wanted}")
    text = _text(crm)
    links = " ".join(crm.notes)
    faults += [
        f"the note lacks {words!r}"
        for words in expected.contains
        if words not in text and words not in links
    ]
    return faults + _shown(expected.lacks, crm)


def _shown(unwanted: Sequence[str], crm: CrmSeen) -> list[str]:
    text = _text(crm)
    return [f"the note shows {words!r}" for words in unwanted if words in text]


def _text(crm: CrmSeen) -> str:
    return " ".join(unescape(_TAG.sub(" ", note)) for note in crm.notes)


def _names(outcomes: Sequence[Outcome]) -> str:
    return ", then ".join(outcomes) or "nothing to do"

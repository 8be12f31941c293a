"""What must be true of a conversation once it is answered and healed, whatever was killed."""

import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

from crashing.scenarios import Scenario
from crashing.stage import Stage
from crashing.tracing import Point

_MARKER = re.compile(r"\[lull [^\]]+\]")


@dataclass(frozen=True, slots=True)
class Case:
    scenario: Scenario
    talk: Any
    point: Point | None
    killed: bool
    created_unknown: bool  # killed between the CRM's 201 and our commit

    def __str__(self) -> str:
        return f"{self.scenario.name}, killed at {self.point}"


async def broken(stage: Stage, cases: list[Case], text: str) -> list[str]:
    notes = stage.control.notes(*stage.account)
    activities = stage.control.activities(*stage.account)
    found = []
    for case in cases:
        found += [
            f"{stage.place.crm}, {stage.policy}: {case}: {fault}"
            for fault in await _faults(stage, case, notes, activities, text)
        ]
    return found


async def _faults(
    stage: Stage, case: Case, notes: list[Any], activities: list[Any], text: str
) -> list[str]:
    row, faults = await stage.row(case.talk), list[str]()
    asked = stage.asked[case.talk.id]
    periods = case.scenario.periods if stage.policy == "new" else 1
    live = _about(case, stage, notes)
    if Counter(live.values()) != dict.fromkeys(live.values(), 1) or len(live) != periods:
        faults.append(f"notes {live}")
    if row["note_id"] not in live:
        faults.append(f"the ledger knows of note {row['note_id']}, not of {live}")
    if stage.place.crm == "pipedrive":
        beside = _about(case, stage, activities)
        if list(beside) != [row["activity_id"]]:
            faults.append(f"activities {beside}, known {row['activity_id']}")
    outcomes = json.loads(row["outbox"])
    ids = Counter(outcome["outcome_id"] for outcome in outcomes)
    if set(ids.values()) != {1} or len(ids) != asked:
        faults.append(f"asked {asked}, outcomes {[o['outcome'] for o in outcomes]}")
    left = [name for name in ("unknown_write", "unknown_activity", "lease_until") if row[name]]
    if left or row["open_requests"] != "[]":
        faults.append(f"left: {left} {row['open_requests']}")
    if text in row["whole"]:
        faults.append("text in the ledger")
    return faults


def _about(case: Case, stage: Stage, records: list[Any]) -> dict[str, str]:
    """The markers of those about this conversation, by id."""
    mine = f"[lull {stage.place.workspace}/{case.talk.id}"
    markers = {str(r["id"]): _MARKER.search(r["body"]) for r in records if mine in r["body"]}
    return {place: marker.group() for place, marker in markers.items() if marker}

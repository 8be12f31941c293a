"""The trigger table of the design, cell by cell, as judged on the fresh conversation."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import attempting
import pytest
from common.eligibility import Installation
from common.events import Trigger
from common.outcomes import Outcome
from common.updates import Update
from delivery.domain.conversation import Conversation, Message
from delivery.domain.row import Key, Known, Request, Row
from delivery.judging import begin, judge_by_conversation
from delivery.ports import Claim
from delivery.working import Working

QUIET_PERIOD = timedelta(minutes=15)
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
INSTALLED = NOW - timedelta(days=1)
SAID = NOW - timedelta(hours=1)
WAITS = "waits"

# Rows: triggers. Columns: what each demands. As in the design, word for word.
TABLE = """
| trigger  | toggle on | updated after install | active app user assigned | a person spoke | quiet |
| quiet    | yes       | yes                   | yes                      | yes            | yes   |
| action   | no        | no                    | yes                      | no             | no    |
| manual   | no        | yes                   | yes                      | no             | no    |
| backfill | yes       | no                    | yes                      | yes            | yes   |
"""
HEAD, *LINES = [
    [c.strip() for c in line.strip("| ").split("|")] for line in TABLE.split("\n")[1:-1]
]
CELLS = [
    (line[0], demand, cell == "yes")
    for line in LINES
    for demand, cell in zip(HEAD[1:], line[1:], strict=True)
]


def message(number: int, at: datetime, kind: str = "user") -> Message:
    update = Update(at, number) if kind == "user" else None
    return Message(number, at, kind, "Ada", "hello", (), False, update)


GOOD = Conversation("wk1", "1", "email", (message(7, SAID),), 0, "5001", False, ("c1",), NOW)
ON = attempting.INSTALLATION.model_copy(update={"installed_at": INSTALLED})
# What is wrong with the world where only this demand is not met, and what is said then.
UNMET: dict[str, list[tuple[Installation, Conversation, Outcome | str]]] = {
    "toggle on": [(ON.model_copy(update={"transcript_sync": False}), GOOD, Outcome.SYNC_OFF)],
    "updated after install": [
        (
            ON.model_copy(update={"installed_at": SAID + late}),
            GOOD,
            Outcome.NOT_INSTALLED_THEN,
        )
        for late in (timedelta(0), timedelta(minutes=1))
    ],
    "active app user assigned": [
        (ON, replace(GOOD, assignee_id=None), Outcome.NO_ACTIVE_ASSIGNEE),
        (ON, replace(GOOD, assignee_id="5002"), Outcome.NO_ACTIVE_ASSIGNEE),
        (ON, replace(GOOD, assignee_id="5002", team_assigned=True), Outcome.NO_ACTIVE_ASSIGNEE),
        (ON, replace(GOOD, assignee_id=None, team_assigned=True), Outcome.TEAM_ONLY),
    ],
    "a person spoke": [
        (ON, replace(GOOD, messages=(message(7, SAID, "bot"),)), Outcome.NOBODY_SPOKE),
    ],
    "quiet": [
        (ON, replace(GOOD, messages=(*GOOD.messages, message(8, NOW - QUIET_PERIOD + gap))), WAITS)
        for gap in (timedelta(seconds=1), QUIET_PERIOD)
    ],
}


@dataclass
class Settings:
    known: Installation | None

    async def installation(self, *_: str, fresh: bool = False) -> Installation | None:
        return self.known


async def judged(
    trigger: str, known: Installation, talk: Conversation, actor: str = "5001"
) -> Outcome | str | None:
    """How the request ends or that it waits; None: it may be written."""
    update = Update(SAID, 7) if trigger in ("quiet", "backfill") else None
    request = Request(1, Trigger(trigger), "hubspot", NOW, update, actor_id=actor)
    row = Row(Key("wk1", "1", "hubspot", "42001"), wanted=1, taken=1, requests=(request,))
    claim = Claim(row, "token", NOW, 0.0, 60.0)
    working = Working(claim, lambda: 0.0, Known(), [request])
    needs: Any = type("Needs", (), {"settings": Settings(known)})
    await begin(needs, working)
    if working.left:
        judge_by_conversation(working, talk, QUIET_PERIOD)
    if working.quiet_at is not None:
        assert working.left == []
        assert working.quiet_at > NOW
        return WAITS
    return working.verdicts[1].outcome if working.verdicts else None


def test_the_table_is_whole() -> None:
    assert {line[0] for line in LINES} == {t.value for t in Trigger} - {"removed"}
    assert set(HEAD[1:]) == set(UNMET)
    assert len(CELLS) == 20


@pytest.mark.parametrize("trigger", [line[0] for line in LINES])
async def test_whatever_meets_every_demand_may_be_written(trigger: str) -> None:
    assert await judged(trigger, ON, GOOD) is None


@pytest.mark.parametrize(
    ("trigger", "demand", "demanded"), CELLS, ids=[f"{t}: {d}" for t, d, _ in CELLS]
)
async def test_a_cell_binds_its_trigger_or_does_not(
    trigger: str, demand: str, demanded: bool
) -> None:
    for known, talk, said in UNMET[demand]:
        assert await judged(trigger, known, talk) == (said if demanded else None)


async def test_an_action_demands_an_actor_who_is_an_active_app_user() -> None:
    assert await judged("action", ON, GOOD, actor="5002") is Outcome.ACTOR_NOT_APP_USER
    for trigger in ("quiet", "manual", "backfill"):
        assert await judged(trigger, ON, GOOD, actor="5002") is None


async def test_a_reply_is_quiet_exactly_when_its_quiet_period_is_over() -> None:
    for trigger in ("quiet", "backfill"):
        exact = replace(GOOD, messages=(message(7, NOW - QUIET_PERIOD),))
        assert await judged(trigger, ON, exact) is None

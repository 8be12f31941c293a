"""Records that nobody can use are set aside and block nothing."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from common.events import ConversationUpdated

pytestmark = pytest.mark.integration
NewLog = Callable[..., Awaitable[Any]]

POISON: dict[str, bytes | None] = {
    "tombstone": None,
    "empty": b"",
    "not JSON": b"canary {",
    "not UTF-8": b'{"workspace_id":"\xff\xfe"}',
    "lone surrogate": b'{"workspace_id":"\\ud800","conversation_id":"1","updated_at":1}',
    "a list": b"[1, 2]",
    "a number": b"42",
    "a field is missing": b'{"workspace_id":"w1","conversation_id":"1","updated_at":1}',
    "wrong type": b'{"workspace_id":"w1","conversation_id":"1","updated_at":[],"part_id":1}',
    "id too long": b'{"workspace_id":"%b","conversation_id":"1","updated_at":1,"part_id":1}'
    % (b"w" * 65),
    "not an id": b'{"workspace_id":"a:b","conversation_id":"1","updated_at":1,"part_id":1}',
    "negative part": b'{"workspace_id":"w1","conversation_id":"1","updated_at":1,"part_id":-1}',
    "900 KB": b"x" * 900_000,
}


async def test_unusable_records_go_to_the_dead_letters_and_block_nothing(new_log: NewLog) -> None:
    log = await new_log(quiet_s=1.0, partitions=1)
    replica = await log.started()
    places = {}
    for name, value in POISON.items():
        places[name] = await log.append(value, b"w1:1", 0)
    await log.say(5)

    verdict = await log.all_settled(within_s=10)

    assert verdict.right
    assert verdict.expected == 1
    letters = await log.read(f"{log.updated}.dlt")
    told = {json.loads(letter.value)["offset"]: letter for letter in letters}
    assert sorted(told) == sorted(offset for _, offset, _ in places.values())
    assert all(b"canary" not in letter.value for letter in letters)
    reasons = {name: json.loads(told[place[1]].value)["reason"] for name, place in places.items()}
    assert reasons["tombstone"] == reasons["empty"] == "no_value"
    assert reasons["not JSON"] == reasons["900 KB"] == "not_json"
    assert reasons["wrong type"] == reasons["not an id"] == "invalid_update"
    await log.until_committed(await log.end_offsets())
    assert await replica.ready()


async def test_what_the_event_model_reads_is_read_whatever_its_form(new_log: NewLog) -> None:
    log = await new_log(quiet_s=0.5, partitions=1)
    await log.started()
    value = (
        b' {"part_id": "7", "updated_at": "2026-01-01T00:00:00Z", "later_field": {"a": [1]}, '
        b'"conversation_id": "9", "workspace_id": "w_1-"} '
    )
    event = ConversationUpdated.model_validate_json(value)
    await log.append(value, event.key(), 0)

    async def settled() -> list[Any]:
        return list(await log.settled_events())

    while not (found := await settled()):
        pass
    assert [(one.conversation, one.updated_at, one.part_id) for one in found] == [
        ("w_1-:9", int(event.updated_at.timestamp()), 7)
    ]

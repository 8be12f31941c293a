"""Two replicas asked what is pending: the owner answers, the other one names it."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import pytest

pytestmark = pytest.mark.integration
NewLog = Callable[..., Awaitable[Any]]


@pytest.fixture(scope="module")
async def two(new_log_of_module: NewLog) -> tuple[Any, dict[str, Any]]:
    """A log of four partitions, and two replicas of which each has two of them."""
    log = await new_log_of_module(quiet_s=600.0, partitions=4)
    replicas = {name: await log.started(name) for name in "ab"}
    # The first one had all four until the second came.
    for replica in replicas.values():
        await replica.until_partitions(2)
        await replica.until_answers("/readyz", 200)
    return log, replicas


async def test_the_owner_answers_and_the_other_replica_names_it(
    two: tuple[Any, dict[str, Any]],
) -> None:
    log, replicas = two
    said = [await log.say(conversation) for conversation in range(1, 9)]
    for replica in replicas.values():
        await replica.until_metric("lull_debounce_read_lag", 0)
    owners = set()

    for one in said:
        path = f"/v1/pending/{one.conversation.replace(':', '/')}"
        answers = {name: await replica.get(path) for name, replica in replicas.items()}
        assert [status for status, _ in answers.values()] == [200, 200]
        owner = answers["a"][1]["owner"]
        assert answers["b"][1]["owner"] == owner
        owned = answers.pop(owner)[1]
        assert owned["pending"] is True
        assert owned["caught_up"] is True
        assert owned["answered_by"] == owner
        assert owned["partition"] == one.partition
        assert datetime.fromisoformat(owned["due_at"]).timestamp() * 1000 == pytest.approx(
            one.appended_ms + log.quiet_ms, abs=1
        )
        assert datetime.fromisoformat(owned["updated_at"]).timestamp() == one.updated_at
        ((other, (_, named)),) = answers.items()
        assert named["pending"] is None
        assert named["answered_by"] == other
        assert "due_at" not in named
        owners.add(owner)
    assert owners == {"a", "b"}


async def test_what_is_not_pending_is_said_to_be_so_by_its_owner(
    two: tuple[Any, dict[str, Any]],
) -> None:
    _, replicas = two

    answers = [(await replica.get("/v1/pending/w1/404"))[1] for replica in replicas.values()]

    assert sorted(str(answer["pending"]) for answer in answers) == ["False", "None"]
    assert answers[0]["owner"] == answers[1]["owner"]
    assert (await replicas["a"].get("/v1/pending/w1/x"))[0] == 404
    assert (await replicas["a"].get("/v1/pending/a:b/1"))[0] == 404


async def test_each_replica_counts_a_workspace_in_its_own_partitions(
    two: tuple[Any, dict[str, Any]],
) -> None:
    log, replicas = two
    before = [(await r.get("/v1/pending/w1"))[1]["pending"] for r in replicas.values()]
    for conversation in range(101, 131):
        await log.say(conversation)
    other = b'{"workspace_id":"w12","conversation_id":"5","updated_at":1,"part_id":1}'
    await log.append(other, b"w12:5")
    for replica in replicas.values():
        await replica.until_metric("lull_debounce_read_lag", 0)

    counts = [(await replica.get("/v1/pending/w1"))[1] for replica in replicas.values()]

    assert sum(count["pending"] for count in counts) == sum(before) + 30
    assert sorted(number for count in counts for number in count["partitions"]) == list("0123")
    assert all(sum(count["partitions"].values()) == count["pending"] for count in counts)
    assert (await replicas["a"].get("/v1/pending/nobody"))[1]["pending"] == 0

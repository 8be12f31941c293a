"""What debounce and delivery tell of waiting conversations, and what is said when they don't."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from common.catalog import CRMS
from common.health import Need
from common.outcomes import Outcome
from common.peers import HttpPending, PeerUnavailable
from settings.adapters.peers import HttpDeliveries
from settings.domain.history import Again
from settings.ports.history import Asked, Preview, Unwritten, Waiting

DUE = datetime(2026, 11, 26, 9, 15, tzinfo=UTC)
ONE, TWO = "http://debounce-0:8081", "http://debounce-1:8081"

Answer = tuple[int, Any]


def client(answers: dict[str, Answer]) -> httpx.AsyncClient:
    def answer(request: httpx.Request) -> httpx.Response:
        status, body = answers[str(request.url)]
        return httpx.Response(status, json=body)

    return httpx.AsyncClient(transport=httpx.MockTransport(answer))


def pending(answers: dict[str, Answer]) -> HttpPending:
    return HttpPending(client(answers), Need("debounce"), [ONE, TWO])


async def test_what_waits_is_the_sum_over_the_replicas() -> None:
    asked = pending(
        {
            f"{ONE}/v1/pending/wk1": (200, {"workspace_id": "wk1", "pending": 3}),
            f"{TWO}/v1/pending/wk1": (200, {"workspace_id": "wk1", "pending": 4}),
        }
    )
    assert await asked.count("wk1") == 7


async def test_the_replica_whose_partition_it_is_says_when_a_conversation_is_due() -> None:
    asked = pending(
        {
            f"{ONE}/v1/pending/wk1/7": (200, {"pending": None, "owner": "debounce-1"}),
            f"{TWO}/v1/pending/wk1/7": (200, {"pending": True, "due_at": DUE.isoformat()}),
            f"{ONE}/v1/pending/wk1/8": (200, {"pending": False, "caught_up": True}),
            f"{TWO}/v1/pending/wk1/8": (503, {"title": "not connected"}),
        }
    )
    assert await asked.due_at("wk1", "7") == DUE
    assert await asked.due_at("wk1", "8") is None


@pytest.mark.parametrize("answer", [(503, {"title": "not connected"}), (200, ["no object"])])
async def test_one_replica_that_does_not_answer_leaves_the_count_untold(answer: Answer) -> None:
    asked = pending(
        {
            f"{ONE}/v1/pending/wk1": (200, {"pending": 3}),
            f"{TWO}/v1/pending/wk1": answer,
        }
    )
    with pytest.raises(PeerUnavailable):
        await asked.count("wk1")
    assert asked.need.fault is not None


async def test_a_conversation_that_no_replica_owns_right_now_is_untold() -> None:
    nobody = (200, {"pending": None})
    asked = pending({f"{ONE}/v1/pending/wk1/7": nobody, f"{TWO}/v1/pending/wk1/7": nobody})
    with pytest.raises(PeerUnavailable):
        await asked.due_at("wk1", "7")


def ledger(answer: Callable[[httpx.Request], httpx.Response]) -> HttpDeliveries:
    transport = httpx.MockTransport(answer)
    return HttpDeliveries(
        httpx.AsyncClient(transport=transport),
        Need("delivery"),
        "http://delivery-{crm}:8082",
        "t" * 16,
    )


async def test_delivery_tells_what_it_holds_of_a_conversation_and_why() -> None:
    waiting = {
        "for": "retry",
        "reason": "http_503",
        "until": DUE.isoformat(),
        "failed_attempts": 2,
    }
    asked = ledger(
        lambda request: httpx.Response(
            200,
            json={
                "deliveries": [
                    {"app": "hubspot", "waiting": waiting},
                    {"app": "pipedrive", "waiting": None},
                ]
            },
        )
    )
    assert await asked.waiting("wk1", "7") == [Waiting("7", "hubspot", "retry", DUE, 2, "http_503")]


async def test_a_conversation_that_nobody_asked_for_waits_for_nothing() -> None:
    asked = ledger(lambda request: httpx.Response(404, json={"title": "nothing was asked"}))
    assert await asked.waiting("wk1", "7") == []
    assert asked.need.fault is None


async def test_delivery_away_is_said() -> None:
    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with pytest.raises(PeerUnavailable):
        await ledger(away).waiting("wk1", "7")


async def test_a_preview_is_asked_of_the_delivery_of_its_crm_with_our_credential() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert str(request.url) == "http://delivery-pipedrive:8082/v1/previews/wk1/7/pipedrive"
        assert request.headers["authorization"] == f"Bearer {'t' * 16}"
        told = {"refused": "sync_off", "quiet_at": None, "person_id": "501", "note": "hello"}
        return httpx.Response(200, json=told)

    found = await ledger(answer).preview("wk1", "7", "pipedrive")
    assert found == Preview(Outcome.SYNC_OFF, None, "501", "hello")
    assert "hello" not in repr(found)


@pytest.mark.parametrize("answer", [(401, {}), (404, {}), (503, {}), (200, {"refused": "new"})])
async def test_a_preview_that_cannot_be_had_is_none(answer: Answer) -> None:
    status, body = answer
    with pytest.raises(PeerUnavailable):
        await ledger(lambda _: httpx.Response(status, json=body)).preview("wk1", "7", "hubspot")


async def test_a_filter_is_counted_and_asked_again_as_delivery_takes_it() -> None:
    sent: list[dict[str, Any]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        assert str(request.url) == f"http://delivery-{CRMS[0]}:8082/v1/replays"
        assert request.headers["authorization"] == f"Bearer {'t' * 16}"
        sent.append(json.loads(request.content))
        if sent[-1]["dry_run"]:
            return httpx.Response(200, json={"count": 7, "by": [], "until": DUE.isoformat()})
        told = {"asked": 5, "already_open": 2, "until": DUE.isoformat(), "after": [9, "hubspot"]}
        return httpx.Response(200, json=told)

    outcomes = frozenset({Outcome.FAILED, Outcome.SYNC_OFF})
    wanted = Again(outcomes, app="hubspot", conversation_ids=("7", "8"))
    assert await ledger(answer).unwritten("wk1", wanted) == Unwritten(7, DUE)
    assert await ledger(answer).ask_again("wk1", wanted, DUE, [4, "hubspot"]) == Asked(
        5, 2, [9, "hubspot"]
    )
    asked = {
        "workspace_id": "wk1",
        "conversation_ids": ["7", "8"],
        "apps": ["hubspot"],
        "outcomes": ["failed", "sync_off"],
        "since": None,
    }
    assert sent == [
        asked | {"until": None, "dry_run": True},
        asked | {"until": DUE.isoformat(), "dry_run": False, "after": [4, "hubspot"]},
    ]


async def test_what_needs_our_credential_is_not_asked_without_it() -> None:
    need = Need("delivery")
    nobody = HttpDeliveries(httpx.AsyncClient(), need, "http://127.0.0.1:9", None)
    with pytest.raises(PeerUnavailable):
        await nobody.unwritten("wk1", Again(frozenset({Outcome.FAILED})))
    assert "LULL_SETTINGS_DELIVERY_TOKEN" in str(need.fault)


@pytest.mark.parametrize("answer", [(503, {}), (200, {}), (200, {"deleted": 3})])
async def test_what_delivery_does_not_say_that_it_deleted_is_not_taken_for_deleted(
    answer: Answer,
) -> None:
    status, body = answer
    with pytest.raises(PeerUnavailable):
        await ledger(lambda _: httpx.Response(status, json=body)).forget("wk1")

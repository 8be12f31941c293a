"""`POST /v1/actions`: a significant action is published as settled at once."""

import json
from typing import Any

import httpx
import pytest
from common.events import ConversationSettled, CrmPerson, Trigger
from ingest.config import IngestConfig
from ingest.domain.action import Action

ACTION: dict[str, Any] = {
    "action_id": "act-1",
    "workspace_id": "wk9demo1",
    "conversation_id": "215470000000001",
    "app": "hubspot",
    "kind": "create_deal",
    "actor_id": "5001",
    "person": {"kind": "contact", "id": "501"},
}
KINDS = (
    "create_contact",
    "create_person",
    "create_user",
    "create_lead",
    "create_deal",
    "create_opportunity",
    "create_task",
    "add_note",
    "add_comment",
)


@pytest.fixture
def authorized(action_token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {action_token}"}


async def test_an_action_is_published_as_settled(
    api: httpx.AsyncClient, authorized: dict[str, str], memory_log: Any
) -> None:
    answer = await api.post("/v1/actions", json=ACTION, headers=authorized)
    assert answer.status_code == 202
    event = ConversationSettled(
        workspace_id="wk9demo1",
        conversation_id="215470000000001",
        trigger=Trigger.ACTION,
        app="hubspot",
        action_id="act-1",
        actor_id="5001",
        person=CrmPerson(kind="contact", id="501"),
    )
    assert memory_log.appended == [(event, answer.json()["event_id"])]


@pytest.mark.parametrize("kind", KINDS)
async def test_every_kind_of_significant_action_is_taken(
    kind: str, api: httpx.AsyncClient, authorized: dict[str, str]
) -> None:
    answer = await api.post("/v1/actions", json=ACTION | {"kind": kind}, headers=authorized)
    assert answer.status_code == 202


async def test_the_person_may_be_left_out(
    api: httpx.AsyncClient, authorized: dict[str, str], memory_log: Any
) -> None:
    action = {name: value for name, value in ACTION.items() if name != "person"}
    assert (await api.post("/v1/actions", json=action, headers=authorized)).status_code == 202
    assert memory_log.appended[0][0].person is None


async def test_a_repeat_has_the_same_event_id_and_another_action_has_another(
    api: httpx.AsyncClient, authorized: dict[str, str]
) -> None:
    ids = [
        (await api.post("/v1/actions", json=action, headers=authorized)).json()["event_id"]
        for action in (ACTION, ACTION, ACTION | {"action_id": "act-2"})
    ]
    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", "Bearer wrong", "Basic token-of-the-inbox-app", "Bearer ä"],
)
async def test_without_a_service_token_401(
    authorization: str | None, api: httpx.AsyncClient, memory_log: Any
) -> None:
    headers = [] if authorization is None else [(b"Authorization", authorization.encode("latin-1"))]
    answer = await api.post("/v1/actions", json=ACTION, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert memory_log.appended == []


async def test_a_token_of_another_app_is_403(api: httpx.AsyncClient, memory_log: Any) -> None:
    headers = {"Authorization": "Bearer the-token-of-keap"}
    assert (await api.post("/v1/actions", json=ACTION, headers=headers)).status_code == 403
    its_own = ACTION | {"app": "keap"}
    assert (await api.post("/v1/actions", json=its_own, headers=headers)).status_code == 202
    assert len(memory_log.appended) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "create_task"},
        {"actor_id": "5002"},
        {"person": {"kind": "contact", "id": "502"}},
        {"person": None},
    ],
)
async def test_the_same_id_with_other_values_is_409_and_nothing_is_published(
    change: dict[str, Any], api: httpx.AsyncClient, authorized: dict[str, str], memory_log: Any
) -> None:
    await api.post("/v1/actions", json=ACTION, headers=authorized)
    answer = await api.post("/v1/actions", json=ACTION | change, headers=authorized)
    assert answer.status_code == 409
    assert len(memory_log.appended) == 1


async def test_what_cannot_be_compared_now_is_503_and_nothing_is_published(
    api: httpx.AsyncClient, authorized: dict[str, str], memory_log: Any, memory_told: Any
) -> None:
    memory_told.down = True
    assert (await api.post("/v1/actions", json=ACTION, headers=authorized)).status_code == 503
    assert memory_log.appended == []


@pytest.mark.parametrize(
    ("tokens", "wrong"),
    [
        ("hubspot:abcdefghijklmnop, keap:qrstuvwxyzabcdef", False),
        ("hubspot:abcdefghijklmnop,hubspot:qrstuvwxyzabcdef", False),
        ("abcdefghijklmnop", True),
        ("nosuch:abcdefghijklmnop", True),
        ("hubspot:short", True),
        ("hubspot:abcdefghijklmnop,keap:abcdefghijklmnop", True),
    ],
)
def test_each_token_names_its_app(
    tokens: str, wrong: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LULL_INGEST_ACTION_TOKENS", tokens)
    monkeypatch.setenv("LULL_KAFKA_BOOTSTRAP_SERVERS", "unused:9092")
    monkeypatch.setenv("LULL_INTERCOM_CLIENT_SECRETS", "unused")
    if wrong:
        with pytest.raises(SystemExit) as told:
            IngestConfig.load()
        assert "LULL_INGEST_ACTION_TOKENS" in str(told.value)
        assert "abcdefghijklmnop" not in str(told.value)
    else:
        assert IngestConfig.load().action_tokens()[b"abcdefghijklmnop"] == "hubspot"


@pytest.mark.parametrize(
    "change",
    [
        {"action_id": ""},
        {"action_id": "a b"},
        {"workspace_id": "a:b"},
        {"conversation_id": "abc"},
        {"app": "unheard-of"},
        {"app": None},
        {"kind": "assign"},
        {"actor_id": 5001},
        {"person": {"kind": "company", "id": "1"}},
        {"person": {"kind": "contact", "id": "1", "name": "Ada"}},
        {"comment": "a field that is not there"},
    ],
)
async def test_an_invalid_field_is_422_and_its_value_is_not_repeated(
    change: dict[str, Any], api: httpx.AsyncClient, authorized: dict[str, str], memory_log: Any
) -> None:
    answer = await api.post("/v1/actions", json=ACTION | change, headers=authorized)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"]
    for value in change.values():
        assert not (isinstance(value, str) and len(value) > 5 and value in answer.text)
    assert memory_log.appended == []


@pytest.mark.parametrize("field", ["action_id", "workspace_id", "app", "kind", "actor_id"])
async def test_a_missing_field_is_422(
    field: str, api: httpx.AsyncClient, authorized: dict[str, str]
) -> None:
    action = {name: value for name, value in ACTION.items() if name != field}
    assert (await api.post("/v1/actions", json=action, headers=authorized)).status_code == 422


async def test_not_json_is_400(api: httpx.AsyncClient, authorized: dict[str, str]) -> None:
    assert (await api.post("/v1/actions", content=b"{", headers=authorized)).status_code == 400


async def test_too_long_is_413(api: httpx.AsyncClient, authorized: dict[str, str]) -> None:
    body = json.dumps(ACTION | {"action_id": "a" * 200_000})
    assert (await api.post("/v1/actions", content=body, headers=authorized)).status_code == 413


async def test_an_unreachable_log_is_503(
    api: httpx.AsyncClient, authorized: dict[str, str], memory_log: Any
) -> None:
    memory_log.down = True
    assert (await api.post("/v1/actions", json=ACTION, headers=authorized)).status_code == 503


async def test_the_description_is_valid_and_names_every_answer(api: httpx.AsyncClient) -> None:
    from openapi_spec_validator import validate

    description = (await api.get("/openapi.json")).json()
    validate(description)
    answers = description["paths"]["/v1/actions"]["post"]["responses"]
    assert set(answers) == {"202", "400", "401", "403", "408", "409", "413", "415", "422", "503"}
    assert set(description["components"]["schemas"]["ActionKind"]["enum"]) == set(KINDS)
    body = description["paths"]["/v1/actions"]["post"]["requestBody"]["content"]
    for example in body["application/json"]["examples"].values():
        Action.model_validate(example["value"])

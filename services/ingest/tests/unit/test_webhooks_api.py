"""`/webhooks/intercom`: every answer it can give."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
from ingest import handlers
from ingest.handlers import Ingest

Post = Callable[[bytes], Awaitable[httpx.Response]]
PATH = "/webhooks/intercom"


def _body(examples: dict[str, Any], name: str = "conversation.user.replied") -> bytes:
    return json.dumps(examples[name]).encode()


async def test_head_answers_200_without_a_body(api: httpx.AsyncClient) -> None:
    answer = await api.head(PATH)
    assert (answer.status_code, answer.content) == (200, b"")


async def test_an_update_is_on_the_log_when_200_is_answered(
    post_webhook: Post, examples: dict[str, Any], memory_log: Any
) -> None:
    answer = await post_webhook(_body(examples))
    assert (answer.status_code, answer.content) == (200, b"")
    assert [event_id for _, event_id in memory_log.appended] == [
        "notif_00000000-0000-4000-8000-000000000002"
    ]


async def test_every_example_is_answered_200_and_published_as_expected(
    post_webhook: Post, examples: dict[str, Any], memory_log: Any
) -> None:
    for example in examples.values():
        assert (await post_webhook(json.dumps(example).encode())).status_code == 200
    assert [type(event).__name__ for event, _ in memory_log.appended] == (
        ["ConversationUpdated"] * 7 + ["ConversationSettled"] + ["ConversationUpdated"]
    )


async def test_a_redelivery_carries_the_same_event_id(
    post_webhook: Post, examples: dict[str, Any], memory_log: Any
) -> None:
    await post_webhook(_body(examples))
    await post_webhook(_body(examples, "redelivery of 2"))
    (first, first_id), (again, again_id) = memory_log.appended
    assert (first, first_id) == (again, again_id)


async def test_without_a_signature_401(api: httpx.AsyncClient, examples: dict[str, Any]) -> None:
    assert (await api.post(PATH, content=_body(examples))).status_code == 401


async def test_an_unsigned_body_is_never_parsed(
    api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def parsed(_: bytes) -> None:
        raise AssertionError("parsed")

    monkeypatch.setattr(handlers, "parse_object", parsed)
    headers = {"X-Hub-Signature": "sha1=" + "0" * 40}
    assert (await api.post(PATH, content=b"{", headers=headers)).status_code == 401


async def test_a_flipped_bit_anywhere_is_401(
    api: httpx.AsyncClient, examples: dict[str, Any], signer: Any, memory_log: Any
) -> None:
    body = _body(examples)
    for position in range(0, len(body), 97):
        flipped = bytearray(body)
        flipped[position] ^= 1
        answer = await api.post(PATH, content=bytes(flipped), headers=signer.headers(body))
        assert answer.status_code == 401
    assert memory_log.appended == []


async def test_the_old_secret_is_good_during_rotation(
    api: httpx.AsyncClient, examples: dict[str, Any], old_signer: Any
) -> None:
    body = _body(examples)
    answer = await api.post(PATH, content=body, headers=old_signer.headers(body))
    assert answer.status_code == 200


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"a":1,"a":2}', b'{"a":NaN}', b"\xff"])
async def test_signed_but_not_acceptable_json_is_400(body: bytes, post_webhook: Post) -> None:
    answer = await post_webhook(body)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"


async def test_ids_that_no_event_can_carry_are_400_since_no_retry_can_succeed(
    post_webhook: Post, examples: dict[str, Any], memory_log: Any
) -> None:
    answer = await post_webhook(_body({"x": examples["ping"] | {"topic": "conversation.x"}}, "x"))
    assert answer.status_code == 400
    assert memory_log.appended == []


async def test_too_long_is_413_by_its_announced_length(api: httpx.AsyncClient) -> None:
    assert (await api.post(PATH, content=b"x" * 100_001)).status_code == 413


async def test_too_long_is_413_without_an_announced_length_and_not_read_to_the_end(
    api: httpx.AsyncClient,
) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 10_000_000:
            sent += 10_000
            yield b"x" * 10_000

    assert (await api.post(PATH, content=endless())).status_code == 413
    assert sent < 200_000


async def test_the_longest_body_allowed_is_read(post_webhook: Post) -> None:
    assert (await post_webhook(b"{}" + b" " * 99_998)).status_code == 200


@pytest.mark.parametrize("encoding", ["gzip", "br", "identity, gzip"])
async def test_a_compressed_body_is_415(encoding: str, api: httpx.AsyncClient) -> None:
    headers = {"Content-Encoding": encoding}
    assert (await api.post(PATH, content=b"x", headers=headers)).status_code == 415


async def test_an_unreachable_log_is_503_and_never_429_or_410(
    post_webhook: Post, examples: dict[str, Any], memory_log: Any
) -> None:
    memory_log.down = True
    assert (await post_webhook(_body(examples))).status_code == 503


async def test_what_needs_no_log_is_200_while_it_is_unreachable(
    post_webhook: Post, examples: dict[str, Any], memory_log: Any
) -> None:
    memory_log.down = True
    assert (await post_webhook(_body(examples, "ping"))).status_code == 200


async def test_an_error_of_ours_shows_no_stack(
    ingest: Ingest, api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, signer: Any
) -> None:
    def broken(_: bytes) -> None:
        raise ZeroDivisionError("canary")

    monkeypatch.setattr(handlers, "parse_object", broken)
    api._transport.raise_app_exceptions = False  # type: ignore[attr-defined]
    answer = await api.post(PATH, content=b"{}", headers=signer.headers(b"{}"))
    assert answer.status_code == 500
    assert "canary" not in answer.text
    assert "Traceback" not in answer.text

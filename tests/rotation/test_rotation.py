"""Every secret is changed while people talk and look, as docs/runbook.md says.

Nobody is refused, nothing is lost, and afterwards the old ones are good for nothing. Kafka's own
are changed in tests/tls.
"""

import asyncio
import hashlib
import hmac
from collections.abc import Callable
from typing import Any

import asyncpg
import httpx
import pytest
from demo.environment import local
from devstack.waiting import wait_until
from rotating.looks import status_of
from settings.adapters.tellers import signature

pytestmark = [pytest.mark.integration, pytest.mark.faults]

WITHIN_S = 120.0


async def test_nobody_is_refused_and_nothing_is_lost_in_any_round(rotation: Any) -> None:
    def rounds() -> None:
        rotation.called_take_both()
        rotation.callers_bring_new()
        rotation.looks.sign_in()
        cut_off_and_connect_again(rotation)
        rotation.old_ones_go()
        rotation.looks.sign_in()
        seen = rotation.looks.rounds
        wait_until(lambda: rotation.looks.rounds > seen + 5, WITHIN_S)
        rotation.looks.stop()
        rotation.talk.stop()
        wait_until(
            lambda: not rotation.talk.missing(), WITHIN_S, lambda: str(rotation.talk.missing())
        )

    await asyncio.to_thread(rounds)
    assert rotation.looks.refused == []
    sent = [one["attempts"] for one in rotation.control.notifications("wk0")]
    assert len(sent) >= len(rotation.talk.begun) > 20
    assert {attempts[-1]["status"] for attempts in sent} == {200}
    assert 401 not in {attempt["status"] for attempts in sent for attempt in attempts}


def cut_off_and_connect_again(rotation: Any) -> None:
    """The admin is told, in words that both secrets of the notices sign."""
    rotation.control.revoke_crm_tokens("keap", "42002")
    wait_until(lambda: rotation.notices, WITHIN_S)
    headers, body = rotation.notices[0]
    both = [rotation.new["webhook"], rotation.old["webhook"]]
    sent_at = int(headers["webhook-timestamp"])
    signed = signature(both, headers["webhook-id"], sent_at, body)
    assert headers["webhook-signature"] == signed
    rotation.talk.connect("keap")


async def test_the_old_ones_are_good_for_nothing_afterwards(rotation: Any) -> None:
    """After the rounds above: each is shown to whoever took it once, and then the new one is."""
    ports, looks = rotation.product.ports, rotation.looks
    showing: dict[str, tuple[str, Callable[[str], int]]] = {
        "operator at settings": ("operator", looks.operators),
        "operator at delivery": ("operator", looks.replayers),
        "front end at ingest": ("action", looks.front_ends),
        "Intercom at ingest": ("intercom", lambda secret: webhook(ports.ingest, secret)),
        "card at delivery": ("delivery", bearer(ports.delivery, "/v1/cards")),
        "console at delivery": ("delivery", bearer(ports.delivery, "/v1/deliveries/wk0/forget")),
        "delivery at settings": (
            "delivery",
            bearer(ports.settings_internal, "/internal/v1/eligibility"),
        ),
    }

    def show(values: dict[str, str]) -> dict[str, int]:
        return {what: ask(values[secret]) for what, (secret, ask) in showing.items()}

    assert await asyncio.to_thread(show, rotation.old) == dict.fromkeys(showing, 401)
    taken = await asyncio.to_thread(show, rotation.new)
    assert {what for what, code in taken.items() if code in (401, 403)} == set()
    for dsn in rotation.product.first_databases():
        with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
            await asyncpg.connect(dsn)


def bearer(port: int, path: str) -> Callable[[str], int]:
    return lambda token: status_of("POST", f"{local(port)}{path}", token, {})


def webhook(port: int, secret: str) -> int:
    body = b'{"topic": "ping"}'
    signed = hmac.new(secret.encode(), body, hashlib.sha1).hexdigest()  # as Intercom signs
    headers = {"X-Hub-Signature": f"sha1={signed}"}
    url = f"{local(port)}/webhooks/intercom"
    return httpx.post(url, content=body, headers=headers, trust_env=False).status_code

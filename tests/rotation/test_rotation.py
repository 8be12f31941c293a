"""Every secret is changed while people talk and look, as docs/runbook.md says.

Nobody is refused and nothing is lost; after the last round the old ones are given to nobody.
Kafka's own are changed in tests/tls.
"""

import asyncio
from typing import Any

import pytest
from devstack.waiting import wait_until
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

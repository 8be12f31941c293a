"""R11 with everything failing: CRMs and Intercom repeat the conversation in their errors, processes
die with it in memory, records are poisoned, and no word of it lies anywhere afterwards.
"""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaProducer
from common import topics
from common.catalog import APPS, ActionKind
from demo import canary
from demo.environment import local

pytestmark = [pytest.mark.integration, pytest.mark.faults]

LEAKED = "numbat7391"
POISON = "pangolin7391"
# Whatever a vendor may refuse with; 429 is left out, since it only makes everybody wait.
STATUSES = (400, 403, 404, 409, 422, 500, 400, 422)
NEW = (ActionKind.PERSON, ActionKind.LEAD)
ON_A_PERSON = (ActionKind.DEAL, ActionKind.TASK, ActionKind.NOTE)
CALLS = r"^(?!.*(oauth|token))"


def everything_fails(rig: Any) -> None:
    for number, app in enumerate(APPS):
        for place, status in enumerate(STATUSES):
            # At every so many calls: a search, a look, a create, an update is hit, as it comes.
            rig.control.add_fault(
                APPS[app].crm, "echo", account=rig.accounts[app], path=CALLS, status=status,
                skip=3 * place,
            )  # fmt: skip
            rig.control.add_fault(
                "intercom", "echo", account=f"wk{number}", path=r"/(conversations|contacts)/",
                status=status, skip=2 * place,
            )  # fmt: skip
        # A token that is refused makes settings ask for another one, and that fails with an echo.
        rig.control.add_fault(APPS[app].crm, "401", account=rig.accounts[app], path=CALLS, skip=5)
        rig.control.add_fault(
            APPS[app].crm, "echo", path="(oauth|token)", status=500, method="POST"
        )
    for app in APPS:
        for _ in range(5):
            rig.say(app)
    rig.until(rig.ended)
    for app in APPS:
        rig.reply(app)
    time_to_settle(rig)
    hits = [fault for fault in rig.control.faults() if fault["kind"] == "echo"]
    reached = {fault["vendor"] for fault in hits if fault["hits"]}
    assert reached == {fault["vendor"] for fault in hits}
    assert sum(fault["hits"] > 0 for fault in hits) > len(hits) / 2
    rig.control.clear_faults()


def time_to_settle(rig: Any) -> None:
    """Until the replies were asked for and answered too."""

    def replied() -> bool:
        if not rig.ended():
            return False
        for number, app in enumerate(APPS):
            for talk in rig.talks[app]:
                entries = rig.api.get(f"/v1/deliveries/wk{number}/{talk}").json()["deliveries"]
                if not all(e["last"]["part_id"] for e in entries):
                    return False
        return True

    rig.until(replied)


def killed_with_the_text_in_memory(rig: Any) -> None:
    app = next(iter(APPS))
    rig.control.add_fault(APPS[app].crm, "slow", path="/notes$", method="POST", ms=1500)
    rig.say(app)
    rig.until(lambda: rig.control.faults()[-1]["hits"])
    rig.product.kill("delivery")
    rig.deliver_as(None)
    rig.until(rig.ended)
    rig.control.clear_faults()


def typed_into_forms(rig: Any, apps: Sequence[str]) -> None:
    """Refused with an echo, given up half-way, killed in the act, and done in the end."""
    known = {app: rig.say(app) for app in apps}
    unknown = {app: rig.say(app, stranger=True) for app in apps}
    rig.until(rig.ended)
    typed = [
        rig.type_into(app, kind, talks[app])
        for app in apps
        for kinds, talks in ((ON_A_PERSON, known), (NEW, unknown))
        for kind in kinds
        if kind in APPS[app].actions
    ]
    for app in apps:
        for status in (400, 500):
            rig.control.add_fault(
                APPS[app].crm,
                "echo",
                account=rig.accounts[app],
                path=CALLS,
                status=status,
                times=len(typed),
            )
    for card, button in typed:
        card.press(button)
        card.press(button)
    rig.control.clear_faults()
    app = apps[0]
    rig.control.add_fault(APPS[app].crm, "slow", path="/notes$", method="POST", ms=1500)
    card, button = rig.type_into(app, ActionKind.NOTE, known[app])
    assert "still at it" in card.press(button)
    rig.product.kill("delivery")
    rig.product.kill("ingest")
    rig.deliver_as(None)
    rig.product.restart("ingest")
    rig.product.wait_ready("ingest")
    rig.control.clear_faults()
    for typed_card, its_button in [*typed, (card, button)]:
        typed_card.press_until_done(its_button, 90)
    rig.until(rig.ended)
    for app in apps:
        kept = json.dumps(rig.control.account(APPS[app].crm, rig.accounts[app]))
        assert rig.words["typed text"] in kept  # where it belongs


def crashes_with_the_text_in_its_errors(rig: Any) -> None:
    # Not waited for: where work is left from before, it dies of that before it is ready.
    rig.product.plant("crash")
    rig.product.restart("delivery")
    for app in list(APPS)[:2]:
        rig.say(app)
        rig.say(app)
    rig.until(lambda: not rig.product.is_running("delivery"))
    log = (rig.product.logs / "delivery.log").read_text()
    for event in (
        "delivery.surprised",
        "thread.crashed",
        "error.lost",
        "python.warning",
        "asyncio.error_lost",
        "service.loop_died",
        "process.crashed",
    ):
        assert f'"{event}"' in log, event
    rig.deliver_as(None)
    rig.until(rig.ended)


async def poisoned(rig: Any) -> None:
    """Records and requests that nobody can use, with words in every part of them."""
    stack = rig.product.stack
    assert stack is not None
    word = POISON.encode()
    read = (topics.CONVERSATION_UPDATED, topics.CONVERSATION_SETTLED)
    async with AIOKafkaProducer(bootstrap_servers=stack.kafka_bootstrap) as producer:
        for topic in (*read, topics.SETTINGS_CHANGED):
            kinds = (b"lull.ConversationUpdated.v1", b"lull.ConversationSettled.v1")
            for kind in kinds:
                await producer.send_and_wait(
                    topic,
                    b'{"workspace_id": "' + word + b' x"}',
                    key=word,
                    headers=[("ce_type", kind), ("ce_id", word), ("x", word)],
                )
    webhook = f"{local(rig.product.ports.ingest)}/webhooks/intercom"
    async with httpx.AsyncClient(trust_env=False) as client:
        for body in (word, b'{"x": "' + word + b'"}'):
            for signature in ("", f"sha1={POISON}"):
                answer = await client.post(
                    webhook, content=body, headers={"X-Hub-Signature": signature}
                )
                assert answer.status_code == 401


async def test_no_word_is_left_anywhere_whatever_fails(rig: Any, size: str) -> None:
    await asyncio.to_thread(everything_fails, rig)
    await asyncio.to_thread(killed_with_the_text_in_memory, rig)
    acting = list(APPS)[:2] if size == "quick" else list(APPS)
    await asyncio.to_thread(typed_into_forms, rig, acting)
    await asyncio.to_thread(crashes_with_the_text_in_its_errors, rig)
    secrets = [
        "intercom-secret",
        "hubspot-secret",
        rig.product.tokens.operator,
        rig.product.tokens.delivery,
        rig.product.tokens.token_key,
    ]
    assert await rig.found([*rig.words.values(), *secrets]) == {}
    notes = [note for app in APPS for note in rig.control.notes(APPS[app].crm, rig.accounts[app])]
    assert any(rig.words["text"] in note["body"] for note in notes)  # where it belongs


async def test_dead_letters_and_refusals_repeat_nothing(rig: Any) -> None:
    await poisoned(rig)

    async def letters() -> list[bytes]:
        return [said async for topic, said in rig.records() if topic.endswith(".dlt")]

    async with asyncio.timeout(30):
        while len(found := await letters()) < 2:  # noqa: ASYNC110 - it looks at another process
            await asyncio.sleep(0.2)
    assert not any(POISON.encode() in letter for letter in found)
    logs = canary.files_with(POISON, [rig.product.logs])
    assert logs == []
    assert not any(POISON in text for _, text in rig.pages())


async def test_a_planted_leak_is_found_wherever_it_lies(rig: Any) -> None:
    """The last one: from here on the word is everywhere."""

    def leaks() -> None:
        rig.deliver_as("leak")
        app = next(iter(APPS))
        rig.say(app, LEAKED)
        rig.until(rig.ended)

    await asyncio.to_thread(leaks)
    places = (await rig.found([LEAKED]))[LEAKED]
    for place in (
        "record of delivery.outcome",
        "row of lull_delivery.ledger",
        "data/kafka/",
        "data/postgres/",
        "logs/delivery.log",
    ):
        assert any(found.startswith(place) for found in places), (place, places)

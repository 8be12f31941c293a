"""One run of `actions`: buttons pressed in the inbox now and then, each in its own conversation."""

import asyncio
import random
import time
from collections import Counter
from pathlib import Path

import httpx
from bench.delivery.answering import AGENT
from bench.delivery.measuring import (
    START_S,
    WARM_UP,
    Row,
    addresses,
    quantile,
    start,
    until,
    vendors,
    waits_of,
    warm_up,
)
from bench.delivery.world import INGEST, World, workspace
from devstack import Stack

FIRST = 100_000
# As ingest's card waits, which has a second to answer Intercom in.
WAIT_MS = 700
KINDS = ("person", "deal")


async def actions(
    stack: Stack, folder: Path, *, delay_ms: float, workspaces: int, per_s: float, seconds: float
) -> Row:
    """How long until each press is answered, and until its transcript is at the CRM."""
    with vendors(delay_ms) as answering:
        world = World(stack, folder, answering.url)
        try:
            await world.prepare(workspaces)
            await start(world, stack, answering, 1)
            async with world.settling() as settling:
                await warm_up(settling, answering, workspaces)
            api = (await addresses(world.services["delivery-0"]))["api"]
            headers = {"Authorization": f"Bearer {INGEST}"}
            async with httpx.AsyncClient(base_url=api, headers=headers, timeout=30) as client:
                presses = await _now_and_then(client, workspaces, per_s, seconds)
            wanted = WARM_UP + len(presses)
            await until(lambda: len(answering.figures()["made"]), wanted, START_S)
            figures = answering.figures()
        finally:
            world.close()
    answered = sorted(took_s for _, took_s, _ in presses.values())
    waits = waits_of(figures["made"], {name: at for name, (at, _, _) in presses.items()})
    return {
        "scenario": "actions",
        "delay_ms": delay_ms,
        "workspaces": workspaces,
        "presses": len(presses),
        "records": figures["records"],
        "doubled": figures["doubled"],
        "answers": Counter(str(status) for _, _, status in presses.values()),
        "answered_p50_s": quantile(answered, 0.5),
        "answered_p99_s": quantile(answered, 0.99),
        "note_p50_s": quantile(waits, 0.5),
        "note_p99_s": quantile(waits, 0.99),
        "note_max_s": waits[-1],
    }


async def _now_and_then(
    client: httpx.AsyncClient, workspaces: int, per_s: float, seconds: float
) -> dict[str, tuple[float, float, int]]:
    """By conversation: when the button was pressed, how long the answer took, and its status."""
    presses: dict[str, tuple[float, float, int]] = {}

    async def press(number: int) -> None:
        pressed_at = time.time()
        answer = await client.post("/v1/actions", json=_press(number, workspaces))
        presses[str(number)] = (pressed_at, time.time() - pressed_at, answer.status_code)

    end = time.monotonic() + seconds
    async with asyncio.TaskGroup() as pressing:
        number = FIRST
        while time.monotonic() < end:
            number += 1
            pressing.create_task(press(number))
            await asyncio.sleep(random.expovariate(per_s))
    return presses


def _press(number: int, workspaces: int) -> dict[str, object]:
    kind = random.choice(KINDS)
    who = {"name": "Ada Example", "email": f"new-{number}@example.com"}
    return {
        "action_id": f"a{number}",
        "workspace_id": workspace(random.randrange(workspaces)),
        "conversation_id": str(number),
        "app": "hubspot",
        "actor_id": AGENT,
        "kind": kind,
        "person_id": None if kind == "person" else "501",
        "form": who if kind == "person" else {"title": "20 bikes"},
        "wait_ms": WAIT_MS,
    }

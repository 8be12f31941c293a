"""One run of `actions`: buttons pressed in the inbox now and then, each in its own conversation."""

import asyncio
import hmac
import json
import random
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
from bench.delivery.world import SIGNED_WITH, World, workspace
from devstack import Stack

FIRST = 100_000
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
            ingest = world.start("ingest", "ingest", LULL_INGEST_DELIVERY_URL=api)
            url = (await addresses(ingest))["ingest"]
            async with httpx.AsyncClient(base_url=url, timeout=30) as client:
                presses = await _now_and_then(client, workspaces, per_s, seconds)
            wanted = WARM_UP + len(presses)
            await until(lambda: len(answering.figures()["made"]), wanted, START_S)
            figures = answering.figures()
        finally:
            world.close()
    cards = sorted(press.card_s for press in presses.values())
    answered = sorted(press.answered_s for press in presses.values())
    at = {name: press.at for name, press in presses.items()}
    waits = waits_of(figures["made"], at)
    return {
        "scenario": "actions",
        "delay_ms": delay_ms,
        "workspaces": workspaces,
        "presses": len(presses),
        "records": figures["records"],
        "doubled": figures["doubled"],
        "answers": Counter(press.said for press in presses.values()),
        "card_p50_s": quantile(cards, 0.5),
        "card_p99_s": quantile(cards, 0.99),
        "answered_p50_s": quantile(answered, 0.5),
        "answered_p99_s": quantile(answered, 0.99),
        "note_p50_s": quantile(waits, 0.5),
        "note_p99_s": quantile(waits, 0.99),
        "note_max_s": waits[-1],
    }


@dataclass(frozen=True, slots=True)
class Press:
    at: float
    card_s: float  # until the card of the conversation was there
    answered_s: float  # until the press of its form was answered
    said: str


async def _now_and_then(
    client: httpx.AsyncClient, workspaces: int, per_s: float, seconds: float
) -> dict[str, Press]:
    """By conversation: the card opened, an action's form opened, filled and sent."""
    presses: dict[str, Press] = {}

    async def press(number: int) -> None:
        kind = random.choice(KINDS)
        looking = _looking(number, workspaces)
        opened_at = time.time()
        card = await _ask(client, "initialize", looking)
        card_s = time.time() - opened_at
        # The answering CRM finds nobody, so the card is told whose a deal is to be.
        card["stored_data"]["drawing"]["persons"] = {"hubspot": "501"}
        form = await _ask(client, "submit", looking | _pressed(f"open:hubspot:{kind}", card))
        typed = {"name": "Ada Example", "email": f"new-{number}@example.com", "title": "20 bikes"}
        pressed_at = time.time()
        answer = await _ask(
            client, "submit", looking | _pressed(f"do:hubspot:{kind}", form, **typed)
        )
        said = answer["content"]["components"][0]["text"]
        presses[str(number)] = Press(
            pressed_at, card_s, time.time() - pressed_at, "done" if said == "Done" else "not yet"
        )

    end = time.monotonic() + seconds
    async with asyncio.TaskGroup() as pressing:
        number = FIRST
        while time.monotonic() < end:
            number += 1
            pressing.create_task(press(number))
            await asyncio.sleep(random.expovariate(per_s))
    return presses


async def _ask(client: httpx.AsyncClient, name: str, request: dict[str, Any]) -> dict[str, Any]:
    body = json.dumps(request).encode()
    signature = hmac.new(SIGNED_WITH.encode(), body, "sha256").hexdigest()
    answer = await client.post(
        f"/canvas/{name}", content=body, headers={"X-Body-Signature": signature}
    )
    canvas: dict[str, Any] = answer.raise_for_status().json()["canvas"]
    return canvas


def _looking(number: int, workspaces: int) -> dict[str, Any]:
    contact = {"id": f"c{number}", "name": "Ada Example", "email": f"new-{number}@example.com"}
    return {
        "workspace_id": workspace(random.randrange(workspaces)),
        "admin": {"id": AGENT},
        "conversation": {"id": str(number)},
        "contact": contact,
    }


def _pressed(button: str, canvas: dict[str, Any], **typed: str) -> dict[str, Any]:
    return {"component_id": button, "input_values": typed, "current_canvas": canvas}

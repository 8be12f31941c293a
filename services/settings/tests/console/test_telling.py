"""Admins are told once of each matter: by a signed webhook and by e-mail, through real sockets."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from common.clock import SystemClock
from devstack.waiting import until
from settings.adapters.tellers import signature
from settings.domain.attention import LOOKED_AT, USUAL_DAYS

pytestmark = pytest.mark.integration

SECRET = "secret-of-the-webhook"


@dataclass
class Post:
    headers: dict[str, str]
    body: bytes

    @property
    def told(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass
class Receivers:
    """Somebody's HTTP endpoint and a mail server, as far as a client of theirs can tell."""

    posts: list[Post] = field(default_factory=list)
    mails: list[tuple[str, EmailMessage]] = field(default_factory=list)  # recipient, message
    statuses: list[int] = field(default_factory=list)  # of the next answers; then 200
    servers: list[asyncio.Server] = field(default_factory=list)

    async def start(self) -> dict[str, str]:
        """What tells a replica of them, and to look often."""
        self.servers = [
            await asyncio.start_server(serve, "127.0.0.1", 0) for serve in (self.http, self.smtp)
        ]
        ports = [server.sockets[0].getsockname()[1] for server in self.servers]
        return {
            "LULL_SETTINGS_WEBHOOK_URL": f"http://127.0.0.1:{ports[0]}/hook",
            "LULL_SETTINGS_WEBHOOK_SECRET": SECRET,
            "LULL_SETTINGS_SMTP_URL": f"smtp://127.0.0.1:{ports[1]}",
            "LULL_SETTINGS_NOTICES_EVERY_S": "0.1",
        }

    async def http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        pairs = [line.split(": ", 1) for line in head[1:] if line]
        headers = {name.lower(): value for name, value in pairs}
        body = await reader.readexactly(int(headers["content-length"]))
        self.posts.append(Post(headers, body))
        status = self.statuses.pop(0) if self.statuses else 200
        writer.write(
            f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
        )
        await writer.drain()
        writer.close()

    async def smtp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        recipient = ""
        writer.write(b"220 test\r\n")
        while line := (await reader.readline()).decode().strip():
            verb = line.upper()
            if verb.startswith("RCPT TO:"):
                recipient = line[8:].strip(" <>")
            if verb == "DATA":
                writer.write(b"354 go on\r\n")
                data = await reader.readuntil(b"\r\n.\r\n")
                self.mails.append((recipient, message_from_bytes(data[:-3], policy=policy.default)))
            writer.write(b"221 bye\r\n" if verb == "QUIT" else b"250 ok\r\n")
            if verb == "QUIT":
                break
        await writer.drain()
        writer.close()

    def posts_of(self, workspace: str) -> list[Post]:
        return [post for post in self.posts if post.told["workspace_id"] == workspace]

    def mails_of(self, workspace: str) -> list[tuple[str, EmailMessage]]:
        return [mail for mail in self.mails if workspace in str(mail[1].get_payload())]


@pytest.fixture
async def receivers() -> AsyncIterator[Receivers]:
    receivers = Receivers()
    yield receivers
    for server in receivers.servers:
        server.close()


async def test_an_admin_is_told_once_of_each_matter_and_again_when_it_comes_back(
    launcher: Any,
    site: Any,
    admin: Any,
    world: Any,
    receivers: Receivers,
    simulators: Any,
    database: Any,
) -> None:
    receivers.statuses = [500]
    replica = await launcher.start(**await receivers.start())

    async def cut_off() -> None:
        simulators.control.revoke_crm_tokens("hubspot", world.hubspot)
        await database.execute(
            "UPDATE connections SET expires_at = obtained_at WHERE workspace_id = $1",
            world.workspace,
        )
        assert (await site.crm_access(world.workspace, "hubspot")).status_code == 409

    await cut_off()
    await until(lambda: len(receivers.posts_of(world.workspace)) >= 1)
    await until(lambda: len(receivers.mails_of(world.name)) >= 1)
    posts = receivers.posts_of(world.workspace)
    told = posts[-1].told
    assert (told["matter"], told["app"]) == ("reconnect", "hubspot")
    assert told["text"].startswith("HubSpot no longer accepts our access.")
    headers = posts[-1].headers
    assert headers["webhook-signature"] == signature(
        [SECRET], headers["webhook-id"], int(headers["webhook-timestamp"]), posts[-1].body
    )
    recipient, mail = receivers.mails_of(world.name)[0]
    assert recipient == "sam@example.org"
    assert mail["Subject"] == "HubSpot no longer accepts our access."
    assert mail["Auto-Submitted"] == "auto-generated"

    async def told_by() -> list[str]:
        found: list[str] | None = await database.fetchval(
            "SELECT told_by FROM notices WHERE workspace_id = $1", world.workspace
        )
        return sorted(found or [])

    async with asyncio.timeout(15):
        while await told_by() != ["mail", "webhook"]:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    await admin.connect(world.workspace, "hubspot", world.hubspot)
    async with asyncio.timeout(15):
        while await told_by():  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    await cut_off()
    await until(
        lambda: len({p.headers["webhook-id"] for p in receivers.posts_of(world.workspace)}) == 2
    )
    await until(lambda: len(receivers.mails_of(world.name)) == 2)
    # What was refused went again under the same id; what was taken went no more, round after round.
    ids = [post.headers["webhook-id"] for post in receivers.posts_of(world.workspace)]
    assert sorted(ids.count(one) for one in set(ids)) in ([1, 1], [1, 2])
    assert len({mail["Message-ID"] for _, mail in receivers.mails_of(world.name)}) == 2
    assert await replica.stop() == 0
    # Nobody's address is kept or logged.
    assert "sam@example.org" not in replica.log.read_text()
    assert "sam@example.org" not in str(await database.fetch("SELECT * FROM notices"))


async def test_failures_silence_and_conversations_of_nobody_are_told_both_ways(
    launcher: Any, site: Any, admin: Any, world: Any, receivers: Receivers, reporter: Any,
    database: Any,
) -> None:  # fmt: skip
    now = SystemClock().now()
    on = f"/v1/workspaces/{world.workspace}/apps/hubspot/transcript-sync"
    assert (await site.operator("PUT", on, {"on": True})).status_code == 200
    for days in range(2, 2 + USUAL_DAYS):
        before = now - timedelta(days=days)
        await reporter.outcome(world, str(days), "delivered", decided_at=before)
    hours_ago = now - timedelta(hours=2)
    await reporter.outcome(world, "100", "failed", reason="http_403", decided_at=hours_ago)
    for number in range(LOOKED_AT):
        outcome = ("no_active_assignee", "team_only")[number % 2]
        await reporter.outcome(world, str(200 + number), outcome)
    await database.execute(
        "INSERT INTO workspace_updates (workspace_id, received_at) VALUES ($1, $2)",
        world.workspace,
        now - timedelta(days=1, minutes=1),
    )
    replica = await launcher.start(**await receivers.start())
    said = {
        "failures": "1 conversation failed at HubSpot within a day.",
        "silence": "No message has arrived for a day.",
        "unassigned": "The last 20 conversations were not assigned to an active app user of"
        " HubSpot.",
    }
    await until(lambda: len(receivers.posts_of(world.workspace)) >= len(said))
    await until(lambda: len(receivers.mails_of(world.name)) >= len(said))
    assert await replica.stop() == 0
    told = {post.told["matter"]: post.told["text"] for post in receivers.posts_of(world.workspace)}
    assert told.keys() == said.keys()
    assert all(told[matter].startswith(what) for matter, what in said.items()), told
    mails = receivers.mails_of(world.name)
    # A long one begins on a line of its own.
    subjects = [mail["Subject"].strip() for _, mail in mails]
    assert sorted(subjects) == sorted(said.values())
    assert {recipient for recipient, _ in mails} == {"sam@example.org"}


async def test_a_workspace_that_took_our_access_away_is_told_by_webhook(
    launcher: Any, site: Any, admin: Any, world: Any, receivers: Receivers, simulators: Any
) -> None:
    """By e-mail it cannot be: Intercom alone knows the address."""
    replica = await launcher.start(**await receivers.start())
    simulators.control.revoke_intercom_tokens(world.workspace)
    notice = {"app_id": world.workspace}
    answer = await site.client.post(f"{site.public}/oauth/callback/intercom", json=notice)
    assert answer.status_code == 202
    await until(lambda: receivers.posts_of(world.workspace))
    told = receivers.posts_of(world.workspace)[0].told
    assert (told["matter"], told["app"]) == ("intercom_reconnect", None)
    assert told["text"].startswith("Intercom has to be connected again.")
    assert await replica.stop() == 0


def test_while_a_secret_is_rotated_each_of_both_signs() -> None:
    both = signature(["new", "old"], "n1", 1, b"{}").split(" ")
    assert both == [signature(["new"], "n1", 1, b"{}"), signature(["old"], "n1", 1, b"{}")]

"""Signing in and out: the state is this browser's, the id is new, and the end is the server's."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from settings.domain.sessions import session_key

pytestmark = pytest.mark.integration


def session_id(visitor: Any) -> str:
    return visitor.client.cookies.get("lull") or ""


async def test_signing_in_gives_a_new_id_that_only_its_hash_is_kept_of(
    new_visitor: Callable[[], Any], admin: Any, world: Any, database: Any
) -> None:
    visitor = new_visitor()
    leaving = await visitor.post("/sign-in", purpose="sign_in")
    before = session_id(visitor)
    came = await visitor.through(leaving, account=world.workspace, user=world.admin)
    assert (came.status_code, came.headers["location"]) == (303, "/")
    after = session_id(visitor)
    assert before
    assert after
    assert before != after
    keys = {row["session_key"] for row in await database.fetch("SELECT session_key FROM sessions")}
    assert session_key(after) in keys
    assert not keys & {after, before, session_key(before)}
    page = await visitor.get("/")
    assert "Sam Agent" in page.text


async def test_the_cookie_is_kept_from_scripts_and_other_sites(
    new_visitor: Callable[[], Any], launcher: Any, migrated: None
) -> None:
    plain = (await new_visitor().post("/sign-in", purpose="sign_in")).headers["set-cookie"]
    assert re.fullmatch(r"lull=[\w-]{43}; HttpOnly; Path=/; SameSite=lax", plain)
    secure = await launcher.start(LULL_SETTINGS_PUBLIC_URL="https://lull.example")
    answer = await secure.client.post(
        f"{secure.public}/sign-in",
        data={"purpose": "sign_in"},
        headers={"Origin": "https://lull.example"},
    )
    assert re.fullmatch(
        r"__Host-lull=[\w-]{43}; HttpOnly; Path=/; SameSite=lax; Secure",
        answer.headers["set-cookie"],
    )
    assert answer.headers["strict-transport-security"].startswith("max-age=63072000")
    assert await secure.stop() == 0


async def test_a_callback_is_completed_in_the_browser_it_was_started_from_or_nowhere(
    new_visitor: Callable[[], Any], admin: Any, world: Any
) -> None:
    mallory, victim = new_visitor(), new_visitor()
    leaving = await mallory.post("/sign-in", purpose="sign_in")
    await victim.post("/sign-in", purpose="sign_in")  # has a session of their own
    lured = await victim.through(leaving, account=world.workspace, user=world.admin)
    assert (lured.status_code, "state_of_another_browser" in lured.text) == (400, True)
    leaving = await mallory.post("/sign-in", purpose="sign_in")
    without = await new_visitor().through(leaving, account=world.workspace, user=world.admin)
    assert (without.status_code, "state_of_another_browser" in without.text) == (400, True)
    # An address to connect a CRM belongs to the admin who asked for it.
    leaving = await admin.post(f"/w/{world.workspace}/apps/pipedrive/connect")
    lured = await victim.through(leaving, account=world.pipedrive)
    assert (lured.status_code, "state_of_another_browser" in lured.text) == (400, True)
    assert "Connect Pipedrive" in (await admin.get("/")).text


async def test_signing_out_ends_the_session_for_whoever_holds_its_id(
    new_visitor: Callable[[], Any], admin: Any, world: Any, database: Any
) -> None:
    thief = new_visitor()
    thief.client.cookies.set("lull", session_id(admin))
    assert "Sam Agent" in (await thief.get("/")).text
    answer = await admin.post("/sign-out")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert 'lull=""' in answer.headers["set-cookie"]
    path = f"/w/{world.workspace}/apps/hubspot/transcript-sync"
    assert (await thief.post(path, on="on")).status_code == 401
    assert "Sign in with Intercom" in (await thief.get("/")).text


async def test_an_idle_session_and_an_old_one_are_over(
    admin: Any, world: Any, database: Any
) -> None:
    key = session_key(session_id(admin))
    path = f"/w/{world.workspace}/apps/hubspot/transcript-sync"
    await database.execute(
        "UPDATE sessions SET seen_at = seen_at - interval '2 hours' WHERE session_key = $1", key
    )
    assert (await admin.post(path, on="on")).status_code == 401
    assert not await database.fetchval("SELECT 1 FROM sessions WHERE session_key = $1", key)
    await admin.sign_in(world.workspace, world.admin)
    key = session_key(session_id(admin))
    assert (await admin.post(path, on="on")).status_code == 303
    await database.execute(
        "UPDATE sessions SET created_at = created_at - interval '12 hours' WHERE session_key = $1",
        key,
    )
    assert (await admin.post(path, on="off")).status_code == 401


async def test_one_browser_may_be_signed_in_to_two_workspaces(
    admin: Any, world: Any, new_world: Callable[[], Any], database: Any
) -> None:
    other = new_world()
    first = await database.fetchval(
        "SELECT created_at FROM sessions WHERE session_key = $1", session_key(session_id(admin))
    )
    await admin.sign_in(other.workspace, other.admin, "install")
    page = (await admin.get("/")).text
    assert world.name in page
    assert other.name in page
    # Nor does that prolong the first sign-in.
    assert first == await database.fetchval(
        "SELECT created_at FROM sessions WHERE session_key = $1", session_key(session_id(admin))
    )


async def test_a_sign_in_installs_nothing_and_keeps_no_token(
    new_visitor: Callable[[], Any], world: Any, database: Any
) -> None:
    came = await new_visitor().sign_in(world.workspace, world.admin)
    assert (came.status_code, f"Lull is not in <bdi>{world.name}</bdi> yet" in came.text) == (
        200,
        True,
    )
    assert not await database.fetchval(
        "SELECT 1 FROM workspaces WHERE workspace_id = $1", world.workspace
    )


async def test_another_teammates_consent_does_not_take_the_place_of_the_admins(
    new_visitor: Callable[[], Any], admin: Any, world: Any, database: Any
) -> None:
    tokens = "SELECT access_token FROM intercom_connections WHERE workspace_id = $1"
    before = await database.fetchval(tokens, world.workspace)
    visitor = new_visitor()
    assert (await visitor.sign_in(world.workspace, world.other, "install")).status_code == 303
    assert await database.fetchval(tokens, world.workspace) == before
    assert "<b><bdi>Sam Agent</bdi></b> is the admin here" in (await visitor.get("/")).text
    await admin.sign_in(world.workspace, world.admin, "install")
    assert await database.fetchval(tokens, world.workspace) != before


async def test_too_many_sign_ins_from_one_address_have_to_wait(
    launcher: Any, migrated: None
) -> None:
    few = await launcher.start(
        LULL_SETTINGS_PUBLIC_URL="https://lull.example", LULL_SETTINGS_SIGN_INS_PER_MINUTE="3"
    )

    async def begin(forwarded: str) -> Any:
        return await few.client.post(
            f"{few.public}/sign-in",
            data={"purpose": "sign_in"},
            headers={"Origin": "https://lull.example", "X-Forwarded-For": forwarded},
        )

    # Nobody in front is trusted, so what the header says counts for nothing.
    answers = [await begin(f"198.51.100.{n}") for n in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert 0 < int(answers[3].headers["retry-after"]) <= 61
    assert "set-cookie" not in answers[3].headers
    assert await few.stop() == 0


async def test_a_vendor_that_refuses_or_is_away_is_told_in_words(
    new_visitor: Callable[[], Any], world: Any, simulators: Any
) -> None:
    visitor = new_visitor()
    leaving = await visitor.post("/sign-in", purpose="sign_in")
    state = re.search(r"state=([\w-]+)", leaving.text)
    assert state is not None
    denied = await visitor.get(f"/oauth/callback/intercom?state={state[1]}&error=access_denied")
    assert (denied.status_code, "authorization_denied" in denied.text) == (400, True)
    again = await visitor.get(f"/oauth/callback/intercom?state={state[1]}&code=x")
    assert (again.status_code, "state_unknown" in again.text) == (400, True)
    simulators.control.add_fault("intercom", "500_before", path="token")
    away = await visitor.sign_in(world.workspace, world.admin)
    assert (away.status_code, "does not answer" in away.text) == (503, True)
    assert away.headers["retry-after"] == "5"

"""Every page and every form, asked for by everybody who could ask: generated from the routes."""

import hashlib
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest
from settings.console.app import PARTS

pytestmark = pytest.mark.integration

VALUES = {
    "workspace_id": "",
    "app": "hubspot",
    "crm": "hubspot",
    "conversation_id": "215470000000001",
}


def routes() -> list[tuple[str, str]]:
    """Method and path of each route below a workspace."""
    found = []
    for part in PARTS:
        built: Any = part
        for route in built(*[None] * len(fields(built))).routes():
            if route.path.startswith("/w/{workspace_id}"):
                found += [(method, route.path) for method in sorted(route.methods - {"HEAD"})]
    return found


async def digest(database: Any) -> str:
    """Of everything that is stored, but for when somebody was last seen and what is under way."""
    tables = await database.fetch(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
        " AND table_name NOT IN ('sessions', 'outbox', 'oauth_states', 'reading', 'notices')"
        " ORDER BY 1"
    )
    whole = hashlib.sha256()
    for (table,) in tables:
        rows = await database.fetch(f"SELECT t::text FROM {table} t ORDER BY 1")  # noqa: S608
        whole.update(str([row[0] for row in rows]).encode())
    return whole.hexdigest()


def test_there_are_routes_to_ask_for() -> None:
    assert ("POST", "/w/{workspace_id}/apps/{app}/transcript-sync") in routes()


@pytest.mark.parametrize(("method", "path"), routes())
async def test_only_the_admin_is_served(
    method: str,
    path: str,
    admin: Any,
    world: Any,
    new_world: Callable[[], Any],
    new_visitor: Callable[[], Any],
    database: Any,
) -> None:
    address = path.format(**VALUES | {"workspace_id": world.workspace})
    nobody, plain, stranger = new_visitor(), new_visitor(), new_visitor()
    await plain.sign_in(world.workspace, world.other)
    elsewhere = new_world()
    await stranger.sign_in(elsewhere.workspace, elsewhere.admin, "install")

    async def ask(visitor: Any) -> Any:
        if method == "GET":
            return await visitor.get(address)
        return await visitor.post(address, on="on")

    before = await digest(database)
    answers = [await ask(visitor) for visitor in (nobody, plain, stranger)]
    assert [answer.status_code for answer in answers] == [401, 403, 404]
    assert "Sam Agent" in answers[1].text  # whom to ask
    for answer in (answers[0], answers[2]):
        assert world.name not in answer.text
        assert "Sam Agent" not in answer.text
    invented = await stranger.client.request(
        method,
        path.format(**VALUES | {"workspace_id": "nobody"}),
        headers={"Sec-Fetch-Site": "same-origin"},
    )
    assert (invented.status_code, invented.text) == (404, answers[2].text)
    assert await digest(database) == before
    served = await ask(admin)
    assert served.status_code in (200, 303, 400), served.text
    if method == "GET":
        assert served.status_code == 200
        assert await digest(database) == before


@pytest.mark.parametrize(
    "path", ["/sign-in", "/sign-out", *(path for method, path in routes() if method == "POST")]
)
async def test_a_form_of_another_site_changes_nothing(
    path: str, admin: Any, world: Any, database: Any
) -> None:
    address = path.format(**VALUES | {"workspace_id": world.workspace})
    before = await digest(database)
    for headers in (
        {},
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "same-site", "Origin": admin.origin},
        {"Origin": "null"},
    ):
        answer = await admin.client.post(address, data={"on": "on"}, headers=headers)
        assert (answer.status_code, "did not come from" in answer.text) == (403, True)
    assert await digest(database) == before
    assert "Sign out" in (await admin.get("/")).text


async def test_every_answer_carries_the_headers_that_confine_a_page(
    admin: Any, world: Any, new_visitor: Callable[[], Any]
) -> None:
    stranger = new_visitor()
    answers = [
        await admin.get("/"),
        await stranger.get("/"),
        await stranger.get("/nowhere"),
        await stranger.get("/static/0/nothing.css"),
        await stranger.get("/oauth/callback/hubspot?state=x&code=y"),
        await stranger.get("/oauth/callback/hubspot?state=" + "x" * 5_000),
        await stranger.get(f"/w/{world.workspace}/apps/hubspot/transcript-sync"),
        await stranger.client.post("/sign-in"),
        await stranger.post("/sign-in"),
        await stranger.post("/sign-in", purpose="x" * 300_000),
        await stranger.post("/sign-in", purpose="nonsense"),
    ]
    assert [answer.status_code for answer in answers] == [
        *(200, 200, 404, 404, 400, 400, 405, 403, 400, 413, 400)
    ]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["cache-control"] == "no-store"
        assert "strict-transport-security" not in answer.headers  # plain http, on loopback


async def test_no_page_holds_a_script_or_style_of_its_own_or_loads_one_from_elsewhere(
    admin: Any, site: Any
) -> None:
    page = (await admin.get("/")).text
    assert "<style" not in page
    assert " style=" not in page
    assert " onclick=" not in page
    for script in page.split("<script ")[1:]:
        assert script.startswith('src="/static/')
        assert script.partition(">")[2].startswith("</script>")
    assert page.count("<script") == 1


async def test_names_of_people_are_shown_as_text(
    new_visitor: Callable[[], Any], admin: Any, world: Any
) -> None:
    visitor = new_visitor()
    await visitor.sign_in(world.workspace, world.other)
    page = (await visitor.get("/")).text
    assert "Kim &lt;b&gt;Agent&lt;/b&gt;" in page
    assert "<b>Agent" not in page


async def test_no_page_shows_a_token_or_the_sessions_own_id(
    site: Any, admin: Any, world: Any, credentials: dict[str, str]
) -> None:
    secrets = [
        (await site.crm_access(world.workspace, "hubspot")).json()["access_token"],
        (await site.ask("POST", f"/intercom-access/{world.workspace}", {})).json()["access_token"],
        admin.client.cookies["lull"],
        *credentials.values(),
    ]
    for method, path in [("GET", "/"), *routes()]:
        if method == "GET":
            address = path.format(**VALUES | {"workspace_id": world.workspace})
            page = await admin.get(address)
            assert page.status_code == 200
            for secret in secrets:
                assert secret not in page.text

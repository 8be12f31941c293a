"""The console in a real browser, from the first page to the first switch."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

pytestmark = pytest.mark.integration


async def test_a_new_admin_signs_in_installs_connects_a_crm_and_switches_sync_on(
    site: Any,
    tab: Page,
    world: Any,
    choose: Callable[..., Any],
    shot: Callable[..., Any],
    database: Any,
) -> None:
    await tab.goto(site.public)
    await shot(tab, "welcome")
    await tab.get_by_role("button", name="Sign in with Intercom").click()
    await choose(tab, world.workspace, world.admin)
    await expect(tab.get_by_role("heading", level=1)).to_have_text(
        f"Lull is not in {world.name} yet"
    )
    await shot(tab, "not-installed")
    await tab.get_by_role("button", name=f"Install in {world.name}").click()
    await choose(tab, world.workspace, world.admin)
    await expect(tab.get_by_role("heading", name=world.name)).to_be_visible()
    await expect(tab.get_by_text("Sam Agent")).to_be_visible()
    await shot(tab, "workspaces-fresh")

    await tab.get_by_role("button", name="Connect HubSpot").click()
    await choose(tab, world.hubspot)
    card = tab.locator(f"#{world.workspace}-hubspot")
    switch = card.get_by_role("switch", name="Transcript Sync for HubSpot")
    await expect(switch).to_have_attribute("aria-checked", "false")
    await expect(card).to_contain_text("From now on. Earlier conversations are not sent.")
    await shot(tab, "workspaces-off")

    await tab.evaluate("window.unbroken = true")
    await switch.focus()
    await tab.keyboard.press("Space")
    await expect(switch).to_have_attribute("aria-checked", "true")
    await expect(switch).to_be_focused()
    await expect(tab.get_by_role("status").last).to_have_text("Transcript Sync for HubSpot is on.")
    assert await tab.evaluate("window.unbroken") is True  # no page was loaded for it
    await shot(tab, "workspaces-on")
    stored = await database.fetchrow(
        "SELECT transcript_sync, installed_by FROM installations WHERE workspace_id = $1",
        world.workspace,
    )
    assert tuple(stored) == (True, world.admin)

    await switch.click()
    await expect(switch).to_have_attribute("aria-checked", "false")
    await tab.get_by_role("button", name="Sign out").click()
    await expect(tab.get_by_role("button", name="Sign in with Intercom")).to_be_visible()


async def test_without_script_the_switch_is_a_form_like_any_other(
    chromium: Browser, site: Any, admin: Any, world: Any
) -> None:
    context = await chromium.new_context(java_script_enabled=False)
    context.set_default_timeout(10_000)
    await context.add_cookies(
        [{"name": "lull", "value": admin.client.cookies["lull"], "url": site.public}]
    )
    tab = await context.new_page()
    await tab.goto(site.public)
    switch = tab.get_by_role("switch", name="Transcript Sync for HubSpot")
    await switch.click()
    await expect(switch).to_have_attribute("aria-checked", "true")
    assert tab.url == f"{site.public}/#{world.workspace}-hubspot"
    await context.close()


async def test_who_is_not_the_admin_learns_who_is_and_what_to_ask(
    site: Any,
    tab: Page,
    admin: Any,
    world: Any,
    choose: Callable[..., Any],
    shot: Callable[..., Any],
) -> None:
    await tab.goto(site.public)
    await tab.get_by_role("button", name="Sign in with Intercom").click()
    await choose(tab, world.workspace, world.other)
    await expect(tab.get_by_text("Sam Agent is the admin here.")).to_be_visible()
    await expect(tab.get_by_role("switch")).to_have_count(0)
    await shot(tab, "plain-user")
    await tab.goto(f"{site.public}/w/{world.workspace}/history")
    await expect(tab.get_by_role("heading", level=1)).to_have_text(
        f"Sam Agent looks after {world.name}"
    )
    await shot(tab, "not-admin")


async def test_an_account_that_was_cut_off_is_connected_again_in_two_clicks(
    site: Any,
    admin_tab: Page,
    world: Any,
    simulators: Any,
    database: Any,
    choose: Callable[..., Any],
    shot: Callable[..., Any],
) -> None:
    simulators.control.revoke_crm_tokens("hubspot", world.hubspot)
    await database.execute(
        "UPDATE connections SET expires_at = obtained_at WHERE workspace_id = $1", world.workspace
    )
    assert (await site.crm_access(world.workspace, "hubspot")).status_code == 409
    await admin_tab.goto(site.public)
    await shot(admin_tab, "reconnect-needed")
    await admin_tab.get_by_role("button", name="Reconnect HubSpot").click()
    await choose(admin_tab, world.hubspot)
    await expect(admin_tab.get_by_text("HubSpot is connected again.")).to_be_visible()
    assert (await site.crm_access(world.workspace, "hubspot")).status_code == 200


async def test_app_users_are_chosen_with_tick_boxes(
    site: Any, admin_tab: Page, world: Any, shot: Callable[..., Any]
) -> None:
    await admin_tab.goto(site.public)
    await admin_tab.get_by_role("link", name="Users, options and connection").click()
    await expect(admin_tab.get_by_text("1 of 2 teammates are app users")).to_be_visible()
    await admin_tab.get_by_role("checkbox", name="Kim <b>Agent</b>", exact=True).check()
    await admin_tab.get_by_role("button", name="Save app users").click()
    await expect(admin_tab.get_by_text("2 of 2 teammates are app users")).to_be_visible()
    await admin_tab.get_by_role("checkbox", name="Sam Agent is paused").check()
    await admin_tab.get_by_role("button", name="Save app users").click()
    await expect(admin_tab.get_by_text("1 of 2 teammates are app users")).to_be_visible()
    await shot(admin_tab, "app")


async def test_a_conversation_is_found_in_the_history_and_tried_again(
    site: Any,
    admin_tab: Page,
    world: Any,
    reporter: Any,
    ledger: Any,
    shot: Callable[..., Any],
) -> None:
    first, second = "215470000000011", "215470000000012"
    await reporter.outcome(world, first, "delivered", person_id="501")
    await reporter.outcome(world, second, "failed", reason="http_400")
    await reporter.outcome(world, "215470000000013", "no_active_assignee")
    await admin_tab.goto(f"{site.public}/w/{world.workspace}/history")
    await shot(admin_tab, "history")
    await admin_tab.get_by_label("Conversation id or link").fill(second)
    await admin_tab.keyboard.press("Enter")
    await expect(admin_tab.locator("tbody tr")).to_have_count(1)
    await admin_tab.get_by_role("button", name=f"Try again: conversation {second}").click()
    await expect(admin_tab.get_by_text("Asked for 1 conversation.")).to_be_visible()
    assert ledger.asked_of(world.workspace) == [second]
    await admin_tab.get_by_role("link", name="Failures").click()
    await expect(admin_tab.locator("tbody tr")).to_have_count(1)
    await shot(admin_tab, "failures")
    # By filter, the count is shown first.
    await admin_tab.get_by_role("link", name="Sync history").click()
    await admin_tab.get_by_label("Outcome").select_option("no_active_assignee")
    await admin_tab.get_by_role("button", name="Show").click()
    await expect(admin_tab.get_by_text("1 conversation here can be tried again")).to_be_visible()
    await admin_tab.get_by_role("button", name="Try 1 again").click()
    await expect(admin_tab.get_by_text("Asked for 1 conversation.")).to_be_visible()
    assert ledger.asked_of(world.workspace) == [second, "215470000000013"]


PAGES = {
    "workspaces": "/",
    "app": "/w/{workspace}/apps/hubspot",
    "history": "/w/{workspace}/history",
    "failures-empty": "/w/{workspace}/failures",
    "waiting": "/w/{workspace}/waiting",
    "check": "/w/{workspace}/check?conversation=215470000000011",
    "audit": "/w/{workspace}/audit",
    "admin": "/w/{workspace}/admin",
    "nowhere": "/nowhere",
}


async def test_axe_finds_nothing_serious_on_any_page_light_or_dark_wide_or_narrow(
    site: Any,
    admin_tab: Page,
    world: Any,
    reporter: Any,
    axe: str,
    size: str,
    shot: Callable[..., Any],
) -> None:
    await reporter.outcome(world, "215470000000011", "failed", reason="http_400", person_id="501")
    await reporter.outcome(world, "215470000000012", "delivered")
    await reporter.outcome(world, "215470000000013", "team_only")
    found = []
    looks = (("light", 1200), ("dark", 375))
    for turn, (name, path) in enumerate(PAGES.items()):
        await admin_tab.goto(site.public + path.format(workspace=world.workspace))
        await shot(admin_tab, f"page-{name}")
        await admin_tab.evaluate(axe)
        # All of both in the larger sizes; in the quick one each page in one of them, by turns.
        for scheme, width in (looks[turn % 2],) if size == "quick" else looks:
            await admin_tab.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            await admin_tab.set_viewport_size({"width": width, "height": 860})
            result = await admin_tab.evaluate("axe.run(document)")
            assert result["passes"]  # it did look
            found += [
                (name, scheme, violation["id"], node["html"][:200])
                for violation in result["violations"]
                if violation["impact"] in ("serious", "critical")
                for node in violation["nodes"]
            ]
            overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            assert await admin_tab.evaluate(overflow) <= 0, f"{name} is wider than a phone"
        await admin_tab.set_viewport_size({"width": 1200, "height": 860})
    assert found == []


LONG = "Vereinigte-Donaudampfschifffahrtsgesellschaften-und-Söhne" * 3
ARABIC = "سامية عبد الرحمن (الدعم)"


async def test_long_and_right_to_left_names_stay_in_their_place(
    site: Any,
    tab: Page,
    world: Any,
    new_visitor: Callable[[], Any],
    simulators: Any,
    shot: Callable[..., Any],
) -> None:
    workspace = f"{world.workspace}long"
    simulators.control.create_workspace(
        workspace,
        name=LONG,
        region="EU",
        timezone="America/Argentina/ComodRivadavia",
        admins=[
            {"id": world.admin, "name": ARABIC, "email": "sam@example.org"},
            {"id": world.other, "name": LONG, "email": "kim@example.org"},
        ],
    )
    admin = new_visitor()
    await admin.sign_in(workspace, world.admin, "install")
    await admin.connect(workspace, "hubspot", world.hubspot)
    session = admin.client.cookies["lull"]
    await tab.context.add_cookies([{"name": "lull", "value": session, "url": site.public}])
    await tab.set_viewport_size({"width": 375, "height": 860})
    for name, path in PAGES.items():
        await tab.goto(site.public + path.format(workspace=workspace))
        overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert await tab.evaluate(overflow) <= 0, f"{name} is wider than a phone"
        await shot(tab, f"long-{name}")
    # A name's direction is its own, and turns nothing round it.
    await tab.goto(f"{site.public}/w/{workspace}/apps/hubspot")
    isolated = await tab.locator("bdi", has_text=ARABIC).first.evaluate(
        "e => [getComputedStyle(e).direction, getComputedStyle(e.parentElement).direction]"
    )
    assert isolated == ["rtl", "ltr"]

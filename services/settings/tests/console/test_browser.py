"""The console in a real browser, from the first page to the first switch."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.async_api import Page, expect

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

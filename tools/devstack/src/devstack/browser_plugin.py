"""Fixtures: a real browser, and a page whose errors fail the test.

In the root conftest: `pytest_plugins = [..., "devstack.browser_plugin"]`. Playwright is imported
only where a test asks for the browser.
"""

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext, Page

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 30_000


@pytest.fixture(scope="session")
async def chromium() -> "AsyncIterator[Browser]":
    from playwright.async_api import async_playwright, expect

    found = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if found is None:
        pytest.skip(f"no browser: none of {', '.join(CHROMIUM_NAMES)} is installed")
    expect.set_options(timeout=PATIENCE_MS)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=found, args=CHROMIUM_FLAGS)
        yield browser
        await browser.close()


@pytest.fixture
async def context(chromium: "Browser") -> "AsyncIterator[BrowserContext]":
    """A browser nobody has used yet."""
    context = await chromium.new_context(
        viewport={"width": 1200, "height": 860}, reduced_motion="reduce"
    )
    context.set_default_timeout(PATIENCE_MS)
    yield context
    await context.close()


@pytest.fixture
async def tab(context: "BrowserContext") -> "AsyncIterator[Page]":
    """A page; whatever it logs as an error, a refused script or style too, fails the test."""
    page = await context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "console",
        lambda message: (
            errors.append(message.text)
            if message.type == "error" and "Failed to load resource" not in message.text
            else None
        ),
    )
    yield page
    if errors:
        pytest.fail(f"the page logged: {errors}")


@pytest.fixture
def shot() -> Callable[..., Awaitable[None]]:
    """Keep pictures of a page, light, dark and at phone width, where LULL_SCREENSHOTS says."""
    folder = os.environ.get("LULL_SCREENSHOTS")

    async def shot(tab: "Page", name: str) -> None:
        usual = tab.viewport_size
        if not folder or usual is None:
            return
        for look, scheme, width in (
            ("light", "light", usual["width"]),
            ("dark", "dark", usual["width"]),
            ("phone", "light", 375),
        ):
            await tab.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            await tab.set_viewport_size({"width": width, "height": usual["height"]})
            await tab.screenshot(path=Path(folder) / f"{name}-{look}.png", full_page=True)
        await tab.emulate_media(color_scheme="light")
        await tab.set_viewport_size(usual)

    return shot

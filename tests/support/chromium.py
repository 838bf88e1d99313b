"""A real browser: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import product
from pathlib import Path
from typing import Any, Literal

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.support.processes import binary

PATIENCE = 60_000
"""So many milliseconds something may take to be seen: a machine with other work is no fault of the page."""
expect.set_options(PATIENCE)
SHOTS = Path(__file__).parents[2] / "build" / "screenshots"
WIDTHS = (360, 1280)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
AUDITED = (("light", 360), ("dark", 1280))


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """The browser while the block lasts. As root it needs to do without its sandbox."""
    program = binary("chromium", "chromium-browser", "google-chrome")
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=arguments)
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def tab(browser: Browser, url: str, *, refused: bool = False, **context: Any) -> AsyncIterator[Page]:
    """A tab at this address. What the page logs, a script that fails, and what the policy blocks fail the test.

    With `refused` the server may refuse connections meanwhile, or say that it cannot do what was asked.
    """
    page = await browser.new_page(**context)
    page.set_default_timeout(PATIENCE)
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    try:
        await page.goto(url)
        yield page
    finally:
        await page.close()
    expected = ("ERR_CONNECTION_REFUSED", "status of 503") if refused else ()
    assert [text for text in wrong if not any(one in text for one in expected)] == []


async def shots(
    browser: Browser, url: str, name: str, ready: str, *, press: str = "", **context: Any
) -> None:
    """Pictures of a page in both schemes and widths, for people to look at; it must fit each of the widths.

    With `press` after a button of this name was pressed.
    """
    SHOTS.mkdir(parents=True, exist_ok=True)
    async with tab(browser, url, **context) as page:
        await page.wait_for_selector(ready)
        if press:
            await page.get_by_role("button", name=press).click()
        for scheme, width in product(SCHEMES, WIDTHS):
            await page.emulate_media(color_scheme=scheme)
            await page.set_viewport_size({"width": width, "height": 900})
            await page.screenshot(path=SHOTS / f"{name}-{width}-{scheme}.png", full_page=True)
            assert await page.evaluate("document.documentElement.scrollWidth") <= width
            if (scheme, width) in AUDITED:
                assert await barriers(page) == []


async def barriers(page: Page) -> list[str]:
    """What axe-core finds in the page that keeps people out."""
    found = await Axe().run(page)
    return [
        f"{one['id']}: {one['help']}: {[node['target'] for node in one['nodes']][:3]}"
        for one in found.response["violations"]
    ]

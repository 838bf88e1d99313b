"""Pictures of the web page for docs/, from the demo: `make pictures`."""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
from PIL import Image
from playwright.async_api import Browser, Page
from rich.console import Console

from sentinel.app.demo.play import perform
from sentinel.app.demo.stage import DemoStage, Front, stage
from sentinel.domain.record.state import Phase
from tests.support.chromium import chromium, tab

MOST_BYTES = 150_000
PASSWORD = "demo"
WRITES = {
    "SENTINEL_UI__USERNAME": "proxy",
    "SENTINEL_UI__PASSWORD": PASSWORD,
    "SENTINEL_UI__WRITES__PROXIES": "127.0.0.1",
    "SENTINEL_UI__WRITES__GROUPS": '{"oncall": ["*"]}',
}
PROXY = {
    "Authorization": aiohttp.encode_basic_auth("proxy", PASSWORD),
    "X-Forwarded-User": "alice",
    "X-Forwarded-Groups": "oncall",
}
"""What a proxy in front of the page sends with each request of alice."""


async def main(folder: Path) -> None:
    """Play the demo, and take each picture at its moment."""
    async with stage(Front(settings=WRITES)) as staged, chromium() as browser:
        playing = asyncio.create_task(perform(staged, Console(quiet=True)))
        await _until(lambda: _phase(staged, "checkout") in {Phase.UNDOING, Phase.UNDONE})
        await _shot(browser, staged, folder / "board.png", "", height=330)
        await playing
        await asyncio.sleep(5)
        undone = _place(staged, "checkout")
        await _shot(browser, staged, folder / "rollout.png", undone, height=1500)
        await _shot(
            browser, staged, folder / "rollout-narrow.png", undone, width=360, height=1100, scheme="dark"
        )
        await _shot(browser, staged, folder / "workloads.png", "workloads", height=520)
        await _shot(browser, staged, folder / "undo.png", _place(staged, "catalog"), height=620, act=_undo)


async def _undo(page: Page) -> None:
    await page.get_by_role("button", name="Undo").click()
    await page.get_by_label("Reason").fill("customers report empty pages")


async def _shot(
    browser: Browser,
    staged: DemoStage,
    file: Path,
    place: str,
    *,
    width: int = 1280,
    height: int,
    scheme: str = "light",
    act: Callable[[Page], Awaitable[None]] | None = None,
) -> None:
    """One picture, with 256 colours, so that it is small."""
    size = {"width": width, "height": height}
    url = f"{staged.application.page.url}{place}"
    async with tab(browser, url, viewport=size, color_scheme=scheme, extra_http_headers=PROXY) as page:
        await page.wait_for_selector("tbody tr, .decisions li")
        await page.wait_for_timeout(1500)
        if act is not None:
            await act(page)
        taken = await page.screenshot()
    _save(taken, file)


def _save(taken: bytes, file: Path) -> None:
    picture = Image.open(io.BytesIO(taken)).convert("RGB")
    picture.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(file, optimize=True)
    if file.stat().st_size > MOST_BYTES:
        raise SystemExit(f"{file} has {file.stat().st_size} bytes, more than {MOST_BYTES}")


def _phase(staged: DemoStage, service: str) -> Phase | None:
    story = next(one for one in staged.stories if one.service == service)
    record = staged.record(story)
    return record.state.phase if record is not None else None


def _place(staged: DemoStage, service: str) -> str:
    record = staged.record(next(one for one in staged.stories if one.service == service))
    if record is None:
        raise SystemExit(f"{service} was not released")
    return f"rollouts/{record.key.namespace}/{record.name}"


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(200):
        while not holds():  # noqa: ASYNC110 - as a person would
            await asyncio.sleep(0.2)


if __name__ == "__main__":
    FOLDER = Path(sys.argv[1])
    FOLDER.mkdir(parents=True, exist_ok=True)
    asyncio.run(main(FOLDER))

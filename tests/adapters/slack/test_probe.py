"""Whether Slack takes our token."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from sentinel.adapters.slack.probe import probe
from sentinel.domain.errors import NoticeError


@asynccontextmanager
async def slack(status: int = 200) -> AsyncIterator[str]:
    """A Slack that knows one token."""

    async def answer(request: web.Request) -> web.Response:
        if status != 200:
            return web.Response(status=status, text="down")
        if request.headers.get("Authorization") != "Bearer xoxb-1":
            return web.json_response({"ok": False, "error": "invalid_auth"})
        return web.json_response({"ok": True, "team": "Shop", "user": "sentinel"})

    app = web.Application()
    app.router.add_post("/auth.test", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


async def test_a_good_token_is_named_by_its_team_and_bot() -> None:
    """So that a token of the wrong workspace is noticed."""
    async with slack() as url:
        assert await probe("xoxb-1", base_url=url) == "Shop as sentinel"


async def test_a_bad_token_is_a_sentence() -> None:
    """With Slack's own word for it, and never the token."""
    async with slack() as url:
        with pytest.raises(NoticeError, match=r"rejects the bot token \(invalid_auth\)") as raised:
            await probe("xoxb-secret", base_url=url)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/"])
async def test_a_slack_out_of_reach_is_a_sentence(url: str) -> None:
    """Whatever it was that kept us from it."""
    with pytest.raises(NoticeError, match="Slack cannot be reached"):
        await probe("xoxb-1", base_url=url, timeout=2)


async def test_a_slack_that_is_down_is_a_sentence() -> None:
    """What answers is not its API."""
    async with slack(503) as url:
        with pytest.raises(NoticeError, match="Slack"):
            await probe("xoxb-1", base_url=url)

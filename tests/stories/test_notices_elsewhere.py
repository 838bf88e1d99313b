"""Stories that a webhook is told of, which may be down for a while."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from sentinel.domain.record.state import Phase
from tests.stories.conftest import at_rest
from tests.stories.test_freeze import switch
from tests.support.world import NAMESPACE, world

BULLETIN = "dev.rollback-sentinel.bulletin."


@dataclass
class Hook:
    """A webhook's receiver: what it took, and whether it is down."""

    url: str = ""
    down: bool = False
    taken: list[dict[str, Any]] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        if self.down:
            return web.Response(status=503)
        self.taken.append(json.loads(await request.read()))
        return web.Response(status=204)

    def of_type(self, prefix: str) -> list[str]:
        """What came of these types, in order and without the prefix."""
        return [e["type"].removeprefix(prefix) for e in self.taken if e["type"].startswith(prefix)]


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    """A receiver on the loopback."""
    made, app = Hook(), web.Application()
    app.router.add_post("/hook", made.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        yield made
    finally:
        await runner.cleanup()


def hooked(hook: Hook) -> dict[str, str]:
    """The settings by which it is told."""
    return {"SENTINEL_NOTIFY__WEBHOOK__URL": hook.url, "SENTINEL_NOTIFY__WEBHOOK__SECRET": "s3cret"}


async def test_news_of_the_sentinel_itself_comes_in_order_though_the_webhook_is_down(
    tmp_path: Path, hook: Hook
) -> None:
    """A freeze and its end, one after the other, each once."""
    async with world(tmp_path, **hooked(hook)) as here:
        await at_rest(here)
        hook.down = True
        await switch(here, frozen=True)
        await switch(here, frozen=False)
        hook.down = False
        await here.until(lambda: len(hook.of_type(BULLETIN)) == 2, within=120)
        assert hook.of_type(BULLETIN) == ["frozen", "unfrozen"]


async def test_a_source_that_gives_no_answer_is_told_and_its_return(tmp_path: Path, hook: Hook) -> None:
    """Once each, however often it is asked meanwhile."""
    async with world(tmp_path, **hooked(hook)) as here:
        await at_rest(here)
        here.cluster.prometheus.status = 503
        here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        await here.until(lambda: hook.of_type(BULLETIN) == ["source-silent"], within=600)
        here.cluster.prometheus.status = None
        await here.until(lambda: hook.of_type(BULLETIN) == ["source-silent", "source-recovered"], within=600)


async def test_a_webhook_is_told_every_decision_in_order_though_it_is_down_meanwhile(
    tmp_path: Path, hook: Hook
) -> None:
    """The rollout does not wait for it; what it missed comes later, once and in order."""

    def told() -> list[str]:
        events = (e["data"] for e in hook.taken)
        return [data["action"] for data in events if data["images"] == ["web:2"]]

    async with world(tmp_path, **hooked(hook)) as here:
        await at_rest(here)
        here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        await here.until(lambda: told() == ["start"], within=60)
        hook.down = True
        await here.phase(Phase.PROMOTED, image="web:2")
        assert told() == ["start"]
        hook.down = False
        await here.until(lambda: len(told()) == 4, within=120)
        assert told() == ["start", "advance", "advance", "promote"]
        assert len({event["id"] for event in hook.taken}) == len(hook.taken)

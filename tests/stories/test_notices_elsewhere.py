"""Stories that a webhook is told of, which may be down for a while."""

import json
from pathlib import Path
from typing import Any

from aiohttp import web

from sentinel.domain.record import Phase
from tests.stories.conftest import at_rest
from tests.support.world import NAMESPACE, world


async def test_a_webhook_is_told_every_decision_in_order_though_it_is_down_meanwhile(tmp_path: Path) -> None:
    """The rollout does not wait for it; what it missed comes later, once and in order."""
    taken: list[dict[str, Any]] = []
    state = {"down": False}

    async def handle(request: web.Request) -> web.Response:
        if state["down"]:
            return web.Response(status=503)
        taken.append(json.loads(await request.read()))
        return web.Response(status=204)

    def told() -> list[str]:
        return [e["data"]["action"] for e in taken if e["data"]["images"] == ["web:2"]]

    app = web.Application()
    app.router.add_post("/hook", handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        async with world(
            tmp_path, SENTINEL_NOTIFY__WEBHOOK__URL=url, SENTINEL_NOTIFY__WEBHOOK__SECRET="s3cret"
        ) as here:
            await at_rest(here)
            here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
            await here.until(lambda: told() == ["start"], within=60)
            state["down"] = True
            await here.phase(Phase.PROMOTED, image="web:2")
            assert told() == ["start"]
            state["down"] = False
            await here.until(lambda: len(told()) == 4, within=120)
            assert told() == ["start", "advance", "advance", "promote"]
            assert len({event["id"] for event in taken}) == len(taken)
    finally:
        await runner.cleanup()

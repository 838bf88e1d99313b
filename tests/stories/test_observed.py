"""What the sentinel tells about itself while it works."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import aiohttp
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sentinel.domain.record.state import Phase
from tests.stories.conftest import at_rest
from tests.support.world import CANARY_POLICY, NAMESPACE, World, world


async def exposed(here: World) -> dict[str, float]:
    """What `/metrics` shows, by series."""
    assert here.application is not None
    async with aiohttp.ClientSession() as session, session.get(f"{here.application.http.url}/metrics") as got:
        text = await got.text()
    return {name: float(value) for name, value in re.findall(r"(?m)^(sentinel_\S+) (\S+)$", text)}


async def undone(here: World) -> None:
    """A release that is measured for a while, and that an alert undoes then."""
    here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await here.phase(Phase.BAKING, image="web:2")
    await asyncio.sleep(40)
    pods = here.cluster.pods("web", namespace=NAMESPACE)
    (pod,) = (p for p in pods if p["spec"]["containers"][0]["image"] == "web:2")
    await here.post_alerts(here.alert(pod=pod["metadata"]["name"]))
    await here.phase(Phase.UNDONE, image="web:2")


async def test_its_metrics_tell_of_an_undo(shop: World) -> None:
    """Passes, decisions and how long they took, the undo, API calls, the evidence's age and the rules' digest."""
    before = await exposed(shop)
    await undone(shop)
    after = await exposed(shop)
    assert after['sentinel_undo_total{outcome="done"}'] == 1
    assert after["sentinel_decision_seconds_count"] > before["sentinel_decision_seconds_count"]
    patches = 'sentinel_api_requests_total{code="200",verb="patch"}'
    assert after[patches] > before.get(patches, 0)
    assert after['sentinel_api_requests_total{code="200",verb="watch"}'] > 0
    assert 0 <= after['sentinel_evidence_age_seconds{source="prometheus"}'] < 60
    assert after['sentinel_leader{shard="0"}'] == 1
    assert sum(name.startswith("sentinel_rules_info{digest=") for name in after) == 1


async def test_its_metrics_name_nobodys_workload(shop: World) -> None:
    """They are served without credentials: no workload, namespace, pod, image or alert is named in them."""
    await undone(shop)
    values = {value for name in await exposed(shop) for value in re.findall(r'="([^"]*)"', name)}
    assert values
    assert not [v for v in values if re.search(r"\bweb\b|shop|HighErrorRate", v)]


async def test_requests_that_fail_are_counted_by_why(shop: World) -> None:
    """A refusal by its status."""
    await undone(shop)
    before = await exposed(shop)
    (record,) = shop.records()[:1]
    assert shop.application is not None
    await shop.application.store.delete(record)
    await shop.application.store.fresh(record)
    after = await exposed(shop)
    missing = 'sentinel_api_requests_total{code="404",verb="get"}'
    assert after[missing] == before.get(missing, 0) + 1


async def test_traces_tell_of_an_undo(tmp_path: Path) -> None:
    """Where an endpoint is set, the reconcile, the questions, the writes and the notice arrive as spans."""
    names: set[str] = set()

    async def traces(request: web.Request) -> web.Response:
        message = ExportTraceServiceRequest.FromString(await request.read())
        for one in message.resource_spans:
            names.update(span.name for scope in one.scope_spans for span in scope.spans)
        return web.Response()

    async def hook(_request: web.Request) -> web.Response:
        return web.Response()

    app = web.Application()
    app.router.add_post("/v1/traces", traces)
    app.router.add_post("/hook", hook)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    endpoint = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        environ = {
            "SENTINEL_TRACING__ENDPOINT": endpoint,
            "SENTINEL_NOTIFY__WEBHOOK__URL": f"{endpoint}/hook",
            "SENTINEL_NOTIFY__WEBHOOK__SECRET": "s3cret",
        }
        async with world(tmp_path, CANARY_POLICY, **environ) as here:
            await at_rest(here)
            await undone(here)
            await here.stop()
        assert names == {"reconcile", "collect", "save", "patch", "notify"}
    finally:
        await runner.cleanup()

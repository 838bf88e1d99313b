"""What `sentinel doctor` says of alerts: of which cluster they are, and how long they were pending."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from sentinel.app.commands.setup.checks import Check, Level
from sentinel.app.commands.setup.clusters import alerts_check, judged, seen
from sentinel.app.commands.setup.probing import rules_check
from sentinel.app.wiring.sources import metric_sources
from sentinel.settings import Settings, load_settings
from sentinel.settings.sections import ClusterSettings

NORTH, SOUTH = ({"alertname": "Slow", "cluster": name, "severity": "page"} for name in ("north", "south"))


@asynccontextmanager
async def answering(**answers: Any) -> AsyncIterator[str]:
    """A server that answers paths, their slashes written as `__`, with JSON; its address. URL stands for its own."""
    app = web.Application()
    url = ""

    async def handle(request: web.Request) -> web.Response:
        answer = answers.get(request.path.strip("/").replace("/", "__"))
        if answer is None:
            return web.Response(status=404)
        return web.Response(text=json.dumps(answer).replace("URL", url), content_type="application/json")

    app.router.add_get("/{path:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield url
    finally:
        await runner.cleanup()


def rules(*names: str) -> dict[str, Any]:
    """What Prometheus answers of its alerting rules."""
    found = [{"name": name, "duration": 60, "type": "alerting"} for name in names]
    return {"status": "success", "data": {"groups": [{"rules": found}]}}


def settings_of(**environ: str) -> Settings:
    return load_settings(None, {f"SENTINEL_{name}": value for name, value in environ.items()})


async def asked(settings: Settings, address: str = "") -> Check:
    """What is said of clusters under these settings."""
    async with AsyncExitStack() as resources:
        return await alerts_check(settings.cluster, metric_sources(settings, resources), address)


@pytest.mark.parametrize(
    ("name", "alerts", "level"),
    [
        (None, [], Level.OK),
        (None, [NORTH, NORTH], Level.OK),
        (None, [NORTH, SOUTH], Level.WARN),
        ("north", [NORTH, SOUTH], Level.OK),
        ("north", [], Level.OK),
        ("nroth", [NORTH, SOUTH], Level.WARN),
    ],
)
def test_several_clusters_need_a_setting_that_fits(
    name: str | None, alerts: list[dict[str, str]], level: Level
) -> None:
    """Without one each alert is taken for this cluster's; one that no alert has is likely misspelt."""
    found = judged(ClusterSettings(name=name), seen(alerts))
    assert found.level is level
    if level is Level.WARN:
        assert "north, south" in found.found


async def test_the_alertmanagers_that_prometheus_posts_to_are_asked() -> None:
    """By their addresses as Prometheus knows them."""
    posted_to = {"data": {"activeAlertmanagers": [{"url": "URL/api/v2/alerts"}]}}
    alerts = [{"labels": NORTH}, {"labels": SOUTH}]
    async with answering(api__v1__alertmanagers=posted_to, api__v2__alerts=alerts) as url:
        found = await asked(settings_of(PROMETHEUS__URL=url))
    assert found.level is Level.WARN
    assert "cluster: north, south" in found.found
    assert "cluster.name" in found.remedy


async def test_an_alertmanager_that_is_named_is_asked() -> None:
    """Where Prometheus does not tell; and where that is no Alertmanager it is said."""
    async with answering(am__api__v2__alerts=[{"labels": NORTH}, {}, "odd"]) as url:
        assert (await asked(settings_of(), f"{url}/am")).level is Level.OK
        assert "answered 404" in (await asked(settings_of(), url)).found
        assert "--alertmanager" in (await asked(settings_of(PROMETHEUS__URL=url))).remedy


async def test_a_storage_without_rules_is_told_and_who_has_them_is_asked() -> None:
    """VictoriaMetrics answers with no rule: vmalert has them."""
    async with (
        answering(api__v1__rules=rules()) as storage,
        answering(api__v1__rules=rules("A", "B")) as vmalert,
    ):
        for rules_url, level, said in (
            ("", Level.WARN, "has no alerting rules"),
            (vmalert, Level.OK, f"{vmalert} has the `for:` of 2 alerts"),
            (f"{vmalert}/other", Level.WARN, "404"),
        ):
            settings = settings_of(PROMETHEUS__URL=storage, PROMETHEUS__RULES_URL=rules_url)
            async with AsyncExitStack() as resources:
                (found,) = await rules_check(metric_sources(settings, resources))
            assert found.level is level
            assert said in found.found
            assert ("prometheus.rules_url" in found.remedy) is (level is Level.WARN)

"""The HTTP server over a real socket, on virtual time."""

from __future__ import annotations

import asyncio
import io
import json
import threading
from collections.abc import Iterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from sentinel.adapters.alertmanager import payload
from sentinel.adapters.http.auth import Authenticator, Login
from sentinel.adapters.http.exposition import LONG, Exposition
from sentinel.adapters.http.listener import ListenError, ServerOptions
from sentinel.adapters.http.metrics import PrometheusTelemetry
from sentinel.adapters.http.server import WEBHOOK_PATH, HttpServer
from sentinel.adapters.http.webhook import MAX_BODY, AlertmanagerWebhook, WebhookLimits
from sentinel.domain.errors import ClusterUnavailableError, ForbiddenError
from sentinel.metric_names import MetricName
from sentinel.ports import SystemClock
from tests.adapters.http.serving import Intake, parse, serving


async def test_a_post_is_answered_when_it_is_recorded() -> None:
    """200 comes after the record was written, with how many it was written to."""
    async with serving() as world:
        world.intake.delay = 3.0
        status, body, _ = await world.post("fire")
        assert (status, body["recorded"]) == (200, 1)
        assert world.intake.recorded == ["fire"]
        assert asyncio.get_running_loop().time() == pytest.approx(3.0)


async def test_the_answer_says_of_each_alert_what_became_of_it() -> None:
    """In the order of the post: who is recorded, and who is dropped for what; both are counted."""
    odd = {"status": "firing", "fingerprint": "odd", "labels": {"alertname": "Odd", "line": 7}}
    well = odd | {"labels": {"alertname": "Well"}, "startsAt": "2026-01-01T00:00:00Z", "fingerprint": "well"}
    async with serving(read=payload.parse) as world:
        status, body, _ = await world.post(json.dumps({"version": "4", "alerts": [odd, well, None]}))
        assert status == 200
        said = [(one["alertname"], one["fingerprint"], one["outcome"]) for one in body["alerts"]]
        assert said == [("Odd", "odd", "dropped"), ("Well", "well", "recorded"), ("", "", "dropped")]
        assert body["alerts"][0]["detail"] == "$.alerts[0].labels.line must be text; it is 7."
        _, metrics = await world.get("/metrics")
        assert 'sentinel_alerts_total{outcome="dropped"} 2.0' in metrics
        assert 'sentinel_alerts_total{outcome="recorded"} 1.0' in metrics


async def test_whoever_posts_as_to_an_alertmanager_is_taken_in() -> None:
    """Prometheus and vmalert add the path of Alertmanager's API to the prefix that they are given."""
    alert = {"labels": {"alertname": "Slow"}, "startsAt": "2026-01-01T00:00:00Z"}
    async with serving(read=payload.parse) as world:
        url = f"{world.url}{WEBHOOK_PATH}/api/v2/alerts"
        async with world.session.post(url, json=[alert]) as response:
            assert response.status == 200
            assert (await response.json())["alerts"][0]["outcome"] == "recorded"


async def test_garbage_is_a_400_with_the_sentence() -> None:
    """A post that cannot be understood is refused with what is wrong, and not recorded."""
    async with serving() as world:
        status, body, _ = await world.post("bad")
        assert (status, body) == (400, {"error": "$.alerts must be a list."})
        assert world.intake.recorded == []


async def test_a_large_post_is_taken_in() -> None:
    """A body that is parsed off the event loop is recorded all the same."""
    async with serving() as world:
        status, _, _ = await world.post("fire" + "x" * 1_000_000)
        assert status == 200
        assert len(world.intake.recorded) == 1


async def test_an_oversized_post_is_a_413() -> None:
    """More than 8 MiB are refused with what would help."""
    async with serving() as world:
        status, body, _ = await world.post(io.BytesIO(b"x" * (MAX_BODY + 1)))
        assert status == 413
        assert "max_alerts" in body["error"]


async def test_another_content_type_is_a_415() -> None:
    """A form is no alert."""
    async with serving() as world:
        assert (await world.post("fire", Content_Type="text/plain"))[0] == 415


async def test_a_wrong_token_is_a_401() -> None:
    """Where a token is configured, a post without it is refused and not recorded."""
    async with serving(WebhookLimits(credentials=Authenticator((Login("secret"),)))) as world:
        status, _, headers = await world.post("fire")
        assert (status, headers["WWW-Authenticate"]) == (401, "Bearer")
        assert (await world.post("fire", Authorization="Bearer secret"))[0] == 200
        assert world.intake.recorded == ["fire"]


async def test_an_unavailable_cluster_is_a_503_with_its_wait() -> None:
    """What could not be recorded is asked for again, after the time that the API server named."""
    async with serving() as world:
        world.intake.error = ClusterUnavailableError("The API server is overloaded.", retry_after=7)
        status, body, headers = await world.post("fire")
        assert (status, headers["Retry-After"]) == (503, "7")
        assert "The API server is overloaded." in body["error"]


async def test_a_forbidden_write_is_a_503_too() -> None:
    """Alertmanager drops a post after a 4xx, and a missing verb can be granted: so it is asked to try again."""
    async with serving() as world:
        world.intake.error = ForbiddenError("The service account may not update rolloutrecords/status.")
        assert (await world.post("fire"))[0] == 503


async def test_a_slow_record_is_a_503_at_the_deadline() -> None:
    """After 10 s the post is given back."""
    async with serving() as world:
        world.intake.delay = 60.0
        status, _, headers = await world.post("fire")
        assert (status, headers["Retry-After"]) == (503, "5")
        assert asyncio.get_running_loop().time() == pytest.approx(10.0)


async def test_posts_beyond_the_limit_are_503() -> None:
    """While as many posts as allowed are in flight, one more is asked to come again; afterwards it is taken."""
    async with serving(WebhookLimits(in_flight=2)) as world:
        world.intake.delay = 2.0
        answers = await asyncio.gather(*(world.post(f"fire-{n}") for n in range(3)))
        assert sorted(status for status, _, _ in answers) == [200, 200, 503]
        assert (await world.post("later"))[0] == 200


async def test_a_defect_shows_no_traceback() -> None:
    """An unexpected error is a plain 500."""
    async with serving() as world:
        world.intake.error = RuntimeError("secret detail")
        status, body, _ = await world.post("fire")
        assert (status, body) == (500, {"error": "Internal error; the daemon's log says more."})


async def test_health_and_readiness_say_what_is_wrong() -> None:
    """Both are 200 when all is well, and 503 with the reasons otherwise."""
    async with serving() as world:
        assert (await world.get("/healthz"))[0] == 200
        assert (await world.get("/readyz"))[0] == 200
    async with serving(health=["the loop is stuck"], readiness=["pods not synced"]) as world:
        assert (await world.get("/healthz"))[0] == 503
        status, text = await world.get("/readyz")
        assert status == 503
        assert "pods not synced" in text


async def test_posts_are_counted_by_answer() -> None:
    """`/metrics` counts the posts by their HTTP status."""
    async with serving() as world:
        await world.post("fire")
        await world.post("bad")
        _, text = await world.get("/metrics")
        assert 'sentinel_webhook_posts_total{code="200"} 1.0' in text
        assert 'sentinel_webhook_posts_total{code="400"} 1.0' in text


async def test_the_index_names_the_ways_in() -> None:
    """`/` says what this is and where the rest is; other paths are JSON errors."""
    async with serving() as world:
        status, text = await world.get("/")
        assert status == 200
        assert WEBHOOK_PATH in text
        assert await world.get("/nowhere") == (404, '{"error": "Not Found"}')
        assert (await world.get(WEBHOOK_PATH))[0] == 405


async def test_stopping_lets_posts_in_flight_end() -> None:
    """A post that is being recorded at the stop is answered 200."""
    async with serving() as world:
        world.intake.delay = 2.0
        post = asyncio.ensure_future(world.post("fire"))
        await asyncio.sleep(0.5)
        await world.server.stop()
        assert (await post)[0] == 200
        with pytest.raises(aiohttp.ClientConnectionError):
            await world.post("late")


async def test_a_taken_port_is_a_sentence() -> None:
    """Starting where someone listens already names the address."""
    async with serving() as world:
        port = int(world.url.rsplit(":", 1)[1])
        webhook = AlertmanagerWebhook(
            Intake(), parse, clock=SystemClock(), telemetry=PrometheusTelemetry(), limits=WebhookLimits()
        )
        second = HttpServer(
            webhook,
            PrometheusTelemetry(),
            health=list,
            readiness=list,
            options=ServerOptions(host="127.0.0.1", port=port),
        )
        with pytest.raises(ListenError, match=f"127.0.0.1:{port}"):
            await second.start()


async def test_a_compressed_body_is_a_415() -> None:
    """Alertmanager compresses nothing, and a small body that unpacks to a huge one is not even looked at."""
    async with serving() as world:
        assert (await world.post(b"plain", Content_Encoding="gzip"))[0] == 415


async def test_a_server_that_does_not_run_has_no_url_and_stops_quietly() -> None:
    """Stopping before the start does nothing."""
    telemetry = PrometheusTelemetry()
    webhook = AlertmanagerWebhook(
        Intake(), parse, clock=SystemClock(), telemetry=telemetry, limits=WebhookLimits()
    )
    server = HttpServer(webhook, telemetry, health=list, readiness=list, options=ServerOptions())
    await server.stop()
    with pytest.raises(RuntimeError, match="not running"):
        assert server.url


async def test_a_long_page_of_metrics_is_made_beside_the_event_loop() -> None:
    """The second one is, once the first was long; both say the same, and one name can be asked for."""
    telemetry = PrometheusTelemetry()
    exposition = Exposition(telemetry.registry)
    for number in range(1000):
        telemetry.count(MetricName.DEPLOYMENTS_TOTAL, workload_namespace="shop", workload=f"web-{number}")
    threads: list[str] = []

    class Witness(Collector):
        def collect(self) -> Iterator[Metric]:
            threads.append(threading.current_thread().name)
            yield GaugeMetricFamily("witness", "Where it is made.", value=1)

    telemetry.registry.register(Witness())
    threads.clear()
    app = web.Application()
    app.router.add_get("/metrics", exposition.handle)
    async with TestClient(TestServer(app, host="127.0.0.1")) as client:
        first = await (await client.get("/metrics")).text()
        second = await (await client.get("/metrics")).text()
        single = await (await client.get("/metrics", params={"name[]": "sentinel_frozen"})).text()
    assert len(first) > LONG
    assert second.count("sentinel_deployments_total{") == first.count("sentinel_deployments_total{") == 1000
    assert "sentinel_frozen 0.0" in single
    assert "deployments" not in single
    main = threading.main_thread().name
    assert [name == main for name in threads[:2]] == [True, False]

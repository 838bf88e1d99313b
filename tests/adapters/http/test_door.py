"""What stands before the webhook: who posts for what, how often, how much, and how slowly."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest

from sentinel.adapters.alertmanager import payload
from sentinel.adapters.http.auth import Authenticator, Login
from sentinel.adapters.http.connections import ConnectionLimits
from sentinel.adapters.http.listener import ServerOptions
from sentinel.adapters.http.server import WEBHOOK_PATH
from sentinel.adapters.http.webhook import MAX_BODY, WebhookLimits
from tests.adapters.http.serving import World, serving


def alerts_of(*namespaces: str | None) -> str:
    """A payload with one alert for each namespace, its fingerprint the same."""
    alerts = [
        {
            "status": "firing",
            "fingerprint": str(namespace),
            "startsAt": "2026-01-01T00:00:00Z",
            "labels": {"alertname": "Slow"} | ({"namespace": namespace} if namespace else {}),
        }
        for namespace in namespaces
    ]
    return json.dumps({"version": "4", "alerts": alerts})


TEAM = WebhookLimits(credentials=Authenticator((Login("all"), Login("team", namespaces=("shop", "pay-*")))))


async def test_a_token_posts_for_its_namespaces_alone() -> None:
    """Alerts of other namespaces, or of none, are dropped, counted, and told to whoever posted."""
    async with serving(TEAM, read=payload.parse) as world:
        status, body, _ = await world.post(
            alerts_of("shop", "bank", "pay-eu", None), Authorization="Bearer team"
        )
        assert (status, body["recorded"], body["refused"]) == (200, 2, 2)
        outcomes = [one["outcome"] for one in body["alerts"]]
        assert outcomes == ["recorded", "forbidden", "recorded", "forbidden"]
        assert world.intake.recorded == ["shop", "pay-eu"]
        _, metrics = await world.get("/metrics")
        assert 'sentinel_alerts_total{outcome="forbidden"} 2.0' in metrics


@pytest.mark.parametrize("label", ["exported_namespace", "kubernetes_namespace"])
async def test_a_token_posts_for_no_namespace_by_another_spelling(label: str) -> None:
    """Whatever label an alert may be attributed by must be of the token's namespaces."""
    labels = {"alertname": "Slow", label: "bank"} | ({"namespace": "shop"} if "exported" in label else {})
    alert = {"status": "firing", "fingerprint": "f", "startsAt": "2026-01-01T00:00:00Z", "labels": labels}
    async with serving(TEAM, read=payload.parse) as world:
        body = json.dumps({"version": "4", "alerts": [alert]})
        assert (await world.post(body, Authorization="Bearer team"))[0] == 403


async def test_a_post_of_other_namespaces_only_is_a_403() -> None:
    """Where nothing may be posted the answer says so; a token for everything may."""
    async with serving(TEAM, read=payload.parse) as world:
        assert (await world.post(alerts_of("bank"), Authorization="Bearer team"))[0] == 403
        assert world.intake.recorded == []
        assert (await world.post(alerts_of("bank", None), Authorization="Bearer all"))[0] == 200


async def test_a_rotated_token_is_taken_over_without_a_restart(tmp_path: Path) -> None:
    """Seconds after the mounted file changed the new token is accepted and the old one is gone."""
    file = tmp_path / "token"
    file.write_text("first")
    credentials = Authenticator((Login("first", file=file),))
    options = ServerOptions(reread=(credentials.reread,))
    async with serving(WebhookLimits(credentials=credentials), options=options) as world:
        assert (await world.post("fire", Authorization="Bearer first"))[0] == 200
        file.write_text("second")
        await asyncio.sleep(3)
        assert (await world.post("fire", Authorization="Bearer first"))[0] == 401
        assert (await world.post("fire", Authorization="Bearer second"))[0] == 200


async def test_one_client_is_limited_and_told_when_to_come_again() -> None:
    """Past its burst a client gets 503, which Alertmanager retries, and passes after the time it was told."""
    async with serving(WebhookLimits(rate=0.5, burst=3)) as world:
        answers = [await world.post("fire") for _ in range(4)]
        assert [status for status, _, _ in answers] == [200, 200, 200, 503]
        assert answers[-1][2]["Retry-After"] == "2"
        await asyncio.sleep(2)
        assert (await world.post("fire"))[0] == 200


async def test_a_wrong_token_costs_the_right_one_nothing() -> None:
    """Guesses do not use up what the rightful client may post."""
    limits = WebhookLimits(rate=0.5, burst=1, credentials=Authenticator((Login("right"),)))
    async with serving(limits) as world:
        for _ in range(5):
            assert (await world.post("fire", Authorization="Bearer guess"))[0] == 401
        assert (await world.post("fire", Authorization="Bearer right"))[0] == 200


async def test_the_bytes_in_hand_are_bounded() -> None:
    """Posts that together are larger than is taken at once are asked to come again; none is lost that got a 200."""
    async with serving(WebhookLimits(bytes_in_flight=250_000)) as world:
        world.intake.delay = 1.0
        bodies = [f"fire-{n}-" + "x" * 100_000 for n in range(4)]
        answers = await asyncio.gather(*map(world.post, bodies))
        assert sorted(status for status, _, _ in answers) == [200, 200, 503, 503]
        taken = [body[:20] for body, answer in zip(bodies, answers, strict=True) if answer[0] == 200]
        assert sorted(world.intake.recorded) == taken


async def raw(world: World, data: bytes) -> bytes:
    """Send bytes and read until the server closes, at most 60 s."""
    host, port = re.findall(r"//(.*):(\d+)", world.url)[0]
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(data)
        async with asyncio.timeout(60):
            return await reader.read()
    finally:
        writer.close()


def head(length: int, **headers: str) -> bytes:
    lines = [f"POST {WEBHOOK_PATH} HTTP/1.1", "Host: x", f"Content-Length: {length}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def test_a_declared_length_past_the_limit_is_not_even_read() -> None:
    """A length of more than 8 MiB is a 413 before the body comes."""
    async with serving() as world:
        assert b" 413 " in await raw(world, head(MAX_BODY + 1))


async def test_a_head_that_does_not_end_is_closed() -> None:
    """A client that sends its head byte by byte is cut off, and meanwhile others are served."""
    async with serving() as world:
        slow = asyncio.ensure_future(raw(world, b"POST / HTTP/1.1\r\nHost: x\r\nX-A: "))
        await asyncio.sleep(1)
        assert (await world.post("fire"))[0] == 200
        assert await slow == b""
        assert asyncio.get_running_loop().time() < 20


async def test_a_body_that_does_not_end_is_a_503_at_the_deadline() -> None:
    """A client that sends less than it declared is given up, and its place is free again."""
    async with serving(WebhookLimits(in_flight=1)) as world:
        assert b" 503 " in await raw(world, head(1000) + b"fire")
        assert asyncio.get_running_loop().time() < 20
        assert (await world.post("fire"))[0] == 200


@pytest.mark.parametrize(
    "headers", [{"X-Long": "x" * 20_000}, {f"X-{n}": "x" for n in range(200)}], ids=["long", "many"]
)
async def test_too_large_heads_are_a_400(headers: dict[str, str]) -> None:
    """A header that is too long, or too many of them, are refused, and the server goes on."""
    async with serving() as world:
        assert b" 400 " in await raw(world, head(4, **headers) + b"fire")
        assert (await world.post("fire"))[0] == 200


async def test_what_is_no_http_is_answered_and_fills_no_log(caplog: pytest.LogCaptureFixture) -> None:
    """Garbage is a 400 without a traceback for each, and the server goes on."""
    async with serving() as world:
        for garbage in (b"\x16\x03\x01 hello\r\n\r\n", b"POST / HTTP/9.9\r\n\r\n", head(4, X_Null="\0")):
            assert b" 400 " in await raw(world, garbage)
        assert (await world.post("fire"))[0] == 200
    assert caplog.text == ""


async def test_whoever_hangs_up_in_the_middle_of_a_body_fills_no_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is neither a defect of ours nor told with a traceback for each, and the place is free again."""
    async with serving(WebhookLimits(in_flight=1)) as world:
        host, port = re.findall(r"//(.*):(\d+)", world.url)[0]
        for _ in range(3):
            _, writer = await asyncio.open_connection(host, int(port))
            writer.write(head(1000) + b"fire")
            await asyncio.sleep(1)
            writer.transport.abort()
            await asyncio.sleep(1)
        assert (await world.post("fire"))[0] == 200
        assert 'code="500"' not in (await world.get("/metrics"))[1]
    assert caplog.text == ""


async def test_connections_past_the_limit_are_closed_and_others_served() -> None:
    """Idle connections of one address do not add up; once they are gone there is room again."""
    options = ServerOptions(connections=ConnectionLimits(per_address=5))
    async with serving(options=options) as world:
        idle = [asyncio.ensure_future(raw(world, b"")) for _ in range(5)]
        await asyncio.sleep(1)
        assert await raw(world, head(4) + b"fire") == b""
        assert await asyncio.gather(*idle) == [b""] * 5
        assert (await world.post("fire"))[0] == 200


async def test_a_flood_past_the_limits_loses_nothing_that_was_answered_200() -> None:
    """A thousand posts at once: some are recorded and answered 200, all others are 503, and none is neither."""
    async with serving(WebhookLimits(in_flight=8, rate=1000, burst=1000)) as world:
        world.intake.delay = 0.1
        answers = await asyncio.gather(*(world.post(f"fire-{n}") for n in range(1000)))
        taken = {f"fire-{n}" for n, (status, _, _) in enumerate(answers) if status == 200}
        assert {status for status, _, _ in answers} == {200, 503}
        assert set(world.intake.recorded) == taken

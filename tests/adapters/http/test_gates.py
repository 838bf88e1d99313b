"""Webhook gates: what is posted, what its answers mean, and what must not be called."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from sentinel.adapters.http.gates import WebhookGates, forbidden
from sentinel.domain.gate import GateAnswer, GateLimits, WebhookGate
from tests.engine.snapshots import record


class Hook:
    """A webhook that answers as it is told and keeps what it was posted."""

    def __init__(self) -> None:
        self.url = ""
        self.status = 200
        self.hangs = False
        self.posted: list[dict[str, Any]] = []

    async def handle(self, request: web.Request) -> web.Response:
        if self.hangs:
            await asyncio.Event().wait()
        self.posted.append(await request.json())
        return web.Response(status=self.status, text="why", headers={"Location": "/elsewhere"})


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    """A webhook on the loopback."""
    made, app = Hook(), web.Application()
    app.router.add_post("/{any:.*}", made.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/check"
    try:
        yield made
    finally:
        await runner.cleanup()


async def ask(url: str, *allowed: str, **metadata: str) -> tuple[GateAnswer, str]:
    gates = WebhookGates(GateLimits(hosts=tuple(allowed)))
    try:
        return await gates.ask(WebhookGate("smoke", url, timedelta(seconds=3), metadata=metadata), record())
    finally:
        await gates.close()


async def test_flaggers_payload_is_posted(hook: Hook) -> None:
    """Name, namespace, phase, checksum, and the policy's metadata as it stands."""
    answer, _ = await ask(hook.url, "127.0.0.1", type="bash", cmd="run")
    of = record()
    assert answer is GateAnswer.PASSED
    assert hook.posted == [
        {
            "name": of.key.name,
            "namespace": of.key.namespace,
            "phase": "Progressing",
            "checksum": of.candidate.hash,
            "metadata": {"type": "bash", "cmd": "run"},
        }
    ]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (200, GateAnswer.PASSED),
        (202, GateAnswer.PASSED),
        (299, GateAnswer.PASSED),
        (302, GateAnswer.FAILED),
        (403, GateAnswer.FAILED),
        (500, GateAnswer.FAILED),
        (429, GateAnswer.UNANSWERED),
        (503, GateAnswer.UNANSWERED),
    ],
)
async def test_what_an_answer_means(hook: Hook, status: int, expected: GateAnswer) -> None:
    """2xx passes, what a proxy says in its place is none, all else is a no."""
    hook.status = status
    answer, detail = await ask(hook.url, "127.0.0.*")
    assert answer is expected
    assert str(status) in detail


async def test_no_redirect_is_followed(hook: Hook) -> None:
    """It could lead to where the settings allow nothing."""
    hook.status = 307
    await ask(hook.url, "*")
    assert len(hook.posted) == 1


async def test_a_webhook_that_hangs_has_its_time(hook: Hook) -> None:
    """Then it has said nothing."""
    hook.hangs = True
    assert await ask(hook.url, "*") == (GateAnswer.UNANSWERED, "no answer within 3 s")


async def test_a_webhook_that_is_not_there_said_nothing() -> None:
    """A refused connection is no answer."""
    answer, detail = await ask("http://127.0.0.1:9/", "*")
    assert answer is GateAnswer.UNANSWERED
    assert "cannot be reached" in detail


@pytest.mark.parametrize("allowed", [(), ("smoke-tests.qa",), ("127.0.0.1.*",)])
async def test_only_allowed_hosts_are_called(hook: Hook, allowed: tuple[str, ...]) -> None:
    """Without any nothing is."""
    answer, detail = await ask(hook.url, *allowed)
    assert answer is GateAnswer.REFUSED
    assert "gates.allowed_hosts in the settings does not include 127.0.0.1" in detail
    assert hook.posted == []


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "[fe80::1]",
        "[::ffff:169.254.169.254]",
        "100.100.100.200",
        "0.0.0.0",
        "127.1",
        "2130706433",
    ],
)
async def test_what_must_not_be_called_is_not_though_the_settings_allow_every_host(host: str) -> None:
    """Link-local, metadata, unspecified, and numbers that would be connected to unresolved."""
    answer, _ = await ask(f"http://{host}:9/latest/meta-data", "*")
    assert answer is GateAnswer.REFUSED


async def test_a_name_that_leads_to_the_loopback_is_not_called(hook: Hook) -> None:
    """The system's resolver reads 0x7f000001 as 127.0.0.1; the connection is never made."""
    answer, detail = await ask(hook.url.replace("127.0.0.1", "0x7f000001"), "*")
    assert answer is GateAnswer.REFUSED, detail
    assert hook.posted == []


@pytest.mark.parametrize(
    ("address", "host", "expected"),
    [
        ("10.0.0.1", "qa.svc", False),
        ("169.254.170.2", "qa.svc", True),
        ("64:ff9b::a9fe:a9fe", "qa.svc", True),
        ("2002:a9fe:a9fe::", "qa.svc", True),
        ("fd00:ec2::254", "qa.svc", True),
        ("127.0.0.1", "qa.svc", True),
        ("::1", "localhost", False),
        ("2001:db8::1", "qa.svc", False),
    ],
)
def test_which_addresses_are_forbidden(address: str, host: str, expected: bool) -> None:
    """Link-local and metadata, however written; the loopback under any name but its own."""
    assert forbidden(address, host) is expected

"""The server answers as its own OpenAPI document says, whatever is sent; and never with a 500."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

from sentinel.adapters.alertmanager import payload
from sentinel.adapters.http.auth import Authenticator, Login
from sentinel.adapters.http.metrics import PrometheusTelemetry
from sentinel.adapters.http.openapi import document
from sentinel.adapters.http.webhook import WebhookLimits
from sentinel.adapters.slack.webhook import SlackWebhook
from sentinel.ports import SystemClock
from tests.adapters.http.serving import World, serving

UNLIMITED = {"rate": 1e6, "burst": 1_000_000}


async def schemathesis(folder: Path, world: World, *arguments: str) -> tuple[int, str]:
    """Run Schemathesis against the server; its exit status and what it said."""
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("st")),
        *("run", f"{world.url}/openapi.json", "--seed", "1", "--max-examples", "10", "--no-color"),
        *("--phases", "examples,coverage,fuzzing", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=folder,
    )
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


@pytest.mark.real_time
async def test_whatever_is_sent_is_answered_as_the_document_says(tmp_path: Path) -> None:
    """Schemathesis finds no answer that is a 500, undocumented, or of another shape; and posts did come through."""
    async with serving(WebhookLimits(**UNLIMITED), read=payload.parse) as world:
        status, said = await schemathesis(tmp_path, world)
        assert status == 0, said
        assert world.intake.recorded


@pytest.mark.real_time
async def test_without_credentials_nothing_comes_through(tmp_path: Path) -> None:
    """The same of a sender without our token or Slack's signature: every post is refused as documented."""
    taken: list[str] = []

    def offer(delivery: str, _: object) -> bool:
        taken.append(delivery)
        return True

    limits = WebhookLimits(**UNLIMITED, credentials=Authenticator((Login("hush"),)))
    webhook = SlackWebhook("hush", offer, SystemClock(), PrometheusTelemetry())
    async with serving(limits, read=payload.parse, slack=webhook.handle) as world:
        status, said = await schemathesis(tmp_path, world, "--include-path-regex", "^/webhooks/")
        assert status == 0, said
        assert "/webhooks/slack" in (await world.get("/openapi.json"))[1]
        assert world.intake.recorded == []
        assert taken == []


async def test_every_path_of_the_document_is_served() -> None:
    """No path is described that is not there."""
    async with serving() as world:
        for path, operations in document()["paths"].items():
            if "get" in operations:
                assert (await world.get(path))[0] == 200
        assert json.loads((await world.get("/openapi.json"))[1]) == document()

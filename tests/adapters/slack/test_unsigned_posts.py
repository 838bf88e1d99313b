"""Slack's webhook before anyone is known: what is read of the unsigned, and what is told of it."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Mapping

import pytest

from sentinel.adapters.http.metrics import PrometheusTelemetry
from sentinel.adapters.slack.webhook import IN_HAND, SlackWebhook
from sentinel.ports import SystemClock
from tests.adapters.http.serving import World, serving

HALF = b"POST /webhooks/slack HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf"


def refuse(_: str, __: Mapping[str, object]) -> bool:
    raise AssertionError("nothing unsigned is taken in")


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A server that takes Slack's posts."""
    webhook = SlackWebhook("hush", refuse, SystemClock(), PrometheusTelemetry())
    async with serving(slack=webhook.handle) as world:
        yield world


async def half(world: World) -> asyncio.StreamWriter:
    """Begin a post and go no further."""
    host, port = re.findall(r"//(.*):(\d+)", world.url)[0]
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(HALF)
    return writer


async def unsigned(world: World) -> int:
    async with world.session.post(f"{world.url}/webhooks/slack", data=b"payload={}") as answer:
        return answer.status


async def test_the_unsigned_are_read_a_few_at_a_time(world: World) -> None:
    """Bodies that never end take a bounded place: further posts are sent away, and later there is room again."""
    slow = [await half(world) for _ in range(IN_HAND)]
    await asyncio.sleep(1)
    assert await unsigned(world) == 503
    await asyncio.sleep(10)
    assert await unsigned(world) == 401
    for writer in slow:
        writer.close()


async def test_whoever_hangs_up_is_no_defect(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """A post that is broken off leaves no traceback."""
    writer = await half(world)
    await asyncio.sleep(1)
    writer.transport.abort()
    await asyncio.sleep(1)
    assert caplog.text == ""


async def test_a_flood_without_signatures_is_told_once_a_minute(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Anyone may come unsigned as often as they like; they do not write our log."""
    for pause in (0, 0, 0, 0, 61):
        await asyncio.sleep(pause)
        assert await unsigned(world) == 401
    assert len([entry for entry in caplog.records if entry.levelno >= logging.WARNING]) == 2

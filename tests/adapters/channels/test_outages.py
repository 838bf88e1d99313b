"""Services that fail in every way and come back: each channel delays its notices, keeps their order, and loses none."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest

from sentinel.domain.policy.policy import Policy
from sentinel.domain.record.record import Record
from sentinel.runtime.notify.notifications import Notifications
from tests.adapters.channels.test_channels import HELD, KINDS, RESUMED, Services, served
from tests.adapters.channels.test_mail import Smtp, notifier, read
from tests.engine.builders import in_state
from tests.runtime.doubles import Counts, Shelf

BROKEN = ["429", "500", "slow", "closed", "503", "lost"]
"""One after the other; after `lost` the service has the notice, though nobody knows."""


@pytest.fixture
async def services() -> AsyncIterator[Services]:
    """The stand-ins."""
    async with served() as made:
        yield made


@asynccontextmanager
async def telling(channel: Any) -> AsyncIterator[tuple[Notifications, Shelf, Counts]]:
    """Notices to this channel, while they are delivered."""
    shelf, counts = Shelf(), Counts()
    told = Notifications(channel, shelf, policy_of, counts, random.Random(1), name="kind/ops")
    task = asyncio.create_task(told.run())
    try:
        yield told, shelf, counts
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await channel.close()


def policy_of(record: Record) -> Policy:
    """Any."""
    return Policy(record.policy, "")


def record(*decisions: Any) -> Record:
    """A rollout with these decisions."""
    return replace(in_state(), uid="0123456789", decisions=decisions)


@pytest.mark.parametrize("kind", KINDS)
async def test_an_outage_of_every_kind_delays_and_loses_nothing(services: Services, kind: str) -> None:
    """The call and what ended it arrive in their order; each refusal waits for as long as the service asked."""
    services.faults = list(BROKEN)
    began = asyncio.get_running_loop().time()
    async with telling(services.channel(kind)) as (told, shelf, counts):
        for made, said in ((record(HELD), HELD), (record(HELD, RESUMED), RESUMED)):
            shelf.records[made.name] = made
            told.tell(made, said)
        await asyncio.sleep(900)
    assert services.faults == []
    assert counts.counted["notices_total sent"] == 2
    assert counts.counted["notices_total retried"] == len(BROKEN)
    assert counts.counted["notices_total refused"] == 0
    assert asyncio.get_running_loop().time() - began >= 7.5
    words = [str(body) for _, body in services.bodies]
    assert "resolve" in words[-1] or "Resumed" in words[-1] or RESUMED.message in words[-1]


async def test_a_lost_answer_opens_no_second_incident(services: Services) -> None:
    """The trigger comes again with its key, and the end names the same one."""
    services.faults = ["lost"]
    async with telling(services.channel("pagerduty")) as (told, shelf, _):
        for made, said in ((record(HELD), HELD), (record(HELD, RESUMED), RESUMED)):
            shelf.records[made.name] = made
            told.tell(made, said)
        await asyncio.sleep(60)
    events = [(body["event_action"], body["dedup_key"]) for _, body in services.bodies]
    assert [action for action, _ in events] == ["trigger", "trigger", "resolve"]
    assert len({key for _, key in events}) == 1


@pytest.mark.parametrize("kind", KINDS)
async def test_one_rollouts_trouble_is_not_anothers(services: Services, kind: str) -> None:
    """What a service refuses for good is said, and the next rollout's notice is sent."""
    services.faults = ["400"]
    other = replace(record(HELD), name="other")
    async with telling(services.channel(kind)) as (told, shelf, counts):
        for made in (record(HELD), other):
            shelf.records[made.name] = made
            told.tell(made, HELD)
            await asyncio.sleep(1)
    assert counts.counted["notices_total refused"] == 1
    assert counts.counted["notices_total sent"] == 1


@pytest.mark.real_time
async def test_a_mail_goes_again_to_those_who_do_not_have_it() -> None:
    """A server that greylists one of two recipients, and knows a third no longer."""
    smtp = Smtp(
        recipients={"later@shop.example": ["450 later"], "gone@shop.example": ["550 gone", "550 gone"]}
    )
    server = await asyncio.start_server(smtp.serve, "127.0.0.1", 0)
    to = ("ops@shop.example", "later@shop.example", "gone@shop.example")
    channel = notifier(server.sockets[0].getsockname()[1], *to)
    made = record(HELD)
    async with telling(channel) as (told, shelf, counts):
        shelf.records[made.name] = made
        told.tell(made, HELD)
        async with asyncio.timeout(30):
            while not counts.counted["notices_total sent"]:  # noqa: ASYNC110 - the other side of a socket
                await asyncio.sleep(0.05)
    server.close()
    assert smtp.handed == [["ops@shop.example"], ["later@shop.example"]]
    assert len({read(mail)["Message-ID"] for mail in smtp.mails}) == 1

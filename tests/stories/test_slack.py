"""Stories that Slack is told of, by a Slack that runs on the loopback and can be out of order."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from clustersim.node.behaviour import crash_loop
from sentinel.domain.record.entries import Action
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from tests.stories.conftest import at_rest
from tests.support.slack import CHANNEL, TOKEN, FakeSlack, fake_slack
from tests.support.world import NAMESPACE, World, decision, world


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    """A Slack."""
    async with fake_slack() as running:
        yield running


@pytest.fixture
async def told(tmp_path: Path, slack: FakeSlack) -> AsyncIterator[World]:
    """A service that is released in canary steps, and of which Slack is told."""
    async with world(
        tmp_path,
        SENTINEL_SLACK__TOKEN=TOKEN,
        SENTINEL_SLACK__CHANNEL=CHANNEL,
        SENTINEL_SLACK__BASE_URL=slack.url,
    ) as here:
        await at_rest(here)
        yield here


def release(here: World) -> None:
    here.cluster.set_image("web", "web:2", namespace=NAMESPACE)


async def crashed(here: World) -> Record:
    """Release what crashes, and wait until it is undone."""
    here.cluster.behave("web:2", crash_loop())
    release(here)
    return await here.phase(Phase.UNDONE, image="web:2", within=60)


async def thread_of(here: World, slack: FakeSlack, replies: int) -> list[str]:
    """Wait until the one message about the release has so many replies."""

    def there() -> bool:
        roots = slack.roots("web:2")
        return bool(roots) and len(slack.thread(roots[0])) >= replies

    await here.until(there, within=120, what=f"{replies} replies in {slack.messages}")
    (root,) = slack.roots("web:2")
    return slack.thread(root)


async def test_one_message_tells_the_rollout_and_its_thread_the_decisions(
    told: World, slack: FakeSlack
) -> None:
    """The message is brought up to date from the start to promotion; each decision is one reply, in order."""
    release(told)
    await told.phase(Phase.PROMOTED, image="web:2")
    replies = await thread_of(told, slack, 4)
    assert len(replies) == 4
    (root,) = slack.roots("web:2")
    assert root["edits"] >= 4
    assert "Promoted" in root["text"]


async def test_an_undo_is_told_with_its_numbers_and_what_to_do(told: World, slack: FakeSlack) -> None:
    """The thread says which rule, what was seen, and where it went back to."""
    record = await crashed(told)
    replies = await thread_of(told, slack, 3)
    undo = decision(record, Action.UNDO)
    (reply,) = (text for text in replies if undo.message in text)
    assert "crash-loop" in reply
    assert "web:1" in reply


async def test_a_slack_that_hangs_delays_no_undo(told: World, slack: FakeSlack) -> None:
    """The undo is made in the time that it takes without Slack, and told in order once Slack answers again."""
    slack.hangs = True
    record = await crashed(told)
    assert told.image() == "web:1"
    undo = record.state.undo
    assert undo is not None
    assert undo.patched_at is not None
    assert (undo.patched_at - undo.decided_at).total_seconds() < 1
    assert not slack.roots("web:2")
    await asyncio.sleep(300)
    slack.hangs = False
    replies = await thread_of(told, slack, 3)
    assert len(replies) == 3
    assert undo.target.images == ("web:1",)
    assert decision(record, Action.UNDO).message in replies[1]


async def test_a_restart_posts_no_second_message(told: World, slack: FakeSlack) -> None:
    """Where the message stands is in the record, so a new process goes on with it and repeats no reply."""
    release(told)
    await told.phase(Phase.BAKING, image="web:2")
    await thread_of(told, slack, 1)
    await told.restart()
    await told.phase(Phase.PROMOTED, image="web:2")
    assert len(await thread_of(told, slack, 4)) == 4


async def test_what_slack_missed_is_told_by_the_next_process(told: World, slack: FakeSlack) -> None:
    """Decisions made while Slack was down outlive a restart in the record and are told then, once each."""
    slack.down = True
    record = await crashed(told)
    await told.restart()
    slack.down = False
    replies = await thread_of(told, slack, 3)
    assert len(replies) == 3
    assert decision(record, Action.UNDO).message in replies[1]

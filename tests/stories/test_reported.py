"""What is reported of decisions, and when: each once, and nothing old as if it were new."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import pytest

from clustersim.faults import FaultKind, InjectedFault
from clustersim.node.behaviour import crash_loop
from sentinel.domain.record.state import Phase
from tests.stories.conftest import at_rest
from tests.support.slack import CHANNEL, TOKEN, FakeSlack, fake_slack, shown
from tests.support.world import NAMESPACE, World, world

FIELDS = {
    "workload",
    "namespace",
    "record",
    "action",
    "reason",
    "rule",
    "decided_at",
    "mode",
    "step",
    "outcome",
}


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    """A Slack."""
    async with fake_slack() as running:
        yield running


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """The log from INFO on."""
    caplog.set_level(logging.INFO)
    return caplog


def decisions(logged: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """The log lines of decisions."""
    return [line for line in logged.records if "decided_at" in line.__dict__]


async def released(here: World, image: str, phase: Phase, *, crashes: bool = False) -> None:
    """Release an image and wait for a phase."""
    if crashes:
        here.cluster.behave(image, crash_loop())
    here.cluster.set_image("web", image, namespace=NAMESPACE)
    await here.phase(phase, image=image)


async def configure_slack(here: World, slack: FakeSlack) -> None:
    """Restart with Slack in the settings."""
    here.environ |= {
        "SENTINEL_SLACK__TOKEN": TOKEN,
        "SENTINEL_SLACK__CHANNEL": CHANNEL,
        "SENTINEL_SLACK__BASE_URL": slack.url,
    }
    await here.restart()
    await asyncio.sleep(60)


async def test_every_decision_has_one_line_with_its_own_time(
    shop: World, logged: pytest.LogCaptureFixture
) -> None:
    """Over releases that are promoted, undone and replaced, held and resumed by people."""
    await released(shop, "web:2", Phase.PROGRESSING)
    await shop.answered(shop.command("hold", reason="wait for me"))
    await shop.answered(shop.command("resume"))
    await shop.phase(Phase.PROMOTED, image="web:2")
    await released(shop, "web:3", Phase.PROGRESSING)
    await released(shop, "web:4", Phase.UNDONE, crashes=True)
    await shop.answered(shop.command("forgive"))
    lines = decisions(logged)
    entries = {e.id: (r, e) for r in shop.records() for e in r.decisions if r.candidate.images != ("web:1",)}
    assert Counter(line.__dict__["decision"] for line in lines) == Counter(list(entries))
    kinds = {line.__dict__["action"] for line in lines}
    assert kinds >= {
        "start",
        "advance",
        "hold",
        "resume",
        "promote",
        "supersede",
        "undo",
        "restored",
        "forgive",
    }
    for line in lines:
        record, entry = entries[line.__dict__["decision"]]
        assert line.__dict__.keys() >= FIELDS
        assert datetime.fromisoformat(line.__dict__["decided_at"]) == entry.at
        assert line.__dict__["step"] == entry.step + 1
        assert line.__dict__["workload"] == str(record.key)


async def test_a_start_repeats_nothing_in_the_log(shop: World, logged: pytest.LogCaptureFixture) -> None:
    """Neither of a rollout that is over nor of one in flight, with no channel but the log."""
    await released(shop, "web:2", Phase.PROMOTED)
    await released(shop, "web:3", Phase.BAKING)
    before = len(decisions(logged))
    await shop.restart()
    await asyncio.sleep(5)
    assert len(decisions(logged)) == before


async def test_turning_slack_on_tells_what_is_in_flight_and_what_comes(shop: World, slack: FakeSlack) -> None:
    """Of the last day's rollouts that are over Slack hears nothing; of the one under way one message, no replies."""
    await released(shop, "web:2", Phase.UNDONE, crashes=True)
    await released(shop, "web:3", Phase.PROGRESSING)
    await configure_slack(shop, slack)
    (only,) = slack.messages.values()
    assert "web:3" in shown(only)
    await shop.phase(Phase.PROMOTED, image="web:3")
    await asyncio.sleep(5)
    (root,) = slack.roots("")
    replies = slack.thread(root)
    assert "Promote" in replies[-1]
    assert not any("Watching" in reply for reply in replies)


async def test_another_start_with_slack_repeats_nothing(shop: World, slack: FakeSlack) -> None:
    """What stood in the records before Slack was configured stays untold, however often it starts."""
    await released(shop, "web:2", Phase.UNDONE, crashes=True)
    await configure_slack(shop, slack)
    await released(shop, "web:3", Phase.UNDONE, crashes=True)
    await asyncio.sleep(60)
    posted = len(slack.messages)
    assert posted > 1
    for _ in range(2):
        await shop.restart()
        await asyncio.sleep(60)
    assert len(slack.messages) == posted


async def test_a_message_from_before_slack_was_off_is_brought_up_to_date(
    shop: World, slack: FakeSlack
) -> None:
    """What was decided without Slack is no reply in its thread, but the message says how it ended."""
    await configure_slack(shop, slack)
    await released(shop, "web:2", Phase.PROGRESSING)
    await asyncio.sleep(5)
    on = dict(shop.environ)
    del shop.environ["SENTINEL_SLACK__TOKEN"]
    await shop.restart()
    await shop.phase(Phase.PROMOTED, image="web:2")
    posted = len(slack.messages)
    shop.environ |= on
    await shop.restart()
    await asyncio.sleep(60)
    (root,) = slack.roots("web:2")
    assert len(slack.messages) == posted
    assert "Promoted" in root["text"]


async def test_a_decision_whose_answer_was_lost_is_told_without_a_restart(
    tmp_path: Path, slack: FakeSlack, logged: pytest.LogCaptureFixture
) -> None:
    """The record has it, though the write seemed to fail; the next pass reports it, once."""
    async with world(
        tmp_path,
        SENTINEL_SLACK__TOKEN=TOKEN,
        SENTINEL_SLACK__CHANNEL=CHANNEL,
        SENTINEL_SLACK__BASE_URL=slack.url,
    ) as here:
        await at_rest(here)
        here.cluster.faults.add(InjectedFault(FaultKind.DROP, frozenset({"update"}), "rolloutrecords"))
        await released(here, "web:2", Phase.UNDONE, crashes=True)
        await asyncio.sleep(120)
        record = here.record(image="web:2")
        assert record is not None
        (root,) = slack.roots("web:2")
        assert len(slack.thread(root)) == len(record.decisions)
        lines = Counter(line.__dict__["decision"] for line in decisions(logged))
        assert {entry.id: lines[entry.id] for entry in record.decisions} == dict.fromkeys(
            (entry.id for entry in record.decisions), 1
        )

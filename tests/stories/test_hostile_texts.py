"""What others wrote reaches Slack, Events, records and logs as text, whatever it holds."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from sentinel.app.logs import configure_logs
from sentinel.domain.record.entries import Action
from sentinel.domain.record.state import Phase
from tests.stories.conftest import at_rest
from tests.support.slack import CHANNEL, TOKEN, fake_slack, shown
from tests.support.world import NAMESPACE, decision, world

HOSTILE = (
    "a<!channel><@U1><https://evil|here>`*_~\x1b[2J\x07\x9b31m\u202e\u2028\"})' or 1"
    "\n2026-01-01 [info] promoted\x00"
)


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """The log as a person reads it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    written = io.StringIO()
    configure_logs("info", "console", written)
    yield written
    root.handlers[:] = handlers
    root.setLevel(level)


async def test_an_alert_s_texts_are_nothing_but_text_wherever_they_are_shown(
    tmp_path: Path, log: io.StringIO
) -> None:
    """The undo that it causes is told everywhere; nothing mentions, links, steers a terminal or forges a line."""
    async with (
        fake_slack() as slack,
        world(
            tmp_path,
            SENTINEL_SLACK__TOKEN=TOKEN,
            SENTINEL_SLACK__CHANNEL=CHANNEL,
            SENTINEL_SLACK__BASE_URL=slack.url,
        ) as here,
    ):
        await at_rest(here)
        here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        await here.phase(Phase.BAKING, image="web:2")
        pods = here.cluster.pods("web", namespace=NAMESPACE)
        (pod,) = (p for p in pods if p["spec"]["containers"][0]["image"] == "web:2")
        alert = here.alert(pod=pod["metadata"]["name"], alertname=HOSTILE, team=HOSTILE)
        alert["annotations"] = {"summary": HOSTILE, HOSTILE: HOSTILE}
        await here.post_alerts(alert)
        record = await here.phase(Phase.UNDONE, image="web:2")
        await here.until(
            lambda: any("U1" in shown(m) for m in slack.messages.values()), what="Slack was told"
        )
        entry = decision(record, Action.UNDO)
        assert "evil" in entry.message
        assert entry.message.isprintable()
        events = [event["message"] for event in here.events()]
        assert any("evil" in message for message in events)
        assert all(message.isprintable() for message in events)
        for message in slack.messages.values():
            for text in (shown(message), message["text"]):
                assert not {"<!", "<@", "<http"} & {text[n : n + 2] for n in range(len(text))}
                assert "<http" not in text
                assert text.replace("\n", "").isprintable()
    lines = log.getvalue().rstrip("\n").split("\n")
    assert any("evil" in line for line in lines)
    assert all(line.isprintable() for line in lines)
    assert not [line for line in lines if line.startswith("2026-01-01 [info] promoted")]

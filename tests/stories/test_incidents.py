"""Stories of people who are called by an incident: opened once, whatever restarts, and resolved when it is over."""

from __future__ import annotations

import json
from pathlib import Path

from clustersim.node.behaviour import crash_loop
from sentinel.domain.record.state import Phase
from tests.adapters.channels.test_channels import KEY, Services, served
from tests.stories.conftest import at_rest
from tests.support.world import NAMESPACE, PLAIN_POLICY, World, world


def events(services: Services) -> list[str]:
    """What PagerDuty was sent, in order."""
    return [body["event_action"] for _, body in services.bodies]


def notified(here: World) -> bool:
    """Whether the record says that the incident's notice was delivered."""
    return any(record.notices for record in here.records())


async def test_an_incident_is_opened_once_and_resolved_when_its_rollout_ends(tmp_path: Path) -> None:
    """A bad release whose undo budget is spent calls people; a restart calls nobody again."""
    async with served() as services:
        oncall = json.dumps({"oncall": {"key": KEY, "host": f"{services.url}/pd"}})
        policy = PLAIN_POLICY + "  undo: {budget: {max: 0}}\n"
        async with world(tmp_path, policy, SENTINEL_NOTIFY__PAGERDUTY=oncall) as here:
            await at_rest(here)
            here.cluster.behave("web:2", crash_loop())
            here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
            await here.phase(Phase.HELD, image="web:2")
            await here.until(lambda: notified(here), what="people are called")
            await here.restart()
            assert events(services) == ["trigger"]
            here.cluster.set_image("web", "web:3", namespace=NAMESPACE)
            await here.until(lambda: "resolve" in events(services), what="the incident is over")
            assert events(services) == ["trigger", "resolve"]

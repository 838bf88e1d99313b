"""Rule files edited while rollouts are in flight, and what Slack hears of a bad edit."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sentinel.domain.record.state import Phase
from tests.stories.conftest import at_rest
from tests.support.slack import CHANNEL, TOKEN, FakeSlack, fake_slack, shown
from tests.support.world import CANARY_POLICY, NAMESPACE, World, world

STRICTER = CANARY_POLICY.replace("- {weight: 50%, bake: 1m}", "- {weight: 50%, bake: 20m}")


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    """A Slack."""
    async with fake_slack() as running:
        yield running


@pytest.fixture
async def here(tmp_path: Path, slack: FakeSlack) -> AsyncIterator[World]:
    """A service at rest under canary steps, and a Slack that is told."""
    async with world(
        tmp_path,
        SENTINEL_SLACK__TOKEN=TOKEN,
        SENTINEL_SLACK__CHANNEL=CHANNEL,
        SENTINEL_SLACK__BASE_URL=slack.url,
    ) as made:
        await at_rest(made)
        yield made


async def edit(here: World, text: str) -> None:
    """Edit the rule file, and have the daemon look."""
    here.rules(text)
    assert here.application is not None
    await here.application.rule_files.take_over()


async def test_a_rollout_in_flight_keeps_the_set_it_began_with(here: World) -> None:
    """An edit in the middle of a rollout counts from the next one on; each record names the set it was judged by."""
    here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await here.phase(Phase.BAKING, image="web:2")

    await edit(here, STRICTER)

    first = await here.phase(Phase.PROMOTED, image="web:2", within=600)
    here.cluster.set_image("web", "web:3", namespace=NAMESPACE)
    second = await here.phase(Phase.PROMOTED, image="web:3", within=3600)
    took = {r.name: r.decisions[-1].at - r.started_at for r in (first, second)}
    assert took[first.name].total_seconds() < 600
    assert took[second.name].total_seconds() > 1200
    assert first.policy_set
    assert first.policy_set != second.policy_set


async def test_the_set_is_named_in_the_custom_resource(here: World) -> None:
    """`kubectl get rolloutrecord -o yaml` shows the digest of the set in force when the rollout began."""
    here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    record = await here.phase(Phase.BAKING, image="web:2")

    records = here.cluster.api.registry.find("rollback-sentinel.dev", "v1", "rolloutrecords")
    assert records is not None
    stored = here.cluster.store.get(records, NAMESPACE, record.name)

    assert stored["spec"]["policySet"] == record.policy_set
    assert len(record.policy_set) == 64


async def test_a_refused_edit_is_told_in_slack_and_changes_nothing(here: World, slack: FakeSlack) -> None:
    """Slack hears the mistake with its line; rollouts go on under the last good set; Slack hears when it is mended."""
    await edit(here, CANARY_POLICY.replace("max: 5%", "max: 500%"))
    await here.until(lambda: bool(slack.roots("refused")), what="the refusal is told")

    (told,) = slack.roots("refused")
    assert "policy.yaml:22:14: spec.rules[0].errorRate.max: 500% is more than 100%" in shown(told)

    here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await here.phase(Phase.PROMOTED, image="web:2", within=900)
    await edit(here, CANARY_POLICY)
    await here.until(lambda: bool(slack.roots("valid again")), what="the repair is told")


async def test_slack_out_of_order_hears_of_it_later(here: World, slack: FakeSlack) -> None:
    """A refused edit that Slack did not take is told once Slack is back."""
    slack.down = True
    await edit(here, "spec: [")
    await here.until(lambda: slack.refused > 0, what="Slack was asked while it was down")
    slack.down = False

    await here.until(lambda: bool(slack.roots("refused")), within=120, what="the refusal is told")

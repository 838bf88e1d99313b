"""Where the notices of a policy go."""

from __future__ import annotations

from pathlib import Path

import pytest

from sentinel.domain.policy.policy import Policy
from sentinel.policies.load import Options, PolicySet, load, restore
from sentinel.settings import load_channels

POLICY = """\
apiVersion: rollback-sentinel.dev/v1
kind: RolloutPolicy
metadata: {name: shop}
spec:
  match: {}
  notify: NOTIFY
  rules:
    - {name: crash-loop, crashLoop: {}}
"""
NAMED = '{channels: ["slack/#shop", teams/deploys]}'


def loaded(folder: Path, notify: str, channels: tuple[str, ...] | None = None) -> Policy | str:
    """The policy, or the mistakes in it."""
    file = folder / "shop.yaml"
    file.write_text(POLICY.replace("NOTIFY", notify))
    found = load([file], Options(channels=channels))
    return found.policies[0] if isinstance(found, PolicySet) else "\n".join(map(str, found))


@pytest.mark.parametrize(
    ("notify", "channels", "place"),
    [
        ("{}", (), ""),
        (NAMED, ("slack", "teams/deploys"), "#shop"),
        ("{channels: [slack]}", ("slack",), ""),
        ('{channels: [slack], slack: {channel: "#shop"}}', ("slack",), "#shop"),
        ('{slack: {channel: "#shop"}}', (), "#shop"),
    ],
)
def test_a_policy_names_channels(tmp_path: Path, notify: str, channels: tuple[str, ...], place: str) -> None:
    """By the names of the settings, and a place in Slack."""
    policy = loaded(tmp_path, notify)
    assert isinstance(policy, Policy)
    assert (policy.channels, policy.slack_channel) == (channels, place)


def test_a_channel_that_the_settings_do_not_have_is_a_mistake(tmp_path: Path) -> None:
    """With its place and with those that they have."""
    found = loaded(tmp_path, NAMED, ("slack", "teams/ops"))
    assert "shop.yaml:6:38: spec.notify.channels[1]: the settings name no channel teams/deploys" in str(found)
    assert str(found).endswith("(they have slack, teams/ops)")


def test_a_rollout_goes_on_without_a_channel_that_is_gone(tmp_path: Path) -> None:
    """What its record restores is not asked for channels: a notice less must not stop a rollout."""
    policy = loaded(tmp_path, NAMED)
    assert isinstance(policy, Policy)
    assert restore(policy.document, Options(channels=())).channels == policy.channels


def test_the_channels_of_a_settings_file_are_known_without_its_secrets(tmp_path: Path) -> None:
    """For `sentinel rules check --config` on a machine that has none."""
    file = tmp_path / "sentinel.yaml"
    file.write_text("notify:\n  teams: {deploys: {url_file: /nowhere}}\n  pagerduty: {}\n")
    assert load_channels(file) == ("slack", "teams/deploys")

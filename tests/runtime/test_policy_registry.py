"""Which policy guards a workload now, and under which one a rollout goes on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sentinel.domain.policy.policy import Mode
from sentinel.domain.policy.selection import Match
from sentinel.runtime import policy_registry
from sentinel.runtime.policy_registry import PolicyRegistry
from tests.engine.builders import PLAIN, rollout
from tests.engine.snapshots import record
from tests.runtime.doubles import Rules

EDITED = replace(PLAIN, digest="p2")
OURS = record(policy_document={"name": "api"})


def test_the_policy_that_matches_guards() -> None:
    """And none guards what none matches."""
    policy = replace(PLAIN, match=Match(namespaces=("shop",)))
    registry = PolicyRegistry(Rules((policy,)), Mode.ENFORCE)
    assert registry.guarding(rollout(1)) == policy
    assert PolicyRegistry(Rules(), Mode.ENFORCE).guarding(rollout(1)) is None
    assert registry.in_force() == (policy,)


def test_two_that_match_equally_guard_nothing_and_are_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """A tie is an error, not a choice."""
    registry = PolicyRegistry(Rules((PLAIN, replace(PLAIN, name="other"))), Mode.ENFORCE)
    assert [registry.guarding(rollout(1)) for _ in range(3)] == [None] * 3
    assert len(caplog.records) == 1


def test_a_rollout_goes_on_under_the_policy_it_began_with() -> None:
    """An edit does not reach it."""
    rules = Rules((EDITED,), {"api": PLAIN})
    registry = PolicyRegistry(rules, Mode.ENFORCE)
    assert [registry.of(OURS) for _ in range(3)] == [PLAIN] * 3
    assert rules.restored == 1


def test_an_unedited_policy_needs_no_restoring() -> None:
    """It is in force."""
    rules = Rules((PLAIN,))
    assert PolicyRegistry(rules, Mode.ENFORCE).of(OURS) == PLAIN
    assert rules.restored == 0


def test_a_policy_may_ask_for_its_edits_to_be_followed() -> None:
    """Then a running rollout takes them."""
    following = replace(EDITED, follow_edits=True)
    assert PolicyRegistry(Rules((following,), {"api": PLAIN}), Mode.ENFORCE).of(OURS) == following


def test_a_policy_that_no_longer_loads_gives_way_to_todays(caplog: pytest.LogCaptureFixture) -> None:
    """Told once; without one of its name there is none."""
    registry = PolicyRegistry(Rules((EDITED,)), Mode.ENFORCE)
    assert [registry.of(OURS) for _ in range(3)] == [EDITED] * 3
    assert len(caplog.records) == 1
    assert PolicyRegistry(Rules(), Mode.ENFORCE).of(OURS) is None


def test_memory_of_policies_is_bounded(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The oldest restored one is parsed again when it is asked for; so is a complaint made again."""
    monkeypatch.setattr(policy_registry, "MAX_REMEMBERED", 1)
    rules = Rules((), {"api": PLAIN})
    registry = PolicyRegistry(rules, Mode.ENFORCE)
    for digest in ("1", "2", "1"):
        registry.of(replace(OURS, policy_digest=digest))
    assert rules.restored == 3
    for name in ("x", "y", "x"):
        registry.of(replace(OURS, name=name, policy_digest="3", policy_document={}))
    assert len(caplog.records) == 3


@pytest.mark.parametrize("setting", list(Mode))
@pytest.mark.parametrize("own", list(Mode))
def test_the_stricter_mode_counts(own: Mode, setting: Mode) -> None:
    """Observe anywhere is observe."""
    found = PolicyRegistry(Rules(), setting).mode(replace(PLAIN, mode=own))
    assert (found is Mode.ENFORCE) is (own is setting is Mode.ENFORCE)

"""What counts as a deployment, as a change that failed, and what its times are."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from sentinel.domain.policy.policy import Mode
from sentinel.domain.record.entries import Action, Outcome, OutcomeKind
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase, RevisionRef
from sentinel.domain.workload.facts import WorkloadKey
from sentinel.domain.workload.kinds import WorkloadKind
from sentinel.domain.workload.revision import ChangeOrigin, OriginKind
from sentinel.engine.rollout.lifecycle import ROLLED_BACK
from sentinel.reports.changes import ProductionChange, change_of
from tests.engine.builders import entry, in_state, undone_to
from tests.engine.snapshots import NEW, OLD, at

COMMITTED = ChangeOrigin(at(-1800), OriginKind.COMMIT)
REPLACED = entry(Action.SUPERSEDE, "NewerRevision", 300)


def made(origin: ChangeOrigin | None = COMMITTED, before: ChangeOrigin | None = None, **state: Any) -> Record:
    """A record whose candidate was committed half an hour before it was seen."""
    candidate = RevisionRef.of(replace(NEW, origin=origin))
    stable = RevisionRef.of(replace(OLD, origin=before))
    return replace(in_state(**state), candidate=candidate, stable=stable)


def seen(record: Record) -> ProductionChange:
    """Its change, which it must have."""
    change = change_of(record)
    assert change is not None
    return change


def test_a_promoted_rollout_is_a_deployment_with_its_lead_time() -> None:
    """From the commit until it was promoted."""
    change = seen(made(phase=Phase.PROMOTED, promoted_at=at(600)))
    assert change == ProductionChange(at(600), True, False, 2400.0, OriginKind.COMMIT)


def test_the_image_stands_in_for_the_commit_and_is_named() -> None:
    """A lead time from the making of an image is shorter, so that it is said."""
    image = ChangeOrigin(at(0), OriginKind.IMAGE)
    assert seen(made(image, phase=Phase.PROMOTED, promoted_at=at(60))).lead_from is OriginKind.IMAGE


def test_a_clock_that_is_ahead_is_no_lead_time_below_zero() -> None:
    """CI's clock and the cluster's may differ."""
    ahead = ChangeOrigin(at(120), OriginKind.COMMIT)
    assert seen(made(ahead, phase=Phase.PROMOTED, promoted_at=at(60))).lead == 0


@pytest.mark.parametrize("seconds", [7200, -40 * 365 * 86_400])
def test_a_time_that_can_be_no_commits_is_no_lead_time(seconds: float) -> None:
    """Hours after the promotion, or 1980 as reproducible images say: the median would be worth nothing."""
    change = seen(made(ChangeOrigin(at(seconds), OriginKind.IMAGE), phase=Phase.PROMOTED, promoted_at=at(60)))
    assert (change.deployed, change.lead, change.lead_from) == (True, None, None)


def test_a_config_only_rollout_has_no_lead_time() -> None:
    """It is a deployment, but the commit in its template is that of the pods before it."""
    change = seen(made(before=COMMITTED, phase=Phase.PROMOTED, promoted_at=at(600)))
    assert (change.deployed, change.lead) == (True, None)


def test_an_undone_canary_failed_and_was_not_deployed() -> None:
    """Some users had it. The time to restore is from the fault's first sign until the old pods were all back."""
    undo = undone_to(fault_at=at(50), restored_at=at(80))
    change = seen(made(phase=Phase.UNDONE, undo=undo, ended_at=at(80)))
    assert change == ProductionChange(at(60), False, True, restore=30.0)


def test_a_change_undone_after_its_promotion_was_deployed_and_failed() -> None:
    """On the day on which it was promoted."""
    undo = undone_to(decided_at=at(4000), fault_at=at(3990), restored_at=at(4020))
    change = seen(made(phase=Phase.UNDONE, promoted_at=at(600), undo=undo))
    assert (change.at, change.deployed, change.failed, change.restore) == (at(600), True, True, 30.0)


def test_an_undo_under_way_failed_and_is_not_restored_yet() -> None:
    """Its time to restore is not known."""
    change = seen(made(phase=Phase.UNDOING, undo=undone_to()))
    assert (change.failed, change.restore) == (True, None)


def test_a_change_that_people_put_back_failed() -> None:
    """While it was rolled out or guarded; without a sign of a fault on record nobody knows how long it lasted."""
    change = seen(made(phase=Phase.SUPERSEDED, reason=ROLLED_BACK, ended_at=at(200)))
    assert change == ProductionChange(at(200), False, True)


def test_observe_mode_fails_only_what_people_put_back() -> None:
    """Restored is counted from when the sentinel would have undone it."""
    would = entry(Action.UNDO, "ErrorRate", 100, outcome=Outcome(OutcomeKind.OBSERVED, at(100)))
    back = made(phase=Phase.SUPERSEDED, reason=ROLLED_BACK, ended_at=at(400))
    change = seen(replace(back, mode=Mode.OBSERVE, decisions=(would,)))
    assert (change.failed, change.restore) == (True, 300.0)
    stayed = made(phase=Phase.SUPERSEDED, verdict="fail", weight=1.0, ended_at=at(400))
    change = seen(replace(stayed, mode=Mode.OBSERVE, decisions=(would, REPLACED)))
    assert change == ProductionChange(at(400), True, False)


@pytest.mark.parametrize(
    "state",
    [
        {"phase": Phase.SUPERSEDED, "verdict": "pending", "weight": 0.5},
        {"phase": Phase.UNJUDGED},
        {"phase": Phase.FAILED, "reason": "WorkloadDeleted"},
        {"phase": Phase.BAKING, "verdict": "fail"},
    ],
)
def test_what_is_no_change_to_production_is_not_counted(state: dict[str, Any]) -> None:
    """Replaced before its end, unseen, without an end, or not over."""
    ended = at(300) if state["phase"] is not Phase.BAKING else None
    assert change_of(replace(made(ended_at=ended, **state), decisions=(REPLACED,))) is None


def test_a_bad_change_that_was_fixed_forward_failed() -> None:
    """It was found bad, its undo was refused by a guard, and a newer revision replaced it."""
    refused = entry(Action.UNDO, "ErrorRate", 100, outcome=Outcome(OutcomeKind.REFUSED, at(100)))
    bad = made(phase=Phase.SUPERSEDED, verdict="fail", weight=0.1, ended_at=at(300))
    change = seen(replace(bad, decisions=(refused, REPLACED)))
    assert change == ProductionChange(at(300), False, True)


def test_a_pair_is_one_change() -> None:
    """Its two Deployments have one record."""
    pair = replace(
        made(phase=Phase.PROMOTED, promoted_at=at(600)),
        key=WorkloadKey(WorkloadKind.CANARY_PAIR, "shop", "api"),
    )
    assert seen(pair).lead == timedelta(minutes=40).total_seconds()

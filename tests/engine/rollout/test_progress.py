"""Progress: steering, baking, advancing, waiting for approval, promoting."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from sentinel.domain.decision import Release, Stop
from sentinel.domain.policy.policy import Mode, Policy
from sentinel.domain.policy.strategy import OnLowTraffic, Step
from sentinel.domain.record.entries import Action
from sentinel.domain.record.state import Phase
from sentinel.domain.verdict import RuleVerdict, VerdictKind
from sentinel.engine.rollout.decision import decide
from tests.engine.builders import (
    CANARY,
    FAIL,
    MINUTE,
    PASS,
    PENDING,
    PLAIN,
    in_state,
    paused,
    rollout,
    situation,
    verdict,
    with_strategy,
)
from tests.engine.snapshots import at

APPROVED = with_strategy(CANARY, steps=(Step(0.1, MINUTE, approval=True), Step(0.5, MINUTE)))


def test_a_rollout_is_steered_before_it_bakes() -> None:
    """Let go below the weight, stopped at it; nothing bakes meanwhile."""
    go = decide(situation(in_state(), paused(0), PENDING))
    assert (go.change, go.state.phase, go.state.progress.reached_at) == (Release(), Phase.PROGRESSING, None)
    stop = decide(situation(in_state(), rollout(1), PENDING))
    assert isinstance(stop.change, Stop)
    assert stop.state.progress.reached_at is None


def test_the_bake_begins_when_the_weight_is_reached() -> None:
    """Counted from then, with the weight that was really reached."""
    found = decide(situation(in_state(), paused(2), PENDING))
    assert (found.state.phase, found.state.progress.reached_at, found.state.weight) == (
        Phase.BAKING,
        at(70),
        0.2,
    )
    assert found.requeue_at == at(130)


def test_a_bake_that_is_not_over_waits() -> None:
    """However good the verdicts are."""
    found = decide(situation(in_state(Phase.BAKING, reached_at=at(60)), paused(1), PASS))
    assert (found.action, found.requeue_at) == (None, at(120))


def test_a_late_source_is_looked_at_when_it_knows_the_whole_bake() -> None:
    """Twenty seconds after a bake that is over, where its numbers take that long to settle."""
    late = replace(
        situation(in_state(Phase.BAKING, reached_at=at(10)), paused(1), PENDING), settle=timedelta(seconds=20)
    )
    assert decide(late).requeue_at == at(90)


def test_a_proof_that_the_candidate_is_good_ends_a_bake_early() -> None:
    """Only where the policy says so, where a rule has the proof, and where no other rule is open."""
    early = with_strategy(CANARY, promote_early=True)
    good, baking = verdict(VerdictKind.PASS, "ProvenGood"), in_state(Phase.BAKING, reached_at=at(60))

    def action(*verdicts: RuleVerdict, policy: Policy = early) -> Action | None:
        return decide(situation(baking, paused(1), *verdicts, policy=policy)).action

    assert action(good, PASS) is Action.ADVANCE
    assert action(good, PASS, policy=CANARY) is None
    assert action(PASS) is None
    assert action(good, PENDING) is None


def test_an_open_verdict_extends_the_step() -> None:
    """Until the deadline, with what is said so far."""
    found = decide(situation(in_state(Phase.BAKING, reached_at=at(0)), paused(1), PASS, PENDING))
    assert (found.action, found.state.verdict, found.requeue_at) == (None, "pending", at(3600))


def test_a_step_that_passed_advances() -> None:
    """On to the next weight, with every rule's numbers, each named by its rule."""
    found = decide(situation(in_state(Phase.BAKING, reached_at=at(0)), paused(1), PASS))
    assert (found.action, found.state.progress.step, found.state.progress.reached_at) == (
        Action.ADVANCE,
        1,
        None,
    )
    assert found.numbers == {"r.n": 1}
    assert found.message == "10% passed, next is 50%: r says pass"


def test_the_last_step_leads_to_all() -> None:
    """Everything is let go after the last pause."""
    found = decide(situation(in_state(Phase.BAKING, step=1, reached_at=at(0)), paused(5), PASS))
    assert (found.state.progress.step, found.change) == (2, Release())
    assert found.message.startswith("50% passed, next is 100%")


def test_a_rollout_that_passed_at_all_pods_is_promoted() -> None:
    """And guarded from then on."""
    found = decide(situation(in_state(Phase.BAKING, step=2, reached_at=at(0)), rollout(10), PASS, now=120))
    assert (found.action, found.state.phase, found.state.ending.promoted_at) == (
        Action.PROMOTE,
        Phase.PROMOTED,
        at(120),
    )
    assert found.requeue_at == at(120 + 3600)


def test_a_rollout_without_rules_is_promoted_by_its_bake() -> None:
    """Where nothing is asked, nothing is open."""
    found = decide(situation(in_state(Phase.BAKING, reached_at=at(0)), rollout(10), policy=PLAIN, now=120))
    assert (found.action, found.message) == (Action.PROMOTE, "promoted: every rule passed")


def test_a_plain_rollout_bakes_once_all_pods_are_there() -> None:
    """Its own rolling update makes the steps."""
    going = decide(situation(in_state(), rollout(9), PENDING, policy=PLAIN))
    assert (going.change, going.state.progress.reached_at) == (None, None)
    there = decide(situation(in_state(), rollout(10), PENDING, policy=PLAIN))
    assert there.state.progress.reached_at == at(70)


def test_low_traffic_may_advance_where_the_policy_says_so() -> None:
    """`onLowTraffic: advance` lets too few requests pass, and nothing else."""
    quiet = verdict(VerdictKind.PENDING, "LowTraffic")
    ours = in_state(Phase.BAKING, reached_at=at(0))
    lenient = with_strategy(CANARY, on_low_traffic=OnLowTraffic.ADVANCE)
    assert decide(situation(ours, paused(1), quiet)).action is None
    assert decide(situation(ours, paused(1), quiet, policy=lenient)).action is Action.ADVANCE
    assert decide(situation(ours, paused(1), PENDING, policy=lenient)).action is None


def test_an_approval_is_asked_for_once_and_stops_the_clock() -> None:
    """Every rule passed: a human is called, and the deadline waits."""
    ours = in_state(Phase.BAKING, reached_at=at(0))
    found = decide(situation(ours, paused(1), PASS, policy=APPROVED))
    assert (found.action, found.reason, found.escalate) == (Action.ESCALATE, "AwaitingApproval", True)
    waiting = ours.with_state(found.state)
    later = decide(situation(waiting, paused(1), PASS, policy=APPROVED, now=90_000))
    assert (later.action, later.requeue_at) == (None, None)


def test_an_approved_step_advances_and_the_wait_does_not_count() -> None:
    """The clock goes on where it stood."""
    ours = in_state(Phase.BAKING, reached_at=at(0), approval_since=at(70))
    ours = replace(ours, approvals=frozenset({1}))
    found = decide(situation(ours, paused(1), PASS, policy=APPROVED, now=1070))
    assert (found.action, found.state.waits.stood, found.state.waits.approval_since) == (
        Action.ADVANCE,
        1000.0,
        None,
    )


def test_an_approval_in_advance_waits_for_nothing() -> None:
    """But for the rules."""
    ours = replace(in_state(Phase.BAKING, reached_at=at(0)), approvals=frozenset({1}))
    assert decide(situation(ours, paused(1), PASS, policy=APPROVED)).action is Action.ADVANCE
    assert decide(situation(ours, paused(1), PENDING, policy=APPROVED)).action is None


def test_an_approval_does_not_overrule_proof() -> None:
    """What fails while a human thinks is undone."""
    ours = in_state(Phase.BAKING, reached_at=at(0), approval_since=at(70))
    ours = replace(ours, approvals=frozenset({1}))
    assert decide(situation(ours, paused(1), FAIL, policy=APPROVED)).action is Action.UNDO


def test_a_step_without_a_bake_advances_at_once() -> None:
    """`bake: 0s` asks for the weight alone."""
    policy = with_strategy(CANARY, steps=(Step(0.1), Step(0.5)))
    assert decide(situation(in_state(), paused(1), PASS, policy=policy)).action is Action.ADVANCE


def test_scaling_up_while_baking_steers_and_keeps_the_bake() -> None:
    """An HPA that doubles the replicas lowers the weight: more pods come, and the bake goes on."""
    ours = in_state(Phase.BAKING, reached_at=at(60))
    found = decide(situation(ours, paused(1, 20), PENDING))
    assert (found.change, found.state.progress.reached_at, found.action) == (Release(), at(60), None)


def test_a_workload_scaled_to_zero_is_not_promoted_and_says_so() -> None:
    """Not even where no rule is open, and nobody is called as long as there is nothing to judge."""
    ours = in_state(Phase.BAKING, reached_at=at(0))
    policy = with_strategy(PLAIN, bake=timedelta(0))
    idle = decide(situation(ours, rollout(0, 0), PASS, policy=policy))
    assert (idle.action, idle.state.reason, idle.state.phase) == (None, "ScaledToZero", Phase.PROGRESSING)
    late = decide(situation(ours.with_state(idle.state), rollout(0, 0), PASS, policy=policy, now=9000))
    assert (late.action, late.requeue_at) == (None, None)


def test_time_at_zero_counts_neither_as_bake_nor_against_the_deadline() -> None:
    """What was baked before is kept, and goes on once the weight is reached again."""
    ours = in_state(Phase.BAKING, reached_at=at(60))
    idle = decide(situation(ours, paused(0, 0), PENDING, now=100)).state
    assert (idle.progress.reached_at, idle.progress.baked, idle.weight) == (None, 40.0, 0.0)
    still = decide(situation(ours.with_state(idle), paused(0, 0), PENDING, now=5000)).state
    back = situation(ours.with_state(still), paused(10), PENDING, now=8000)
    after = decide(back).state
    assert (after.progress.reached_at, after.progress.baked, after.weight) == (at(7960), 0.0, 1.0)
    assert situation(ours.with_state(after), paused(10), now=8000).deadline == at(3600 + 7900)


def test_a_step_is_recorded_with_the_weight_reached_now() -> None:
    """Not with the one that the policy asks for, and not with the one of when the bake began."""
    ours = in_state(Phase.BAKING, reached_at=at(0), weight=0.1)
    found = decide(situation(ours, paused(3), PASS))
    assert found.message == "30% of the pods (step 1 asks for 10%) passed, next is 50%: r says pass"
    far = decide(situation(ours, paused(10), PASS))
    assert "passed, next is step 2, which asks for 50%: " in far.message


def test_a_step_that_fell_short_of_its_weight_is_not_passed() -> None:
    """Scaled up at the end of its bake: the pods that are lacking come first."""
    ours = in_state(Phase.BAKING, reached_at=at(0))
    found = decide(situation(ours, paused(1, 20), PASS))
    assert (found.action, found.change) == (None, Release())


def test_a_canary_that_is_frozen_at_its_weight_is_never_promoted() -> None:
    """Steps do not count in observe mode, and a pod in ten is not the whole workload, however long it baked."""
    frozen = in_state(Phase.BAKING, step=0, reached_at=at(10))
    waits = decide(situation(frozen, paused(1), PASS, mode=Mode.OBSERVE, now=3000))
    assert waits.action is not Action.PROMOTE
    assert waits.state.progress.reached_at is None
    thawed = decide(situation(frozen.with_state(waits.state), paused(1), PASS, now=3001))
    assert (thawed.action, thawed.state.phase, thawed.state.progress.reached_at) == (
        None,
        Phase.BAKING,
        at(3001),
    )

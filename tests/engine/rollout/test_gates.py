"""Gates: a step goes on only when they passed; what a failed one comes to."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from sentinel.domain.decision import Decision, Restore
from sentinel.domain.gate import GateAnswer, GateResult, JobGate, OnGateFailure, WebhookGate
from sentinel.domain.policy.strategy import Step
from sentinel.domain.record.entries import Action
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from sentinel.engine.rollout.decision import decide
from sentinel.engine.rollout.gates import gates_asked, job_name, ungated
from tests.engine.builders import (
    CANARY,
    FAIL,
    MINUTE,
    PASS,
    PENDING,
    in_state,
    paused,
    situation,
    with_strategy,
)
from tests.engine.snapshots import at
from tests.support.states import changed_state

GATE = WebhookGate("smoke", "http://qa/check", within=2 * MINUTE)
GATED = with_strategy(CANARY, steps=(Step(0.1, MINUTE, gates=(GATE,)), Step(0.5, MINUTE)))
UNDOING = with_strategy(
    CANARY,
    steps=(Step(0.1, MINUTE, gates=(replace(GATE, on_failure=OnGateFailure.UNDO),)), Step(0.5, MINUTE)),
)


JOB = JobGate("smoke", {"spec": {}}, 2 * MINUTE, OnGateFailure.UNDO)
JOBBED = with_strategy(CANARY, steps=(Step(0.1, MINUTE, gates=(JOB,)), Step(0.5, MINUTE)))


def asked(answer: GateAnswer, *, tries: int = 1) -> Record:
    """A step whose bake is over and whose gate was first asked at 60 s."""
    result = GateResult("smoke", answer, "answered 500: broken", tries, at(61))
    return in_state(Phase.BAKING, reached_at=at(0), asked_since=at(60), results=(result,))


def decided(of: Record, *, now: float = 70, policy: object = GATED) -> Decision:
    return decide(situation(of, paused(1), PASS, policy=policy, now=now))  # type: ignore[arg-type]


def test_a_step_that_passed_has_its_gates_asked() -> None:
    """It waits for them, and looks again when their time is over."""
    found = decided(in_state(Phase.BAKING, reached_at=at(0)))
    assert (found.action, found.state.gating.asked_since, found.requeue_at) == (None, at(70), at(190))
    assert [result.answer for result in found.state.gating.results] == [GateAnswer.PENDING]
    assert (found.state.verdict, found.state.reason) == ("pending", "AwaitingGates")
    assert "smoke" in found.state.message


@pytest.mark.parametrize("verdict", [PENDING, FAIL])
def test_no_gate_is_asked_before_the_rules_have_passed(verdict: object) -> None:
    """What is not good enough yet needs no smoke test."""
    of = in_state(Phase.BAKING, reached_at=at(0))
    found = decide(situation(of, paused(1), verdict, policy=GATED))  # type: ignore[arg-type]
    assert found.state.gating.asked_since is None


def test_a_step_goes_on_when_its_gates_passed() -> None:
    """And the next one asks its own anew."""
    found = decided(asked(GateAnswer.PASSED))
    assert (found.action, found.state.progress.step) == (Action.ADVANCE, 1)
    assert (found.state.gating.asked_since, found.state.gating.results) == (None, ())


@pytest.mark.parametrize("answer", [GateAnswer.PENDING, GateAnswer.FAILED, GateAnswer.UNANSWERED])
def test_a_gate_has_its_time(answer: GateAnswer) -> None:
    """A no before its time is over is asked again, and nothing is decided."""
    assert decided(asked(answer), now=179).action is None


@pytest.mark.parametrize("answer", [GateAnswer.FAILED, GateAnswer.UNANSWERED])
def test_a_gate_that_did_not_pass_in_time_holds_the_rollout(answer: GateAnswer) -> None:
    """Until a human says otherwise, who is called and told what the gate said."""
    found = decided(asked(answer, tries=12), now=180)
    assert (found.action, found.reason, found.escalate) == (Action.HOLD, "GateFailed", True)
    assert found.state.hold is not None
    assert found.state.hold.sticky
    assert found.message == "gate smoke did not pass after 12 calls: answered 500: broken"


def test_a_gate_that_said_no_undoes_where_the_policy_says_so() -> None:
    """As a rule's fail does."""
    found = decided(asked(GateAnswer.FAILED), now=180, policy=UNDOING)
    assert (found.action, found.rule) == (Action.UNDO, "smoke")
    assert isinstance(found.change, Restore)


@pytest.mark.parametrize("answer", [GateAnswer.UNANSWERED, GateAnswer.REFUSED])
def test_a_gate_that_said_nothing_undoes_nothing(answer: GateAnswer) -> None:
    """Nobody there, or nobody to be called, is no proof against the candidate."""
    assert decided(asked(answer), now=180, policy=UNDOING).action is Action.HOLD


def test_a_gate_that_must_not_be_called_holds_at_once() -> None:
    """Waiting makes no address allowed."""
    assert decided(asked(GateAnswer.REFUSED), now=61).action is Action.HOLD


def test_a_gate_that_was_never_asked_has_not_failed() -> None:
    """However late it is: a restart must not fail what it kept from being asked."""
    assert decided(asked(GateAnswer.PENDING, tries=0), now=600).action is None


def test_proof_still_undoes_what_a_gate_holds() -> None:
    """Nobody asked for the candidate to be kept."""
    held = decided(asked(GateAnswer.FAILED), now=180).state
    found = decide(situation(in_state().with_state(held), paused(1), FAIL, policy=GATED, now=200))
    assert found.action is Action.UNDO


def test_a_human_who_ends_the_hold_has_the_gate_asked_again() -> None:
    """The whole time counts anew."""
    held = decided(asked(GateAnswer.FAILED), now=180).state
    resumed = replace(in_state().with_state(held), resumed_at=at(300))
    found = decided(resumed, now=301)
    assert found.action is Action.RESUME
    again = decided(resumed.with_state(found.state), now=302)
    assert (again.action, again.state.gating.asked_since) == (None, at(302))


def test_an_approval_is_asked_for_after_the_gates() -> None:
    """A human is not called for what a smoke test would stop."""
    steps = (Step(0.1, MINUTE, approval=True, gates=(GATE,)), Step(0.5, MINUTE))
    policy = with_strategy(CANARY, steps=steps)
    assert decided(asked(GateAnswer.FAILED), policy=policy).action is None
    assert decided(asked(GateAnswer.PASSED), policy=policy).reason == "AwaitingApproval"


def test_gates_are_asked_only_while_the_step_waits_for_them() -> None:
    """Not before, not while held, not while a human is awaited."""
    waiting = asked(GateAnswer.PENDING)
    assert gates_asked(GATED, waiting) == (GATE,)
    for changes in ({"phase": Phase.HELD}, {"asked_since": None}, {"approval_since": at(70)}):
        assert gates_asked(GATED, waiting.with_state(changed_state(waiting.state, **changes))) == ()


def test_a_replay_has_no_gates() -> None:
    """Nobody is there to be asked."""
    assert [step.gates for step in ungated(GATED).strategy.steps] == [(), ()]
    assert ungated(GATED).strategy.deadline == timedelta(hours=1)


def test_other_gates_than_those_that_were_asked_are_asked_anew() -> None:
    """Where a rollout follows edits of its policy, no answer counts for a gate that did not give it."""
    steps = (Step(0.1, MINUTE, gates=(replace(GATE, name="other"),)), Step(0.5, MINUTE))
    found = decided(asked(GateAnswer.PASSED), policy=with_strategy(CANARY, steps=steps))
    assert (found.action, found.state.gating.asked_since) == (None, at(70))
    assert [(gate.name, gate.answer) for gate in found.state.gating.results] == [
        ("other", GateAnswer.PENDING)
    ]


def seen(answer: GateAnswer, seconds: float) -> Record:
    """A Job that was first asked for at 60 s and was seen so, then."""
    result = GateResult("smoke", answer, "Job x: said", 3, at(seconds))
    return in_state(Phase.BAKING, reached_at=at(0), asked_since=at(60), results=(result,))


def test_a_job_that_failed_undoes_at_once_where_the_policy_says_so() -> None:
    """Its no is final: there is nothing to wait for."""
    found = decided(seen(GateAnswer.FAILED, 70), now=70, policy=JOBBED)
    assert (found.action, found.reason, found.rule) == (Action.UNDO, "GateFailed", "smoke")
    assert found.message.startswith("gate smoke did not pass: Job x: said")
    assert found.numbers == {"tries": 3}
    assert found.cause.job == job_name(seen(GateAnswer.FAILED, 70), 0)


def test_a_job_that_kubernetes_ended_by_its_deadline_holds() -> None:
    """By a reason of its own, also where a failure would undo: what did not end has proven nothing."""
    found = decided(seen(GateAnswer.TIMEOUT, 190), now=190, policy=JOBBED)
    assert (found.action, found.reason, found.escalate) == (Action.HOLD, "GateTimeout", True)
    assert found.message == "gate smoke did not end in time: Job x: said"


@pytest.mark.parametrize(
    ("answer", "seconds", "reason"),
    [
        (GateAnswer.RUNNING, 205, None),
        (GateAnswer.RUNNING, 210, "GateTimeout"),
        (GateAnswer.UNANSWERED, 205, None),
        (GateAnswer.UNANSWERED, 210, "GateFailed"),
    ],
)
def test_a_job_that_is_not_heard_of_in_time_holds(
    answer: GateAnswer, seconds: float, reason: str | None
) -> None:
    """What counts is what was seen when its time was over: a restart may have kept its end from being seen."""
    found = decided(seen(answer, seconds), now=600, policy=JOBBED)
    assert (found.reason or None) == reason


def test_a_job_that_cannot_be_run_says_so() -> None:
    """It is not a webhook that is not called."""
    found = decided(seen(GateAnswer.REFUSED, 61), now=61, policy=JOBBED)
    assert (found.action, found.message) == (Action.HOLD, "gate smoke has no answer: Job x: said")


def test_proof_still_undoes_what_a_timeout_holds() -> None:
    """Nobody asked for the candidate to be kept."""
    held = decided(seen(GateAnswer.TIMEOUT, 190), now=190, policy=JOBBED).state
    found = decide(situation(in_state().with_state(held), paused(1), FAIL, policy=JOBBED, now=200))
    assert found.action is Action.UNDO


def test_a_jobs_name_is_that_of_the_attempt() -> None:
    """The same for whoever asks; another for each gate, step and attempt, each rollout, and no longer than a label."""
    first = seen(GateAnswer.PENDING, 61)
    assert job_name(first, 0) == job_name(seen(GateAnswer.RUNNING, 99), 0)
    others = [
        job_name(first, 1),
        job_name(first.with_state(changed_state(first.state, step=1)), 0),
        job_name(first.with_state(changed_state(first.state, asked_since=at(61))), 0),
        job_name(replace(first, uid="another"), 0),
    ]
    assert len({job_name(first, 0), *others}) == 5
    long = replace(first, key=first.key._replace(name="a.b" * 80))
    assert len(job_name(long, 0)) <= 63
    assert "." not in job_name(long, 0)

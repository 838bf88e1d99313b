"""Gates of a step: asked when every rule has passed and the bake is over, and answered before it goes on.

A webhook that says no is asked again until its time is over; a Job runs once, and its end is its answer. Then the
gate holds the rollout, or undoes it where the policy says so and the gate itself said no: silence, a Job that does
not end, and what the settings do not allow, prove nothing.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

from sentinel.domain.decision import Decision
from sentinel.domain.figures import amount
from sentinel.domain.gate import Gate, GateAnswer, GateResult, JobGate, OnGateFailure, is_final
from sentinel.domain.policy.policy import Policy
from sentinel.domain.record.holds import HoldReason
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import GateState, Phase, RolloutState
from sentinel.domain.verdict import DecisionCause, RuleVerdict, VerdictKind
from sentinel.engine.rollout.holding import hold
from sentinel.engine.rollout.situation import Situation
from sentinel.engine.rollout.undo.undoing import condemn
from sentinel.values import replace

JOB_GRACE = timedelta(seconds=30)
"""Kubernetes ends a Job that takes too long by itself: so long it is given to say so."""
_JOB_NAME_LENGTH = 63
"""Pods are labelled with their Job's name, and a label's value is no longer."""


def gates_of(policy: Policy, step: int) -> tuple[Gate, ...]:
    """The gates of a step; 100 % has none."""
    steps = policy.strategy.steps
    return steps[step].gates if step < len(steps) else ()


def ungated(policy: Policy) -> Policy:
    """The policy with every gate open, for a replay, in which nobody is there to be asked."""
    steps = tuple(replace(step, gates=()) for step in policy.strategy.steps)
    return replace(policy, strategy=replace(policy.strategy, steps=steps))


def gates_asked(policy: Policy, record: Record) -> tuple[Gate, ...]:
    """The gates that are to be asked now; empty while the rollout waits for something else."""
    state = record.state
    if (
        state.phase is not Phase.BAKING
        or state.gating.asked_since is None
        or state.waits.approval_since is not None
    ):
        return ()
    return gates_of(policy, state.progress.step)


def without_gates(state: RolloutState) -> RolloutState:
    """The state without gate results: a new step, or a rollout that goes on after a hold, calls the gates again."""
    return replace(state, gating=GateState())


def await_gates(situation: Situation, state: RolloutState) -> Decision | None:
    """Wait for the step's gates, or hold or undo where one failed; None where all have passed."""
    gates = situation.present_step.gates if situation.present_step is not None else ()
    if not gates:
        return None
    names = [gate.name for gate in gates]
    if state.gating.asked_since is None or [result.name for result in state.gating.results] != names:
        results = tuple(GateResult(name) for name in names)
        state = replace(state, gating=GateState(situation.now, results))
    if all(result.answer is GateAnswer.PASSED for result in state.gating.results):
        return None
    situation = replace(situation, record=situation.record.with_state(state))
    for index, (gate, result) in enumerate(zip(gates, state.gating.results, strict=True)):
        if _failed(situation, gate, result):
            return _fail(situation, gate, result, index)
    return _wait(situation, gates)


def job_name(record: Record, index: int) -> str:
    """The name of the Job for a gate of the current step, by its index: the same for every replica in this attempt."""
    since = record.state.gating.asked_since
    attempt = since.isoformat(timespec="microseconds") if since is not None else ""
    identity = f"{record.uid}/{record.name}/{record.state.progress.step}/{attempt}/{index}"
    suffix = f"-gate-{hashlib.sha256(identity.encode()).hexdigest()[:10]}"
    return record.key.name[: _JOB_NAME_LENGTH - len(suffix)].rstrip("-.").replace(".", "-") + suffix


def gate_ends(gate: Gate, since: datetime) -> datetime:
    """When a gate that is asked since then has had its time."""
    return since + gate.within + (JOB_GRACE if isinstance(gate, JobGate) else timedelta(0))


def _failed(situation: Situation, gate: Gate, result: GateResult) -> bool:
    if result.answer is not GateAnswer.PASSED and is_final(gate, result.answer):
        return True
    ends = gate_ends(gate, situation.record.state.gating.asked_since or situation.now)
    if isinstance(gate, JobGate):
        # A Job's state before its deadline does not say how it ended.
        return result.at is not None and result.at >= ends
    return situation.now >= ends and result.answer in (GateAnswer.FAILED, GateAnswer.UNANSWERED)


def _fail(situation: Situation, gate: Gate, result: GateResult, index: int) -> Decision:
    reason = HoldReason.GATE_FAILED
    message = f"gate {gate.name} did not pass after {amount(result.tries, 'call')}: {result.detail}"
    if isinstance(gate, JobGate):
        late = result.answer in (GateAnswer.RUNNING, GateAnswer.TIMEOUT)
        reason = HoldReason.GATE_TIMEOUT if late else HoldReason.GATE_FAILED
        message = f"gate {gate.name} {'did not end in time' if late else 'did not pass'}: {result.detail}"
    if result.answer is GateAnswer.REFUSED:
        said = "has no answer" if isinstance(gate, JobGate) else "is not called"
        message = f"gate {gate.name} {said}: {result.detail}"
    ended = isinstance(gate, JobGate) and result.answer in (GateAnswer.FAILED, GateAnswer.TIMEOUT)
    cause = DecisionCause(job=job_name(situation.record, index) if ended else "")
    numbers = {"tries": result.tries}
    verdict = RuleVerdict(gate.name, VerdictKind.FAIL, reason, message, numbers, cause=cause)
    if gate.on_failure is OnGateFailure.UNDO and result.answer is GateAnswer.FAILED:
        undone = condemn(situation, (verdict,))
        if undone is not None:
            return undone
    return hold(
        situation,
        reason,
        message,
        because=replace(verdict, kind=VerdictKind.INCONCLUSIVE),
    )


def _wait(situation: Situation, gates: Sequence[Gate]) -> Decision:
    state = situation.record.state
    waiting = [
        f"{result.name} ({result.detail or 'asked'})"
        for result in state.gating.results
        if result.answer is not GateAnswer.PASSED
    ]
    state = replace(
        state,
        verdict=VerdictKind.PENDING.value,
        reason="AwaitingGates",
        message=f"every rule passed; waits for {', '.join(waiting)}",
    )
    since = state.gating.asked_since or situation.now
    due = [situation.deadline, *(gate_ends(gate, since) for gate in gates)]
    requeue_at = min((at for at in due if at > situation.now), default=None)
    return Decision(state, requeue_at=requeue_at, verdicts=situation.verdicts)

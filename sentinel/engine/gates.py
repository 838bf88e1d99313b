"""Gates of a step: asked when every rule has passed and the bake is over, and answered before it goes on.

A gate that says no is asked again until its time is over. Then it holds the rollout, or undoes it where the policy
says so and the gate itself said no: silence, and an address that must not be called, prove nothing.
"""

from collections.abc import Sequence
from dataclasses import replace

from sentinel.domain.decision import Decision
from sentinel.domain.gate import GateAnswer, GateResult, OnGateFailure, WebhookGate
from sentinel.domain.policy import Policy
from sentinel.domain.record import Phase, Record, RolloutState
from sentinel.domain.verdict import RuleVerdict, VerdictKind
from sentinel.engine.condemn import condemn
from sentinel.engine.holding import hold
from sentinel.engine.situation import Situation

GATE_FAILED = "GateFailed"


def gates_of(policy: Policy, step: int) -> tuple[WebhookGate, ...]:
    """The gates of a step; 100 % has none."""
    steps = policy.strategy.steps
    return steps[step].gates if step < len(steps) else ()


def ungated(policy: Policy) -> Policy:
    """The policy with every gate open, for a replay, in which nobody is there to be asked."""
    steps = tuple(replace(step, gates=()) for step in policy.strategy.steps)
    return replace(policy, strategy=replace(policy.strategy, steps=steps))


def gates_asked(policy: Policy, record: Record) -> tuple[WebhookGate, ...]:
    """The gates that are to be asked now; empty while the rollout waits for something else."""
    state = record.state
    if state.phase is not Phase.BAKING or state.gates_since is None or state.waiting_since is not None:
        return ()
    return gates_of(policy, state.step)


def without_gates(state: RolloutState) -> RolloutState:
    """The state with no gate asked: a new step, or a rollout that goes on after a hold, asks anew."""
    return replace(state, gates_since=None, gates=())


def await_gates(situation: Situation, state: RolloutState) -> Decision | None:
    """Wait for the step's gates, or hold or undo where one failed; None where all have passed."""
    gates = gates_of(situation.policy, state.step) if state.step < situation.last_step else ()
    if not gates:
        return None
    if state.gates_since is None or len(state.gates) != len(gates):
        state = replace(
            state, gates_since=situation.now, gates=tuple(GateResult(gate.name) for gate in gates)
        )
    if all(result.answer is GateAnswer.PASSED for result in state.gates):
        return None
    situation = replace(situation, record=situation.record.with_state(state))
    for gate, result in zip(gates, state.gates, strict=True):
        if _failed(situation, gate, result):
            return _fail(situation, gate, result)
    return _wait(situation, gates)


def _failed(situation: Situation, gate: WebhookGate, result: GateResult) -> bool:
    if result.answer is GateAnswer.REFUSED:
        return True
    since = situation.record.state.gates_since or situation.now
    late = situation.now >= since + gate.within
    return late and result.answer in (GateAnswer.FAILED, GateAnswer.UNANSWERED)


def _fail(situation: Situation, gate: WebhookGate, result: GateResult) -> Decision:
    message = f"gate {gate.name} did not pass after {result.tries} calls: {result.detail}"
    if result.answer is GateAnswer.REFUSED:
        message = f"gate {gate.name} is not called: {result.detail}"
    verdict = RuleVerdict(gate.name, VerdictKind.FAIL, GATE_FAILED, message, {"tries": result.tries})
    if gate.on_failure is OnGateFailure.UNDO and result.answer is GateAnswer.FAILED:
        undone = condemn(situation, (verdict,))
        if undone is not None:
            return undone
    return hold(
        situation,
        GATE_FAILED,
        message,
        sticky=True,
        because=replace(verdict, kind=VerdictKind.INCONCLUSIVE),
    )


def _wait(situation: Situation, gates: Sequence[WebhookGate]) -> Decision:
    state = situation.record.state
    waiting = [
        f"{result.name} ({result.detail or 'asked'})"
        for result in state.gates
        if result.answer is not GateAnswer.PASSED
    ]
    state = replace(
        state,
        verdict=VerdictKind.PENDING.value,
        reason="AwaitingGates",
        message=f"every rule passed; waits for {', '.join(waiting)}",
    )
    since = state.gates_since or situation.now
    due = [situation.deadline, *(since + gate.within for gate in gates)]
    wake = min((at for at in due if at > situation.now), default=None)
    return Decision(state, wake=wake, verdicts=situation.verdicts)

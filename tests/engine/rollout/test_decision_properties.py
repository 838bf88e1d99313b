"""What holds for every decision, whatever the rollout, the workload, the verdicts and the alerts."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel.domain.decision import Decision
from sentinel.domain.policy.policy import Mode
from sentinel.domain.policy.selection import AlertAction
from sentinel.domain.policy.strategy import OnDeadline, OnLowTraffic, Step
from sentinel.domain.record.entries import Action, Outcome, OutcomeKind
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Hold, Phase, RevisionRef
from sentinel.domain.verdict import VerdictKind
from sentinel.domain.workload.facts import HOLD_LABEL, Abilities, Mark, Workload
from sentinel.engine.reconciling.entries import entry_for
from sentinel.engine.rollout.decision import decide
from sentinel.engine.rollout.situation import Situation
from tests.engine.builders import (
    CANARY,
    MINUTE,
    PLAIN,
    alert,
    in_state,
    rollout,
    situation,
    undone_to,
    verdict,
    with_strategy,
)
from tests.engine.snapshots import OLD, STEPS_NEED_ROLLING, at, changed
from tests.support.states import changed_state

FORWARD = frozenset({Action.ADVANCE, Action.PROMOTE})
BADNESS = (VerdictKind.PASS, VerdictKind.PENDING, VerdictKind.INCONCLUSIVE, VerdictKind.FAIL)
IN_FLIGHT = (Phase.PROGRESSING, Phase.BAKING, Phase.HELD, Phase.UNDOING, Phase.PROMOTED)

verdicts = st.lists(
    st.builds(
        lambda kind, reason, everywhere, rule: verdict(
            kind, reason, rule=rule, everywhere=everywhere and kind is VerdictKind.INCONCLUSIVE
        ),
        st.sampled_from(BADNESS),
        st.sampled_from(["Reason", "LowTraffic"]),
        st.booleans(),
        st.sampled_from(["a", "b"]),
    ),
    max_size=3,
).map(tuple)
seconds = st.integers(0, 5000)


@st.composite
def workloads(draw: st.DrawFn) -> Workload:
    """A Deployment somewhere between OLD and NEW, paused by us, by hand, by another rollout, or not."""
    desired = draw(st.integers(0, 10))
    world = rollout(draw(st.integers(0, desired)), desired)
    marks = [None, Mark("api-new", at(3600)), Mark("api-older", at(3600))]
    if draw(st.booleans()):
        world = replace(world, candidate=OLD, others=(world.candidate,))
    return changed(
        world,
        on=draw(st.booleans()),
        mark=draw(st.sampled_from(marks)),
        abilities=draw(st.sampled_from([Abilities(), Abilities(), STEPS_NEED_ROLLING])),
        generation=draw(st.integers(1, 2)),
        labels=draw(st.sampled_from([{}, {}, {HOLD_LABEL: "true"}])),
    )


@st.composite
def records(draw: st.DrawFn) -> Record:
    """A live rollout."""
    phase = draw(st.sampled_from(IN_FLIGHT))
    ours = in_state(
        phase,
        step=draw(st.integers(0, 2)),
        reached_at=draw(st.none() | seconds.map(at)),
        stood=draw(st.sampled_from([0.0, 100.0])),
        approval_since=draw(st.none() | seconds.map(at)) if phase is Phase.BAKING else None,
        seen_generation=draw(st.integers(0, 1)),
        released_by_person=draw(st.booleans()),
    )
    made = ours.state
    if phase is Phase.HELD:
        reason = draw(
            st.sampled_from(["EnvironmentOutage", "HoldLabel", "DeadlineExceeded", "FirstDeployment"])
        )
        sticky = reason in ("DeadlineExceeded", "FirstDeployment")
        made = replace(made, hold=Hold(reason, at(draw(seconds)), "why", sticky))
    if phase is Phase.UNDOING:
        made = replace(made, undo=undone_to(patched_at=draw(st.sampled_from([None, at(60)]))))
    if phase is Phase.PROMOTED:
        made = changed_state(made, promoted_at=at(draw(seconds)))
    return replace(
        ours.with_state(made),
        approvals=draw(st.sampled_from([frozenset(), frozenset({1})])),
        resumed_at=draw(st.none() | seconds.map(at)),
        stable=draw(st.sampled_from([None, RevisionRef.of(OLD)])),
    )


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    """Anything that a pass may meet."""
    policy = with_strategy(
        draw(st.sampled_from([CANARY, PLAIN])),
        on_deadline=draw(st.sampled_from(OnDeadline)),
        on_low_traffic=draw(st.sampled_from(OnLowTraffic)),
    )
    if policy.strategy.steps and draw(st.booleans()):
        policy = with_strategy(policy, steps=(Step(0.1, MINUTE, approval=True), Step(0.5, MINUTE)))
    effects = draw(st.lists(st.sampled_from([None, *AlertAction]), max_size=2))
    return situation(
        draw(records()),
        draw(workloads()),
        *draw(verdicts),
        policy=policy,
        now=draw(seconds),
        mode=draw(st.sampled_from(Mode)),
        alerts=tuple(alert(effect, fingerprint=f"f{n}") for n, effect in enumerate(effects)),
    )


def carried_out(here: Situation, decision: Decision) -> Situation:
    """The situation in which the next pass finds itself: the decision entered, the world unchanged."""
    record = here.record.with_state(decision.state)
    if decision.action is not None:
        entry = entry_for(here.record, decision, here.now)
        outcome = Outcome(OutcomeKind.DONE, here.now)
        record = record.with_decision(replace(entry, outcome=outcome))
    return replace(here, record=record)


@given(situations())
@settings(max_examples=120)
def test_every_situation_has_one_answer(here: Situation) -> None:
    """The same one each time, and one that names its reason."""
    found = decide(here)
    assert found == decide(here)
    assert found.action is None or found.reason


@given(situations())
@settings(max_examples=120)
def test_the_next_look_is_in_the_future(here: Situation) -> None:
    """Or left to the next event."""
    requeue_at = decide(here).requeue_at
    assert requeue_at is None or requeue_at > here.now


@given(situations(), st.sampled_from([VerdictKind.INCONCLUSIVE, VerdictKind.FAIL]))
@settings(max_examples=120)
def test_without_a_pass_of_every_rule_nothing_goes_forward(here: Situation, kind: VerdictKind) -> None:
    """Missing evidence, and bad evidence, never advance or promote."""
    here = replace(here, verdicts=(*here.verdicts, verdict(kind)))
    assert decide(here).action not in FORWARD


@given(situations(), st.data())
@settings(max_examples=120)
def test_a_worse_verdict_never_leads_forward(here: Situation, data: st.DataObject) -> None:
    """What did not advance or promote does not when a verdict is worse."""
    if not here.verdicts or decide(here).action in FORWARD:
        return
    index = data.draw(st.integers(0, len(here.verdicts) - 1))
    kind = here.verdicts[index].kind
    worse = data.draw(st.sampled_from(BADNESS[BADNESS.index(kind) :]))
    changed = list(here.verdicts)
    changed[index] = replace(changed[index], kind=worse)
    assert decide(replace(here, verdicts=tuple(changed))).action not in FORWARD


@given(situations())
@settings(max_examples=120)
def test_a_reconcile_repeated_on_its_own_result_decides_nothing_twice(here: Situation) -> None:
    """The same decision for the same reason is not made again before the world has moved."""
    first = decide(here)
    after = carried_out(here, first)
    second = decide(after)
    if after.record.live and first.action is not None and second.action is not None:
        repeated = (second.action, second.reason, second.state.progress.step, second.cause)
        assert repeated != (first.action, first.reason, first.state.progress.step, first.cause)


@given(situations())
@settings(max_examples=120)
def test_passes_come_to_rest(here: Situation) -> None:
    """After a few decisions in the same moment there is nothing left to decide."""
    for _ in range(10):
        found = decide(here)
        if found.action is None:
            return
        here = carried_out(here, found)
        if not here.record.live:
            return
    raise AssertionError(f"still deciding: {[e.reason for e in here.record.decisions]}")


@given(situations())
@settings(max_examples=120)
def test_observe_mode_touches_nothing(here: Situation) -> None:
    """Whatever is decided."""
    assert decide(replace(here, mode=Mode.OBSERVE)).change is None


@given(situations())
@settings(max_examples=120)
def test_the_hold_label_touches_nothing(here: Situation) -> None:
    """Whatever is proven."""
    labelled = replace(here.workload, labels={HOLD_LABEL: "true"})
    assert decide(replace(here, workload=labelled)).change is None


@given(situations())
@settings(max_examples=120)
def test_an_undo_is_left_only_by_being_restored(here: Situation) -> None:
    """Under way, nothing else is decided."""
    if here.record.state.phase is Phase.UNDOING:
        assert decide(here).action in (None, Action.RESTORED, Action.ESCALATE)

"""Rollouts replayed on virtual time."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from sentinel.domain.alert import AlertStatus
from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import Reading, Span, Subject, ValueSample
from sentinel.domain.policy.policy import Mode, Policy
from sentinel.domain.policy.rules import (
    CountQuery,
    CrashLoopRule,
    ErrorRateRule,
    HealthRule,
    QueryRule,
    ValueQuery,
)
from sentinel.domain.policy.selection import AlertMatcher, AlertRule, MatchOperator
from sentinel.domain.policy.strategy import OnLowTraffic, Step, Strategy
from sentinel.domain.record.entries import Action, AlertEntry, DecisionEntry
from sentinel.domain.record.state import Phase
from sentinel.domain.verdict import VerdictKind
from sentinel.engine.replay.course import drive, replay
from sentinel.engine.replay.modelled_pods import ModelledFate, PodEvent
from sentinel.engine.replay.modelled_workload import ModelledWorkload, WorkloadShape
from sentinel.engine.replay.questions import Answer, Ask, AskPast
from sentinel.engine.replay.setting import Script, Setting
from sentinel.engine.replay.story import ReplayedRollout
from tests.engine.snapshots import at

MINUTE = timedelta(minutes=1)
ERRORS = ErrorRateRule(
    "errors", CountQuery("prometheus", 'http_requests_total{namespace="$namespace"}', "e"), 0.05
)
PODS = (CrashLoopRule("crash"), HealthRule("health"))
STEPPED = Strategy(
    steps=(Step(0.1, MINUTE), Step(0.5, MINUTE)), bake=2 * MINUTE, guard=10 * MINUTE, warmup=timedelta(0)
)
POLICY = Policy("shop", "d", strategy=STEPPED, rules=(ERRORS, *PODS))


def played(
    policy: Policy = POLICY,
    answer: object = 0.0,
    *,
    script: Script | None = None,
    shape: WorkloadShape | None = None,
    until: float = 7200,
) -> ReplayedRollout:
    """A replay; `answer` is the candidate's share of errors, or a function that answers."""

    def counts(ask: Ask) -> Answer:
        return tuple(counted(f"{arm}-{n}", ask, share) for arm, share in shares.items() for n in range(1, 30))

    shares = {"candidate": answer, "baseline": 0.0}
    world = ModelledWorkload(shape or WorkloadShape(at(0)))
    setting = Setting(
        policy, world, at(0), at(until), lambda *_: False, stable="baseline", script=script or Script()
    )
    return drive(replay(setting), answer if callable(answer) else counts)


def counted(pod: str, ask: Ask, share: object) -> Span:
    """What a pod counted that serves 20 requests a second."""
    assert isinstance(share, float)

    def reading(seconds: float) -> Reading:
        total = round(20 * seconds)
        return Reading(at(seconds), {"total": total, "errors": round(total * share)})

    since, until = ((moment - at(0)).total_seconds() + 10_000 for moment in (ask.since, ask.until))
    return Span(Subject("default", pod), reading(since), reading(until))


def told(story: ReplayedRollout) -> list[str]:
    """The decisions by name."""
    return [entry.action.value for entry in story.decisions]


def test_a_good_candidate_goes_through_its_steps() -> None:
    """A candidate without errors advances twice, is promoted, and its guard ends."""
    story = played()

    assert told(story) == ["start", "advance", "advance", "promote", "close"]
    assert story.record is not None
    assert story.record.state.phase is Phase.PROMOTED


def test_a_step_bakes_for_its_time() -> None:
    """The first advance comes when the pods of the step were ready for its bake, not before."""
    advance = next(entry for entry in played().decisions if entry.action is Action.ADVANCE)

    assert advance.at >= at(5) + MINUTE
    assert advance.at < at(5) + MINUTE + timedelta(seconds=20)


def test_a_bad_candidate_is_undone_and_restored() -> None:
    """Errors of a fifth of the requests undo the candidate in its first step, and the stable is back in full."""
    story = played(answer=0.2)

    assert told(story) == ["start", "undo", "restored"]
    undo = story.decisions[1]
    assert (undo.rule, undo.step) == ("errors", 0)
    assert undo.at < at(120)


def test_the_weight_of_a_step_is_kept() -> None:
    """While a step bakes no more of the candidate's pods run than it asks for."""
    world = ModelledWorkload(WorkloadShape(at(0)))
    setting = Setting(POLICY, world, at(0), at(40), lambda *_: False, stable="baseline")

    drive(replay(setting), lambda ask: ())

    assert world.at(at(40)).exposure.candidate == 1
    assert world.at(at(40)).brake.on


def test_no_answer_of_the_source_never_passes() -> None:
    """A source that refuses every question leads to a hold, not to an advance."""
    story = played(answer=lambda ask: SourceError("no route", reason="SourceUnreachable"))

    assert told(story)[:2] == ["start", "hold"]
    assert "advance" not in told(story)


def test_lost_series_are_no_low_traffic() -> None:
    """A candidate whose series are gone while the stable counts on is held, even where low traffic may advance."""
    lenient = replace(POLICY, strategy=replace(STEPPED, on_low_traffic=OnLowTraffic.ADVANCE))

    def answer(ask: Ask) -> Answer:
        return tuple(counted(f"baseline-{n}", ask, 0.0) for n in range(1, 11))

    story = played(lenient, answer, until=1200)

    assert told(story) == ["start", "hold"]
    assert story.decisions[1].reason == "EvidenceMissing"


def test_a_crashing_candidate_is_undone() -> None:
    """Both pods of a batch in CrashLoopBackOff undo the rollout by the rule about crashes."""
    events = (PodEvent(ModelledFate.CRASH, after=timedelta(seconds=20)),)
    shape = WorkloadShape(at(0), events={"candidate-1": events, "candidate-2": events})

    story = played(replace(POLICY, rules=PODS), shape=shape)

    assert [(e.action.value, e.rule) for e in story.decisions][1] == ("undo", "crash")


@pytest.mark.parametrize(
    ("fate", "reason"),
    [
        (ModelledFate.PULL_ERROR, "ImagePull"),
        (ModelledFate.CONFIG_ERROR, "CreateContainerConfigError"),
        (ModelledFate.NEVER_READY, "NotReadyInTime"),
    ],
)
def test_pods_that_never_become_ready_undo(fate: ModelledFate, reason: str) -> None:
    """What keeps the first pod of the candidate from being ready, and is its own fault, undoes it."""
    shape = WorkloadShape(at(0), events={"candidate-1": (PodEvent(fate),)})

    undo = played(replace(POLICY, rules=PODS), shape=shape).decisions[1]

    assert (undo.action, undo.reason) == (Action.UNDO, reason)


@pytest.mark.parametrize("fate", [ModelledFate.UNSCHEDULABLE, ModelledFate.EVICTED, ModelledFate.NODE_LOST])
def test_what_the_cluster_does_undoes_nothing(fate: ModelledFate) -> None:
    """A pod that the cluster keeps back is no proof against the candidate."""
    shape = WorkloadShape(at(0), events={"candidate-1": (PodEvent(fate),)})

    assert "undo" not in told(played(replace(POLICY, rules=PODS), shape=shape, until=600))


def test_an_alert_of_a_candidate_pod_undoes() -> None:
    """An alert that matches the policy and names a pod of the candidate undoes it when it comes in."""
    rule = AlertRule((AlertMatcher("severity", MatchOperator.EQUAL, "page"),))
    labels = {"severity": "page", "namespace": "default", "pod": "candidate-1"}
    alert = AlertEntry("f", "Errors", AlertStatus.FIRING, labels, at(30), at(40))

    story = played(replace(POLICY, rules=PODS, alerts=(rule,)), script=Script(alerts=(alert,)))

    undo = story.decisions[1]
    assert (undo.action, undo.at, undo.rule) == (Action.UNDO, at(40), "alert Errors")


def test_an_approval_is_waited_for() -> None:
    """A step with an approval goes on when the approval comes."""
    steps = (Step(0.1, MINUTE, approval=True),)
    policy = replace(POLICY, rules=PODS, strategy=replace(STEPPED, steps=steps))

    story = played(policy, script=Script(approvals=((at(1000), 1),)))

    assert told(story)[1:4] == ["escalate", "approve", "advance"]
    assert story.decisions[2].at == at(1000)


def test_a_hold_is_ended_by_a_human() -> None:
    """A rollout held past its deadline goes on when a human resumes it."""
    policy = replace(
        POLICY, rules=PODS, strategy=replace(STEPPED, steps=(), bake=5 * MINUTE, deadline=MINUTE)
    )
    script = Script(resumes=(at(1200),))

    story = played(policy, script=script)

    assert told(story)[1:3] == ["hold", "resume"]
    assert story.decisions[2].at == at(1200)


def test_observe_mode_touches_nothing() -> None:
    """In observe mode an undo is entered as one that was not made, and the template stays."""
    world = ModelledWorkload(WorkloadShape(at(0)))
    policy = replace(POLICY, rules=(ERRORS,), mode=Mode.OBSERVE)
    setting = Setting(policy, world, at(0), at(600), lambda *_: False, stable="baseline")

    story = drive(
        replay(setting),
        lambda ask: (
            tuple(counted(f"candidate-{n}", ask, 0.5) for n in range(1, 11))
            + tuple(counted(f"baseline-{n}", ask, 0.0) for n in range(1, 11))
        ),
    )

    assert "undo" in told(story)
    assert world.at(at(600)).candidate.digest == "candidate"


def test_a_free_query_is_asked_at_its_interval() -> None:
    """A query rule is asked with its variables filled in, every interval, and its condition is evaluated."""
    rule = QueryRule("depth", ValueQuery("prometheus", 'q{ns="$namespace"}'), failure="value > 10.0")
    asked: list[Ask] = []

    def answer(ask: Ask) -> Answer:
        asked.append(ask)
        return ValueSample(ask.until, (1.0,))

    story = played(replace(POLICY, rules=(rule,)), answer)

    assert {getattr(ask.query, "expression", "") for ask in asked} == {'q{ns="default"}'}
    assert asked[1].until - asked[0].until == timedelta(seconds=30)
    assert told(story)[-2:] == ["promote", "close"]


def test_a_verdict_can_be_looked_up() -> None:
    """The story tells what a rule said at a time; before the first pass there is nothing to say."""
    story = played(answer=0.2)

    fail = story.verdict("errors", story.decisions[1].at)
    assert fail is not None
    assert fail.kind is VerdictKind.FAIL
    assert story.verdict("errors", at(-1)) is None


def test_the_same_setting_gives_the_same_story() -> None:
    """A replay has no clock and no chance in it."""
    assert played(answer=0.2) == played(answer=0.2)


def test_a_replay_learns_from_the_hour_before() -> None:
    """It asks once for the old pods, and judges by what that taught."""
    asked: list[AskPast] = []

    def recall(ask: AskPast) -> Answer:
        asked.append(ask)
        return {
            pod: [(150.0 * n, 15.0 * n if pod == ask.past.pods[0] else 0.0) for n in range(ask.past.length)]
            for pod in ask.past.pods
        }

    def counts(ask: Ask) -> Answer:
        return tuple(
            counted(f"{arm}-{n}", ask, 0.0) for arm in ("candidate", "baseline") for n in range(1, 30)
        )

    setting = Setting(
        POLICY,
        ModelledWorkload(WorkloadShape(at(0))),
        at(0),
        at(7200),
        lambda *_: False,
        stable="baseline",
    )
    story = drive(replay(setting), counts, recall)

    assert [ask.rule.name for ask in asked] == ["errors"]
    assert asked[0].past.until == at(0)
    advance = next(entry for entry in story.decisions if entry.action is Action.ADVANCE)
    assert float(advance.numbers["errors.phi"]) > 10


def undone_after(*, known: bool) -> tuple[float, DecisionEntry]:
    """When a candidate of which a third fails is undone, with a warm-up; the stable's clean start is known or not."""
    warm = replace(POLICY, strategy=replace(STEPPED, warmup=timedelta(seconds=30)))
    world = ModelledWorkload(WorkloadShape(at(0)))

    def recall(ask: AskPast) -> Answer:
        steps = range(ask.past.length)
        return {pod: [(100.0 * n, 0.0) for n in steps] for pod in ask.past.pods} if known else {}

    def counts(ask: Ask) -> Answer:
        shares = {"candidate": 0.33, "baseline": 0.0}
        return tuple(counted(f"{arm}-{n}", ask, s) for arm, s in shares.items() for n in range(1, 30))

    setting = Setting(warm, world, at(0), at(7200), lambda *_: False, stable="baseline")
    story = drive(replay(setting), counts, recall)
    undo = next(entry for entry in story.decisions if entry.action is Action.UNDO)
    return (undo.at - at(0)).total_seconds(), undo


def test_a_start_that_is_known_lets_a_bad_one_be_undone_within_the_warmup() -> None:
    """What the stable's pods did at the same age is asked for, and the verdict rests on the candidate's start."""
    soon, undo = undone_after(known=True)
    late, _ = undone_after(known=False)
    assert soon <= 30 < late
    assert "while starting" in undo.message

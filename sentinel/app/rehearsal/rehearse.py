"""Rehearses rules on past rollouts: the engine of production on virtual time, answered by Prometheus."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sentinel.app.rehearsal.alerting import read_alerts
from sentinel.app.rehearsal.byname import read_pods, samples_of
from sentinel.app.rehearsal.history import MetricHistory
from sentinel.app.rehearsal.model import Curve, MeasuredPoint, PastRollout, Rehearsed, RehearsedVerdict, Told
from sentinel.app.rehearsal.recorded import BEFORE, STEP, RecordedWorld, read_samples, states_of
from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import CountTick, HistogramTick, MissingReason, ValueSample
from sentinel.domain.policy.policy import Mode, Policy
from sentinel.domain.policy.rules import CountQuery, ErrorRateRule, HistogramQuery, LatencyRule, QueryRule
from sentinel.domain.record.entries import Action, DecisionEntry
from sentinel.domain.record.state import Phase
from sentinel.domain.workload.facts import Workload
from sentinel.engine.evidence.assessment import Holds
from sentinel.engine.evidence.schedule import tick_of
from sentinel.engine.matching import Ambiguous, Guarded, guard_of
from sentinel.engine.replay.course import replay
from sentinel.engine.replay.questions import Answer, Ask, AskPast, Question, query_of
from sentinel.engine.replay.setting import Script, Setting
from sentinel.engine.replay.story import ReplayedRollout
from sentinel.ports import MetricSource
from sentinel.runtime.evidence.timing import timing_of
from sentinel.values import dataclass

MAX_POINTS = 400
"""Points of one plotted curve."""

SHOWN = timedelta(minutes=20)
"""How much of a rollout is plotted at least, decided or not."""
SHOWN_TICK = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Rules:
    """What is rehearsed: the policies, and the one that is used whatever it matches, if any."""

    policies: tuple[Policy, ...]
    forced: Policy | None = None


@dataclass(frozen=True, slots=True)
class Backstage:
    """Where answers come from."""

    history: MetricHistory
    source: MetricSource
    holds: Holds


async def rehearse(rollout: PastRollout, rules: Rules, backstage: Backstage) -> Rehearsed:
    """What the rules would have made of one rollout. What fails of Prometheus becomes the result's problem."""
    try:
        return await _rehearse(rollout, rules, backstage)
    except SourceError as error:
        return Rehearsed(rollout, RehearsedVerdict.FAILED, problem=str(error))


async def _rehearse(rollout: PastRollout, rules: Rules, backstage: Backstage) -> Rehearsed:
    longest = max((_lasts(policy) for policy in rules.policies), default=timedelta(hours=2))
    until = min(rollout.until, rollout.began + longest)
    samples = await read_samples(backstage.history, rollout, until)
    if not samples.series["owner"]:
        where = rollout.namespace, rollout.workload
        begin = rollout.began - BEFORE
        pods = await read_pods(backstage.history, rules.policies, where, begin, until, STEP)
        samples = replace(samples_of(pods), desired=samples.desired, labels=samples.labels)
    labels = labels_of(samples.labels, rules.policies)
    states = states_of(rollout, samples, labels, until)
    if not any(workload.pods for _, workload in states):
        problem = "no pods of it were recorded, neither by kube-state-metrics nor by the rules' metrics"
        return Rehearsed(rollout, RehearsedVerdict.FAILED, problem=problem)
    policy, why = chosen(rules, states[0][1])
    if policy is None:
        return Rehearsed(rollout, RehearsedVerdict.UNGUARDED, problem=why)
    world = RecordedWorld(states)
    played = _as_played(policy)
    ends = min(until, rollout.began + _lasts(policy))
    setting = Setting(
        played,
        world,
        rollout.began,
        ends,
        holds=backstage.holds,
        stable=rollout.stable,
        script=Script(alerts=await read_alerts(backstage.history, rollout, policy, ends)),
        timings={"prometheus": timing_of(backstage.source)},
    )
    curves = _Curves(policy, RecordedWorld(states), rollout)
    story = await _driven(setting, backstage.source, curves.take)
    for ask in curves.asks_after(min(until, rollout.began + SHOWN)):
        curves.take(ask, await _answered(ask, backstage.source))
    return _told(rollout, policy, story, curves.drawn())


def chosen(rules: Rules, workload: Workload) -> tuple[Policy | None, str]:
    """The policy that guards a workload, or why none does."""
    if rules.forced is not None:
        return rules.forced, ""
    match guard_of(rules.policies, workload):
        case Guarded(policy):
            return policy, ""
        case Ambiguous() as several:
            return None, str(several)
    return None, "no policy matches it (are its labels in kube_deployment_labels? else say --policy)"


def labels_of(recorded: Mapping[str, str], policies: Iterable[Policy]) -> dict[str, str]:
    """The workload's labels, as far as policies ask for them: kube-state-metrics writes their names otherwise."""
    keys = {requirement.key for policy in policies for requirement in policy.match.selector}
    found = {}
    for key in keys:
        plain = "label_" + re.sub(r"[^A-Za-z0-9_]", "_", key)
        snake = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", plain).lower()
        value = recorded.get(plain) or recorded.get(snake)
        if value:
            found[key] = value
    return found


def _as_played(policy: Policy) -> Policy:
    """The policy without canary steps: the past was not paced by them, and cannot be paused."""
    return replace(policy, mode=Mode.ENFORCE, strategy=replace(policy.strategy, steps=()))


def _lasts(policy: Policy) -> timedelta:
    return policy.strategy.deadline + policy.strategy.guard


async def _driven(
    setting: Setting, source: MetricSource, take: Callable[[Ask, Answer], None]
) -> ReplayedRollout:
    asking = replay(setting)
    try:
        ask = next(asking)
        while True:
            answer = await _answered(ask, source)
            if isinstance(ask, Ask):
                take(ask, answer)
            ask = asking.send(answer)
    except StopIteration as end:
        story: ReplayedRollout = end.value
        return story


async def _answered(ask: Question, source: MetricSource) -> Answer:
    try:
        if ask.query.source != source.name:
            return SourceError(
                f"{ask.query.source} cannot be rehearsed, only {source.name}.", reason=MissingReason.NO_DATA
            )
        if isinstance(ask, AskPast):
            (found,) = await source.histories(ask.query, (ask.past,))
            return found
        match ask.query:
            case CountQuery():
                return await source.counts(ask.query, ask.since, ask.until)
            case HistogramQuery():
                return await source.histogram(ask.query, ask.since, ask.until)
        return await source.value(ask.query, ask.until)
    except SourceError as error:
        return error


class _Curves:
    """Keeps what each measurement showed, for the plots."""

    def __init__(self, policy: Policy, world: RecordedWorld, rollout: PastRollout) -> None:
        self._policy = policy
        self._world = world
        self._rollout = rollout
        self._points: dict[str, list[MeasuredPoint]] = {}

    def take(self, ask: Ask, answer: Answer) -> None:
        """Keep one answer."""
        point = self._point(ask, answer)
        if point is not None and ask.since >= self._rollout.began - timedelta(minutes=5):
            self._points.setdefault(ask.rule.name, []).append(point)

    def asks_after(self, until: datetime) -> Iterator[Ask]:
        """What to ask for the plots of how it went on after the decision."""
        for rule in self._policy.rules:
            if not isinstance(rule, ErrorRateRule | LatencyRule | QueryRule):
                continue
            known = self._points.get(rule.name)
            at = known[-1].at if known else self._rollout.began
            while at + SHOWN_TICK <= until:
                workload = self._world.at(at + SHOWN_TICK)
                if workload is not None:
                    query = query_of(rule, workload, workload.revision(self._rollout.stable))
                    yield Ask(rule, query, at, at + SHOWN_TICK)
                at += SHOWN_TICK

    def drawn(self) -> tuple[Curve, ...]:
        """The curves of all rules that were measured."""
        curves = []
        for name, points in self._points.items():
            rule = self._policy.rule(name)
            unit, limit = "", None
            if isinstance(rule, ErrorRateRule):
                unit, limit = "share", rule.limit
            elif isinstance(rule, LatencyRule):
                unit, limit = "seconds", rule.limit if rule.quantile is None else None
            curves.append(Curve(name, unit, limit, tuple(points[:: -(-len(points) // MAX_POINTS)])))
        return tuple(curves)

    def _point(self, ask: Ask, answer: Answer) -> MeasuredPoint | None:
        workload = self._world.at(ask.until)
        if isinstance(answer, SourceError) or workload is None:
            return None
        if isinstance(answer, ValueSample):
            return MeasuredPoint(ask.until, answer.values[0] if answer.values else None, None)
        rule = ask.rule
        if not isinstance(rule, ErrorRateRule | LatencyRule) or not isinstance(answer, tuple):
            return None
        warmup = self._policy.strategy.warmup
        stable = workload.revision(self._rollout.stable)
        tick = tick_of(rule, answer, workload, stable, ask.since, ask.until, warmup)
        return MeasuredPoint(ask.until, *_shown(tick))


def _shown(tick: CountTick | HistogramTick) -> tuple[float | None, float | None]:
    if isinstance(tick, CountTick):
        return tick.candidate.rate, tick.baseline.rate if tick.baseline else None
    return tick.candidate.mean, tick.baseline.mean if tick.baseline else None


def _told(
    rollout: PastRollout, policy: Policy, story: ReplayedRollout, curves: tuple[Curve, ...]
) -> Rehearsed:
    decisions = tuple(map(_entry, story.decisions))
    verdict, decisive = _verdict(story, decisions)
    return Rehearsed(rollout, verdict, policy.name, decisive, decisions, curves)


def _entry(entry: DecisionEntry) -> Told:
    return Told(entry.at, entry.action.value, entry.reason, entry.message, entry.rule, dict(entry.numbers))


def _verdict(story: ReplayedRollout, decisions: Sequence[Told]) -> tuple[RehearsedVerdict, Told | None]:
    """What it came to; an undo weighs more than a promotion before it, a promotion more than a hold before it."""
    for action, verdict in (
        (Action.UNDO, RehearsedVerdict.UNDO),
        (Action.PROMOTE, RehearsedVerdict.PROMOTE),
        (Action.HOLD, RehearsedVerdict.HOLD),
    ):
        found = next((told for told in decisions if told.action == action.value), None)
        if found is not None:
            return verdict, found
    held = story.record is not None and story.record.state.phase is Phase.HELD
    return (RehearsedVerdict.HOLD if held else RehearsedVerdict.UNDECIDED), (
        decisions[-1] if decisions else None
    )

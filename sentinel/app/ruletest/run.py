"""Runs one rule test: the modelled workload, the series in memory, the engine of production, the comparison."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sentinel.adapters.datadog.source import DatadogSource
from sentinel.adapters.prometheus.source import PrometheusSource
from sentinel.app.ruletest.compare import differences
from sentinel.app.ruletest.counts import MemoryCounts
from sentinel.app.ruletest.memory import MemoryDatadog, MemoryPrometheus
from sentinel.app.ruletest.series import prometheus_store
from sentinel.domain.alert import AlertStatus
from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import Missing, MissingReason, ValueSample
from sentinel.domain.policy.policy import Policy
from sentinel.domain.policy.rules import DATADOG, PROMETHEUS, CountQuery, HistogramQuery, MetricRule, kind_of
from sentinel.domain.policy.selection import Operator
from sentinel.domain.record.entries import AlertEntry
from sentinel.domain.workload.facts import Stepping, WorkloadKey
from sentinel.domain.workload.kinds import (
    PAIRED,
    PARTITIONED,
    PAUSABLE,
    STEPPING_BY_THEMSELVES,
    SWITCHED,
    WorkloadKind,
)
from sentinel.domain.workload.revision import ObjectRef, Revision
from sentinel.engine.alerts.naming import Directory, workloads_named
from sentinel.engine.matching import alert_rule_of, mismatch
from sentinel.engine.replay.course import replay
from sentinel.engine.replay.modelled_pair import ModelledPair
from sentinel.engine.replay.modelled_pods import PodEvent
from sentinel.engine.replay.modelled_switch import ModelledSwitch
from sentinel.engine.replay.modelled_workload import (
    BASELINE,
    CANDIDATE,
    ModelledWorkload,
    WorkloadShape,
)
from sentinel.engine.replay.questions import Answer, AskPast, Question
from sentinel.engine.replay.setting import Script, Setting, World
from sentinel.engine.replay.story import ReplayedRollout
from sentinel.policies.ruletest.cases import Arm, Case, InputAlert, InputAnswer, PodFate
from sentinel.policies.schema.conditions import CelConditions
from sentinel.ports import MetricSource
from sentinel.runtime.evidence.timing import timings_of

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
"""When every test's rollout begins."""
DATADOG_SETTLE = timedelta(seconds=90)


@dataclass(frozen=True, slots=True)
class Result:
    """How a test went: `problem` says why it could not be run, `differences` what did not come out as expected."""

    file: str
    case: Case
    policy: Policy | None
    story: ReplayedRollout | None
    differences: tuple[str, ...]
    seconds: float
    problem: str = ""

    @property
    def passed(self) -> bool:
        """Whether all came out as expected."""
        return not self.problem and not self.differences


async def run_case(file: str, case: Case, policies: Iterable[Policy]) -> Result:
    """Run one test against the policy that it names, or the only one."""
    began = time.perf_counter()
    policy, problem = _chosen(case, tuple(policies))
    if policy is None:
        return Result(file, case, None, None, (), time.perf_counter() - began, problem)
    key, labels = _workload(case, policy)
    problem = _unfit(case, policy, key, labels)
    if problem:
        return Result(file, case, policy, None, (), time.perf_counter() - began, problem)
    story = await _story(case, policy, key, labels)
    found = differences(case.expected, story, BEGAN)
    return Result(file, case, policy, story, found, time.perf_counter() - began)


def _chosen(case: Case, policies: tuple[Policy, ...]) -> tuple[Policy | None, str]:
    names = ", ".join(sorted(policy.name for policy in policies))
    if case.policy is None:
        if len(policies) == 1:
            return policies[0], ""
        return None, f"the rule files have several policies, {names}: name one with `policy:`"
    found = next((policy for policy in policies if policy.name == case.policy), None)
    return found, "" if found else f"the rule files have no policy {case.policy}; they have {names}"


def _workload(case: Case, policy: Policy) -> tuple[WorkloadKey, Mapping[str, str]]:
    """The workload of the test; what it leaves open is made so that the policy matches."""
    shape, match = case.shape, policy.match
    labels = shape.labels
    if labels is None:
        asked = (r for r in match.selector if r.operator in (Operator.IN, Operator.EXISTS))
        labels = {r.key: r.values[0] if r.values else "" for r in asked}
    namespace = shape.namespace or _literal(match.namespaces, "default")
    return WorkloadKey(
        shape.kind or match.kinds[0], namespace, shape.name or _literal(match.names, "app")
    ), labels


def _literal(globs: tuple[str, ...], otherwise: str) -> str:
    """A name that the first of these globs matches."""
    return globs[0].replace("*", otherwise).replace("?", "a") if globs else otherwise


def _unfit(case: Case, policy: Policy, key: WorkloadKey, labels: Mapping[str, str]) -> str:
    """Why the test makes no sense for the policy; empty where it does."""
    why = mismatch(policy.match, key, labels)
    if why:
        return f"policy {policy.name} does not guard {key}: {why}"
    rules = {rule.name for rule in policy.rules}
    named = [a.rule for a in case.answers] + [v.rule for v in case.expected.verdicts]
    unknown = next((name for name in named if name not in rules), None)
    if unknown:
        return f"policy {policy.name} has no rule {unknown}; it has {', '.join(sorted(rules))}"
    return ""


def _modelled(shape: WorkloadShape) -> World:
    """The model of a workload of this kind."""
    if shape.key.kind in SWITCHED:
        return ModelledSwitch(shape)
    return ModelledPair(shape) if shape.key.kind in PAIRED else ModelledWorkload(shape)


async def _story(case: Case, policy: Policy, key: WorkloadKey, labels: Mapping[str, str]) -> ReplayedRollout:
    world = _modelled(_shape(case, key, labels))
    sources = _sources(case, policy)
    conditions = CelConditions()
    setting = Setting(
        policy,
        world,
        BEGAN,
        BEGAN + case.until,
        holds=lambda text, values, scalar: conditions.holds(text, values, scalar=scalar),
        stable=BASELINE if case.baseline else None,
        script=_script(case, policy, key),
        timings=timings_of(sources),
    )
    answers = {answer.rule: answer for answer in case.answers}
    asking = replay(setting)
    try:
        ask = next(asking)
        while True:
            ask = asking.send(await _answer(ask, sources[ask.query.source], answers, case))
    except StopIteration as end:
        story: ReplayedRollout = end.value
        return story


def _sources(case: Case, policy: Policy) -> Mapping[str, MetricSource]:
    """The series of the test as each source of the policy has them, by its name."""

    def source(name: str) -> MetricSource:
        if kind_of(name) == PROMETHEUS:
            store, interval = prometheus_store(case, BEGAN), case.interval.total_seconds()
            return PrometheusSource(MemoryPrometheus(store), name=name, scrape_interval=interval)
        if name == DATADOG:
            return DatadogSource(MemoryDatadog(case, BEGAN), settle=DATADOG_SETTLE.total_seconds())
        return MemoryCounts(name, case, BEGAN)

    metric_rules = (rule for rule in policy.rules if isinstance(rule, MetricRule))
    return {name: source(name) for name in {rule.query.source for rule in metric_rules}}


async def _answer(
    ask: Question, source: MetricSource, answers: Mapping[str, InputAnswer], case: Case
) -> Answer:
    scripted = answers.get(ask.rule.name)
    try:
        if isinstance(ask, AskPast):
            return await source.history(ask.query, ask.past)
        if isinstance(ask.query, CountQuery):
            return await source.counts(ask.query, ask.since, ask.until)
        if isinstance(ask.query, HistogramQuery):
            return await source.histogram(ask.query, ask.since, ask.until)
        if scripted is not None:
            return _scripted(scripted, ask.until, case.interval)
        return await source.value(ask.query, ask.until)
    except SourceError as error:
        return error


def _scripted(answer: InputAnswer, at: datetime, interval: timedelta) -> ValueSample:
    """The answer that is given for this time: the newest, as a query would find it."""
    index = (at - BEGAN - answer.begins) // interval
    value = answer.values[index] if 0 <= index < len(answer.values) else None
    if not isinstance(value, float):
        missing = Missing(MissingReason.NO_DATA, detail="the test has no answer for this time")
        return ValueSample(at, missing=missing)
    if value != value:
        return ValueSample(at, missing=Missing(MissingReason.NOT_A_NUMBER, detail="the query returns NaN"))
    return ValueSample(at, (value,), scalar=True)


def _shape(case: Case, key: WorkloadKey, labels: Mapping[str, str]) -> WorkloadShape:
    shape = case.shape
    surge = int(key.kind in PAUSABLE | PAIRED) if shape.max_surge is None else shape.max_surge
    unavailable = int(not surge) if shape.max_unavailable is None else shape.max_unavailable
    return WorkloadShape(
        BEGAN,
        key=key,
        replicas=shape.replicas,
        max_surge=surge,
        max_unavailable=unavailable,
        stepping=_stepping(key.kind),
        ready_after=shape.ready_after,
        candidate=_revision(case.candidate, CANDIDATE, 2),
        stable=_revision(case.baseline, BASELINE, 1) if case.baseline else None,
        labels=labels,
        annotations=shape.annotations,
        events=_events(case),
        changed_by=shape.changed_by,
    )


def _stepping(kind: WorkloadKind) -> Stepping:
    """How a workload of this kind is moved in steps."""
    if kind in STEPPING_BY_THEMSELVES:
        return Stepping.OWN
    return Stepping.PARTITION if kind in PARTITIONED else Stepping.PAUSING


def _revision(arm: Arm, name: str, number: int) -> Revision:
    return Revision(
        name,
        hash=name,
        number=number,
        images=(arm.image,),
        labels=arm.labels,
        irreversible=arm.irreversible,
        stored_in=ObjectRef("", "", "", name),
        order=number,
    )


def _events(case: Case) -> Mapping[str, tuple[PodEvent, ...]]:
    """What happens to each pod; `candidate-*` is every pod that arm can have."""
    events: dict[str, tuple[PodEvent, ...]] = {}
    for fate in case.pods:
        arm, _, number = fate.pod.rpartition("-")
        for name in (
            [f"{arm}-{n}" for n in range(1, case.shape.most_pods + 1)] if number == "*" else [fate.pod]
        ):
            events[name] = (*events.get(name, ()), _event(fate))
    return events


def _event(fate: PodFate) -> PodEvent:
    at = BEGAN + fate.at if fate.at is not None else None
    return PodEvent(fate.fate, at, fate.after, fate.restarts, fate.message)


def _script(case: Case, policy: Policy, key: WorkloadKey) -> Script:
    own: list[AlertEntry] = []
    elsewhere: list[tuple[WorkloadKey, datetime]] = []
    for alert in case.alerts:
        others = _others(alert, policy, key)
        if others:
            elsewhere.extend((other, BEGAN + alert.received) for other in others)
        else:
            own.extend(_entries(alert, key))
    return Script(
        alerts=tuple(own),
        elsewhere=tuple(elsewhere),
        approvals=tuple((BEGAN + at, step) for at, step in case.approvals),
        resumes=tuple(BEGAN + at for at in case.resumes),
        others_over=case.neighbours_over,
    )


def _others(alert: InputAlert, policy: Policy, key: WorkloadKey) -> tuple[WorkloadKey, ...]:
    """The workloads that an alert names, where this one is not among them."""
    rule = alert_rule_of(policy, alert.labels)
    if rule is None or "pod" in alert.labels:
        return ()
    nothing_known = Directory(frozenset(), lambda *_: None, lambda *_: ())
    named = workloads_named({"namespace": key.namespace, **alert.labels}, rule, nothing_known)
    return () if key in named else named


def _entries(alert: InputAlert, key: WorkloadKey) -> Iterable[AlertEntry]:
    """The alert as it is recorded when it fires, and again when it is resolved."""
    labels = {"namespace": key.namespace, **alert.labels}
    fingerprint = ",".join(f"{name}={value}" for name, value in sorted(labels.items()))
    firing = AlertEntry(
        fingerprint,
        labels.get("alertname", "(unnamed alert)"),
        AlertStatus.FIRING,
        labels,
        BEGAN + alert.firing,
        BEGAN + alert.received,
        alert.summary,
        alert.pending.total_seconds() if alert.pending is not None else None,
    )
    yield firing
    if alert.resolved is not None:
        yield AlertEntry(
            fingerprint,
            firing.name,
            AlertStatus.RESOLVED,
            labels,
            firing.starts_at,
            BEGAN + alert.resolved,
            alert.summary,
        )

"""Runs one rule test: the modelled workload, the series in memory, the engine of production, the comparison."""

import time
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from sentinel.adapters.datadog.source import DatadogSource
from sentinel.adapters.prometheus.source import PrometheusSource
from sentinel.app.ruletest.compare import differences
from sentinel.app.ruletest.counts import MemoryCounts
from sentinel.app.ruletest.memory import MemoryDatadog, MemoryPrometheus
from sentinel.app.ruletest.modelling import BEGAN, modelled, script_of, shape_of
from sentinel.app.ruletest.series import prometheus_store
from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import Missing, MissingReason, ValueSample
from sentinel.domain.policy.policy import Policy
from sentinel.domain.policy.rules import DATADOG, PROMETHEUS, CountQuery, HistogramQuery, MetricRule, kind_of
from sentinel.domain.policy.selection import Operator
from sentinel.domain.workload.facts import WorkloadKey
from sentinel.domain.workload.kinds import STEPPING_BY_THEMSELVES
from sentinel.engine.matching import mismatch
from sentinel.engine.replay.course import replay
from sentinel.engine.replay.modelled_workload import (
    BASELINE,
)
from sentinel.engine.replay.questions import Answer, AskPast, Question
from sentinel.engine.replay.setting import Setting
from sentinel.engine.replay.story import ReplayedRollout
from sentinel.policies.ruletest.cases import Case, InputAnswer
from sentinel.policies.schema.conditions import CelConditions
from sentinel.ports import MetricSource
from sentinel.runtime.evidence.timing import timings_of
from sentinel.values import dataclass

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
    if key.kind not in STEPPING_BY_THEMSELVES and (case.shape.own_steps or case.promotes or case.aborts):
        return f"steps, promotes and aborts are a Rollout's: {key} makes the steps of the policy"
    rules = {rule.name for rule in policy.rules}
    named = [a.rule for a in case.answers] + [v.rule for v in case.expected.verdicts]
    unknown = next((name for name in named if name not in rules), None)
    if unknown:
        return f"policy {policy.name} has no rule {unknown}; it has {', '.join(sorted(rules))}"
    return ""


async def _story(case: Case, policy: Policy, key: WorkloadKey, labels: Mapping[str, str]) -> ReplayedRollout:
    world = modelled(shape_of(case, key, labels))
    sources = _sources(case, policy)
    conditions = CelConditions()
    setting = Setting(
        policy,
        world,
        BEGAN,
        BEGAN + case.until,
        holds=lambda text, values, scalar: conditions.holds(text, values, scalar=scalar),
        stable=BASELINE if case.baseline else None,
        script=script_of(case, policy, key),
        timings=timings_of(sources),
        seen_at=[BEGAN + verdict.at for verdict in case.expected.verdicts],
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
            return PrometheusSource(
                MemoryPrometheus(store), name=name, scrape_interval=interval, at_once=True
            )
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
            (found,) = await source.histories(ask.query, (ask.past,))
            return found
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

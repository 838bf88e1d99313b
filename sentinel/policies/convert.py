"""From the schema of rule files to the domain's policy."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlsplit

from sentinel.domain.gate import Gate, JobGate, WebhookGate
from sentinel.domain.policy.policy import Origin, Policy, UndoBudget, UndoPolicy
from sentinel.domain.policy.rules import (
    BY_THE_MINUTE,
    Arms,
    CountQuery,
    CrashLoopRule,
    ErrorRateRule,
    HealthRule,
    HistogramQuery,
    LatencyRule,
    QueryRule,
    Rule,
    ValueQuery,
)
from sentinel.domain.policy.selection import AlertRule, Match, Operator, Requirement
from sentinel.domain.policy.strategy import Step, Strategy
from sentinel.domain.workload.kinds import WorkloadKind
from sentinel.domain.workload.pairing import Pairing, RouteName
from sentinel.policies.schema.policy import (
    AlertSpec,
    MatchSpec,
    PolicyFile,
    SelectorSpec,
    UndoSpec,
)
from sentinel.policies.schema.promql import datadog_namespace_tag, namespace_label
from sentinel.policies.schema.rules import (
    BY_THE_MINUTE_INTERVAL,
    ErrorRateSpec,
    LatencySpec,
    QuerySpec,
    RuleSpec,
)
from sentinel.policies.schema.sources import (
    CloudWatchCounts,
    DatadogCounts,
    NewRelicCounts,
    PrometheusCounts,
    PrometheusHistogram,
    source_of,
)
from sentinel.policies.schema.strategy import (
    BackendSpec,
    BlueGreenSpec,
    CanaryPairSpec,
    GatedSpec,
    GateSpec,
    StepSpec,
    StrategySpec,
)

DEFAULT_INTERVAL = timedelta(seconds=15)
DEFAULT_HOLD = timedelta(minutes=1)
CRASH_WEIGHT = 0.1
"""Crashes as counts are beside the gate for crash loops, which needs no level: they take little from the others."""


def policy_of(
    file: PolicyFile,
    document: Mapping[str, object],
    source: str,
    interval: timedelta = DEFAULT_INTERVAL,
    origin: Origin = Origin.FILE,
) -> Policy:
    """The policy that a valid document means. `interval` is that of metric rules that name none."""
    spec, namespace = file.spec, file.metadata.namespace
    match = spec.match.model_copy(update={"namespaces": (namespace,)}) if namespace else spec.match
    strategy = _strategy(spec.strategy, match)
    return Policy(
        name=f"{namespace}/{file.metadata.name}" if namespace else file.metadata.name,
        digest=digest_of(document),
        match=_match(match, strategy.pairing),
        mode=spec.mode,
        strategy=strategy,
        rules=_rules(spec.rules, spec.false_rollback_rate, interval),
        alerts=tuple(_alert(alert) for alert in spec.alerts),
        undo=_undo(spec.undo),
        on_config_change=spec.on_config_change,
        channels=spec.notify.names,
        slack_channel=spec.notify.slack_channel,
        severity=spec.notify.severity,
        follow_edits=spec.on_policy_change == "follow",
        source=source,
        origin=origin,
        document=document,
    )


def digest_of(document: object) -> str:
    """The SHA-256, in hexadecimal, of a document as canonical JSON: order of keys and layout do not matter."""
    canonical = json.dumps(
        document, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )
    return hashlib.sha256(canonical.encode()).hexdigest()


def _match(spec: MatchSpec, pairing: Pairing | None) -> Match:
    if pairing is not None:
        return Match((pairing.kind,), spec.namespaces, (pairing.name,))
    kinds = tuple(dict.fromkeys(spec.kinds))
    return Match(kinds, spec.namespaces, spec.names, _selector(spec.selector))


def _selector(spec: SelectorSpec) -> tuple[Requirement, ...]:
    labels = (Requirement(key, Operator.IN, (value,)) for key, value in spec.match_labels.items())
    expressions = (Requirement(item.key, item.operator, item.values) for item in spec.match_expressions)
    return (*labels, *expressions)


def _strategy(spec: StrategySpec, match: MatchSpec) -> Strategy:
    return Strategy(
        steps=tuple(_step(step) for _, step in spec.steps),
        bake=spec.bake,
        guard=spec.guard,
        deadline=spec.deadline,
        on_deadline=spec.on_deadline,
        on_low_traffic=spec.on_low_traffic,
        min_requests=spec.min_requests,
        warmup=spec.warmup,
        promote_early=spec.promote == "early",
        pauses=spec.pause != "never",
        pairing=_pairing(spec, match),
    )


def _pairing(spec: StrategySpec, match: MatchSpec) -> Pairing | None:
    if spec.blue_green is not None:
        return _blue_green(spec.blue_green, match)
    return _canary_pair(spec.canary_pair, match) if spec.canary_pair is not None else None


def _blue_green(spec: BlueGreenSpec, match: MatchSpec) -> Pairing:
    return Pairing(
        WorkloadKind.BLUE_GREEN,
        spec.service,
        (spec.blue, spec.green),
        match.namespaces,
        preview=spec.preview_service or "",
        kept=spec.scale_down_delay,
    )


def _canary_pair(spec: CanaryPairSpec, match: MatchSpec) -> Pairing:
    members = (spec.stable, spec.canary)
    return Pairing(WorkloadKind.CANARY_PAIR, spec.stable, members, match.namespaces, _route(spec))


def _route(spec: CanaryPairSpec) -> RouteName | None:
    """The route; backends that it does not name are the Services with the names of the Deployments."""
    route = spec.route
    if route is None:
        return None
    stable = route.stable or BackendSpec(name=spec.stable)
    canary = route.canary or BackendSpec(name=spec.canary)
    return RouteName(
        route.kind,
        route.name,
        stable.name,
        canary.name,
        route.rule or "",
        stable.subset or "",
        canary.subset or "",
    )


def _step(spec: GatedSpec) -> Step:
    """The step; a preview is one at which the candidate gets none of the requests."""
    gates = tuple(_gate(gate) for gate in spec.gates)
    weight = spec.weight if isinstance(spec, StepSpec) else 0.0
    return Step(weight, spec.bake, spec.approval == "required", gates)


def _gate(spec: GateSpec) -> Gate:
    """The gate; where the file gives a webhook no name, the host that it asks."""
    if spec.job is not None:
        return JobGate(spec.name or "", spec.job.template, spec.job.within, spec.on_failure)
    if spec.webhook is None:
        raise AssertionError("the schema lets no gate without a webhook or a job pass")
    webhook = spec.webhook
    name = spec.name or urlsplit(webhook.url).hostname or ""
    return WebhookGate(
        name, webhook.url, webhook.timeout, webhook.within, webhook.metadata, on_failure=spec.on_failure
    )


def _rules(specs: tuple[RuleSpec, ...], rate: float, interval: timedelta) -> tuple[Rule, ...]:
    """The rules; the statistical tests among them share the false rollback rate by their weights."""
    total = sum(_weight(spec) for spec in specs)
    return tuple(_rule(spec, rate * _weight(spec) / total if total else 0.0, interval) for spec in specs)


def _weight(spec: RuleSpec) -> float:
    if spec.crash_loop is not None:
        return CRASH_WEIGHT if spec.crash_loop.restarts is None else 0.0
    if not spec.tests:
        return 0.0
    return 1.0 if spec.weight is None else spec.weight


def _rule(spec: RuleSpec, alpha: float, interval: timedelta) -> Rule:
    if spec.error_rate is not None:
        return _error_rate(spec.name, spec.error_rate, alpha, interval)
    if spec.latency is not None:
        return _latency(spec.name, spec.latency, alpha, interval)
    if spec.crash_loop is not None:
        crashes = spec.crash_loop
        return CrashLoopRule(spec.name, crashes.restarts, crashes.share, alpha, crashes.settled_after)
    if spec.health is not None:
        return HealthRule(spec.name, spec.health.ready_within, spec.health.pull_within)
    if spec.query is not None:
        return _query(spec.name, spec.query)
    raise AssertionError("the schema lets no rule without a kind pass")


def _error_rate(name: str, spec: ErrorRateSpec, alpha: float, interval: timedelta) -> ErrorRateRule:
    query = _counts(spec)
    shortest = BY_THE_MINUTE_INTERVAL if query.source in BY_THE_MINUTE else interval
    tick = spec.interval or max(interval, shortest)
    return ErrorRateRule(name, query, spec.max, tick, alpha, spec.method, spec.hold or DEFAULT_HOLD)


def _counts(spec: ErrorRateSpec) -> CountQuery:
    counts = spec.prometheus or spec.datadog or spec.newrelic or spec.cloudwatch
    if counts is None:
        raise AssertionError("the schema lets no rule without a source pass")
    query = CountQuery(source_of(spec), counts.total, counts.errors, _arms(counts))
    if isinstance(counts, DatadogCounts):
        total, errors = (f"sum:{text.removeprefix('sum:')}" for text in (counts.total, counts.errors))
        return replace(query, total=total, errors=errors)
    if isinstance(counts, NewRelicCounts | CloudWatchCounts):
        return replace(query, namespace="$namespace")
    return query


def _latency(name: str, spec: LatencySpec, alpha: float, interval: timedelta) -> LatencyRule:
    if spec.prometheus is None:
        raise AssertionError("the schema lets no rule without a source pass")
    query = HistogramQuery(
        source_of(spec), spec.prometheus.histogram, _arms(spec.prometheus), spec.prometheus.unit
    )
    tick, hold = spec.interval or interval, spec.hold or DEFAULT_HOLD
    return LatencyRule(name, query, spec.limit, spec.quantile, tick, alpha, spec.method, hold)


_Counted = PrometheusCounts | DatadogCounts | NewRelicCounts | CloudWatchCounts | PrometheusHistogram


def _arms(spec: _Counted) -> Arms:
    default = Arms()
    return Arms(
        spec.pod_label or default.pod_label,
        spec.arms.label if spec.arms else None,
        _namespace_label(spec) or default.namespace_label,
    )


def _namespace_label(spec: _Counted) -> str | None:
    """The label that the rule names, or holds against `$namespace` itself: on every series that it finds, that is
    where the workload's namespace stands.
    """
    if isinstance(spec, NewRelicCounts | CloudWatchCounts):
        return None
    if spec.namespace_label is not None:
        return spec.namespace_label
    if isinstance(spec, DatadogCounts):
        return datadog_namespace_tag(spec.total)
    return namespace_label(spec.total if isinstance(spec, PrometheusCounts) else spec.histogram)


def _query(name: str, spec: QuerySpec) -> QueryRule:
    plain = (spec.prometheus, spec.datadog, spec.newrelic, spec.cloudwatch)
    web = f"{spec.web.url} {spec.web.json_path}" if spec.web is not None else ""
    text = next((query for query in plain if query is not None), web)
    return QueryRule(
        name,
        ValueQuery(source_of(spec), text),
        success=spec.success,
        failure=spec.fail,
        interval=spec.interval,
        initial_delay=spec.initial_delay,
        count=spec.count,
        failure_limit=spec.failure_limit,
        inconclusive_limit=spec.inconclusive_limit,
        consecutive_error_limit=spec.consecutive_error_limit,
        consecutive_success_limit=spec.consecutive_success_limit,
    )


def _alert(spec: AlertSpec) -> AlertRule:
    matchers = tuple(matcher for several in spec.match for matcher in several)
    return AlertRule(matchers, spec.action, spec.workload_label, spec.lookback)


def _undo(spec: UndoSpec) -> UndoPolicy:
    return UndoPolicy(
        budget=UndoBudget(spec.budget.max, spec.budget.per),
        max_target_age=spec.max_target_age,
        restore_within=spec.restore_within,
        on_known_bad=spec.on_known_bad,
        known_bad_for=spec.known_bad_for,
        config=spec.config,
        git=spec.git,
    )

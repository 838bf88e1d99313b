"""Flagger: a Canary with its MetricTemplates becomes a policy with steps and rules.

Source: fluxcd/flagger, `pkg/apis/flagger/v1beta1/canary.go`, `pkg/controller/scheduler.go` (a rollback once the
failed checks reach the threshold) and `pkg/controller/scheduler_metrics.go` (what a failed check is).
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from sentinel.domain.workload.kinds import GUARDED_KINDS, MEMBER_KIND, USUAL_KINDS
from sentinel.policies.importing.draft import (
    Draft,
    ImportRefusedError,
    Part,
    Values,
    named,
    pod_rules,
    policy_name,
    unique,
)
from sentinel.policies.importing.fields import fields_of
from sentinel.policies.importing.flagger.builtin import (
    WORKLOAD,
    BuiltinCheck,
    provider_named,
    query_body,
    request_duration,
    success_rate,
)
from sentinel.policies.importing.flagger.routing import keep_what_it_made, routed_canary
from sentinel.policies.importing.flagger.steps import pace
from sentinel.policies.importing.queries import fill, literal, name_pods, tidy
from sentinel.policies.importing.resources import Manifest
from sentinel.policies.importing.shapes import duration, items, mapping, number, text, whole
from sentinel.policies.schema.quantities import format_duration

DEFAULT_PROVIDER = "istio"
DEFAULT_INTERVAL = timedelta(minutes=1)
SHORTEST_INTERVAL = timedelta(seconds=10)
DEFAULT_DEADLINE = 600
_BUILTIN = {"request-success-rate": success_rate, "request-duration": request_duration}
_PLACEHOLDER = re.compile(r"\{\{-?([^{}]*?)-?\}\}")
_WORKLOAD = re.compile(r"\$\{workload\}")


def draft_of_canary(resource: Manifest, templates: dict[str, Manifest], provider: str | None) -> Draft:
    """The policy of a Canary. `templates` are the MetricTemplates by name; `provider` is Flagger's default mesh."""
    draft = Draft(policy_name(resource.name), f"the {resource.title} ({resource.place})")
    spec = resource.spec
    target = mapping(spec.get("targetRef"))
    name = text(target.get("name")) or resource.name
    named(draft, name, resource.namespace)
    kind = text(target.get("kind")) or "Deployment"
    if kind in GUARDED_KINDS:
        draft.match["kinds"] = [kind]
        if kind not in USUAL_KINDS:
            draft.notes.append(f"{kind}s are watched where kubernetes.kinds of the settings names them.")
    else:
        draft.notes.append(f"Its target is a {kind}, which cannot be guarded: name a workload.")
    analysis = mapping(spec.get("analysis") or spec.get("canaryAnalysis"))
    interval = _interval(analysis, draft)
    mesh = text(spec.get("provider")) or provider or ""
    pair = routed_canary(spec, mesh, name) if kind == MEMBER_KIND else {}
    pace(draft, spec, analysis, interval, pair)
    if "canaryPair" in draft.strategy:
        keep_what_it_made(draft, pair)
    else:
        draft.notes.append(
            f"Flagger runs two {kind}s, {name} and {name}-primary. Here one is enough: remove the Canary, and let the "
            f"Service select the pods of {name}."
        )
    deadline = _whole(spec.get("progressDeadlineSeconds"), DEFAULT_DEADLINE, draft)
    draft.rules = pod_rules(format_duration(timedelta(seconds=max(1, deadline))))
    for metric in items(analysis.get("metrics")):
        paired = pair if "canaryPair" in draft.strategy else {}
        _add(draft, metric, _Canary(resource, analysis, interval, templates, provider or "", paired))
    _other_keys(draft, spec, analysis)
    return draft


def draft_of_template(resource: Manifest) -> Draft:
    """Refuse a MetricTemplate that no Canary of the import refers to: it does not have a limit."""
    raise ImportRefusedError(
        f"{resource.title} ({resource.place}) does not have a limit: import it together with the Canary that refers "
        "to it"
    )


class _Canary:
    """What the metrics of one Canary share."""

    def __init__(
        self,
        resource: Manifest,
        analysis: Values,
        interval: timedelta,
        templates: dict[str, Manifest],
        provider: str,
        pair: Values,
    ) -> None:
        self.resource, self.analysis, self.interval = resource, analysis, interval
        self.templates = templates
        self.provider = text(resource.spec.get("provider")) or provider
        service = mapping(resource.spec.get("service"))
        self.pair = pair
        self.target = text(mapping(resource.spec.get("targetRef")).get("name")) or resource.name
        self.names = {
            "service": text(service.get("name")) or self.target,
            "ingress": text(mapping(resource.spec.get("ingressRef")).get("name")) or self.target,
            "route": text(mapping(resource.spec.get("routeRef")).get("name")) or self.target,
        }

    def check(self, metric: Values) -> BuiltinCheck:
        """The metric's limit and timing. Raises ImportRefusedError."""
        limits = mapping(metric.get("thresholdRange"))
        low, high = (
            number(limits[key], key) if limits.get(key) is not None else None for key in ("min", "max")
        )
        if not limits and metric.get("threshold") is not None:
            old = number(metric["threshold"], "threshold")
            low, high = (old, None) if metric.get("name") == "request-success-rate" else (None, old)
        given = text(metric.get("interval"))
        threshold = self.analysis.get("threshold")
        allowed = max(1, whole(threshold, "threshold")) - 1 if threshold is not None else 0
        window = duration(given, "interval") if given else DEFAULT_INTERVAL
        return BuiltinCheck(low, high, self.interval, window, allowed, self.names, self._counted())

    def _counted(self) -> str:
        """Whose requests Flagger's own series count."""
        if not self.pair:
            return WORKLOAD
        return f"{self.names['service']}-canary" if self.provider == "traefik" else self.target


def _add(draft: Draft, metric: Values, canary: _Canary) -> None:
    name = text(metric.get("name")) or "without a name"
    try:
        part = _rule(metric, name, canary)
    except ImportRefusedError as error:
        draft.lost.append(f"metric {name}: {error}.")
        return
    part.name = unique(part.name, (rule.name for rule in draft.rules))
    if "query" in part.body and canary.check(metric).allowed:
        part.notes.append(
            "Flagger counts the failed checks of all metrics together; here each rule counts its own."
        )
    draft.rules.append(part)


def _rule(metric: Values, name: str, canary: _Canary) -> Part:
    check = canary.check(metric)
    reference = mapping(metric.get("templateRef"))
    if reference:
        return _of_template(metric, name, check, canary, text(reference.get("name")))
    if text(metric.get("query")):
        query, notes = _filled(text(metric["query"]), check, canary, metric, "prometheus")
        if check.low is None and check.high is None:
            check = replace(check, high=0.0)
        return Part(policy_name(name), query_body("prometheus", query, check), notes)
    if name not in _BUILTIN:
        raise ImportRefusedError(
            f"it is not one of Flagger's own ({', '.join(_BUILTIN)}) and has no templateRef"
        )
    part = _BUILTIN[name](provider_named(canary.provider or DEFAULT_PROVIDER), check)
    if not canary.provider:
        part.notes.insert(
            0,
            "The Canary names no provider; Flagger's default, istio, is assumed. Use --provider for another.",
        )
    return part


def _of_template(metric: Values, name: str, check: BuiltinCheck, canary: _Canary, reference: str) -> Part:
    template = canary.templates.get(reference)
    if template is None:
        raise ImportRefusedError(
            f"the MetricTemplate {reference} is not among the given files; import it, too"
        )
    kind = text(mapping(template.spec.get("provider")).get("type"))
    if kind not in ("prometheus", "datadog"):
        raise ImportRefusedError(
            f"its provider ({kind or 'none'}) has no equivalent; supported are prometheus and datadog"
        )
    query, notes = _filled(text(template.spec.get("query")), check, canary, metric, kind)
    return Part(policy_name(name), query_body(kind, query, check), notes)


def _filled(
    query: str, check: BuiltinCheck, canary: _Canary, metric: Values, source: str
) -> tuple[str, list[str]]:
    """A query with Flagger's variables filled in, and what to know about it. Raises ImportRefusedError."""
    known = {
        "namespace": "${namespace}",
        "target": "${workload}",
        "name": literal(canary.resource.name),
        "interval": format_duration(check.window),
        **{name: literal(value) for name, value in canary.names.items()},
        **{
            f"variables.{key}": literal(text(value))
            for key, value in mapping(metric.get("templateVariables")).items()
        },
    }

    def put(inner: str, quoted: bool) -> str:
        if inner not in known:
            raise ImportRefusedError(f"the query uses {{{{ {inner} }}}}, which has no equivalent")
        value = known[inner]
        if value.startswith("${") and not quoted:
            raise ImportRefusedError(f"{{{{ {inner} }}}} is outside quotes, where variables are not allowed")
        return value

    filled = tidy(fill(query, _PLACEHOLDER, put, anywhere=source == "datadog"))
    if not filled:
        raise ImportRefusedError("it has no query")
    filled, pods = name_pods(filled, _WORKLOAD)
    if canary.pair:
        filled = filled.replace("${workload}", literal(canary.target))
    notes = []
    if pods:
        notes.append("Its pattern of pod names would match both revisions; it is $candidate_pods here.")
    elif source == "prometheus" and "candidate_pods" not in filled and not canary.pair:
        notes.append(
            "In Flagger the candidate is a separate Deployment. Here one Deployment holds both revisions: if the "
            'series name pods, add pod=~"$candidate_pods"; otherwise the query covers both revisions.'
        )
    return filled, notes


def _interval(analysis: Values, draft: Draft) -> timedelta:
    try:
        given = text(analysis.get("interval"))
        return max(SHORTEST_INTERVAL, duration(given, "interval")) if given else DEFAULT_INTERVAL
    except ImportRefusedError as error:
        draft.notes.append(f"Left out: {error}; the interval is 1 minute.")
        return DEFAULT_INTERVAL


def _whole(value: object, default: int, draft: Draft) -> int:
    try:
        return whole(value, "progressDeadlineSeconds") if value is not None else default
    except ImportRefusedError as error:
        draft.notes.append(f"Left out: {error}.")
        return default


def _other_keys(draft: Draft, spec: Values, analysis: Values) -> None:
    kept = ("service",) if "canaryPair" in draft.strategy else ()
    draft.notes += fields_of("flagger").comments({**spec, "analysis": analysis}, without=kept)
    if spec.get("skipAnalysis") is True:
        draft.notes.append("skipAnalysis is true: Flagger promotes without judging. Here the rules judge.")
    if spec.get("metricsServer"):
        draft.notes.append("Left out: metricsServer; the sentinel uses the Prometheus of its settings.")
    for alert in items(analysis.get("alerts")):
        draft.notes.append(
            f"Left out: the alert {text(alert.get('name'))}; see spec.notify for who is notified."
        )


def templates_by_name(resources: Iterable[Manifest]) -> dict[str, Manifest]:
    """The MetricTemplates of an import."""
    return {one.name: one for one in resources if one.kind == "MetricTemplate"}


def names_of_templates(canary: Manifest) -> set[str]:
    """The MetricTemplates that a Canary refers to."""
    analysis = mapping(canary.spec.get("analysis") or canary.spec.get("canaryAnalysis"))
    return {text(mapping(metric.get("templateRef")).get("name")) for metric in items(analysis.get("metrics"))}

"""Prometheus alerting rules become `alerts:` of a policy: which alerts undo or hold a rollout.

An alert is attributed to a workload by its labels: what an expression sums away decides what the alert can do. Each
that can do less than undo a release says so.
"""

from collections.abc import Sequence
from enum import Enum, auto

import promql_parser as promql

from sentinel.domain.figures import amount
from sentinel.engine.alerts.naming import WORKLOAD_LABELS, spelt_as
from sentinel.engine.arms.promql_texts import without_raw_texts
from sentinel.policies.importing.draft import (
    Draft,
    ImportRefusedError,
    Part,
    Values,
    chosen_by_label,
    pod_rules,
    policy_name,
)
from sentinel.policies.importing.resources import Manifest
from sentinel.policies.importing.shapes import duration, items, mapping, text
from sentinel.policies.schema.quantities import format_duration

_UNDO = frozenset({"critical", "page", "error", "emergency", "high", "fatal"})
_SILENT = frozenset({"none", "info", "debug", "low", "informational"})


def draft_of_alerts(resource: Manifest, name: str, namespaces: Sequence[str]) -> Draft:
    """The policy of a file of alerting rules, or of a PrometheusRule. Raises ImportRefusedError without any alert.

    It guards the Deployments of the namespaces; without namespaces, the Deployments that choose it by label: the
    namespace of a PrometheusRule does not say where its workloads are.
    """
    draft = Draft(policy_name(name), f"the {resource.title} ({resource.place})")
    seen: set[str] = set()
    recorded = 0
    for group in items(resource.spec.get("groups")):
        for rule in items(group.get("rules")):
            if text(rule.get("alert")):
                _add(draft, rule, group, seen)
            elif rule.get("record"):
                recorded += 1
    if not draft.alerts and not draft.lost:
        raise ImportRefusedError(
            f"{resource.title} ({resource.place}) has no alerting rule that concerns rollouts"
        )
    draft.rules = pod_rules()
    draft.rules[0].notes.append("Added to the alerts: the rules that work without metrics.")
    if namespaces:
        draft.match = {"kinds": ["Deployment"], "namespaces": list(namespaces)}
    else:
        chosen_by_label(draft)
    if recorded:
        draft.notes.append(f"Left out: {amount(recorded, 'recording rule')}; they do not judge anything.")
    draft.notes.append(
        "Alerts of severity critical, page or similar undo if they name exactly one workload; other alerts hold. Keep "
        "the alerts that a release can cause, and remove the rest."
    )
    return draft


def _add(draft: Draft, rule: Values, group: Values, seen: set[str]) -> None:
    alert = text(rule["alert"])
    severity = text(mapping(rule.get("labels")).get("severity"))
    known = severity if "{{" not in severity else ""
    if known.lower() in _SILENT:
        draft.notes.append(f"Left out: the alert {alert}, of severity {known}.")
        return
    matchers = [f'alertname="{_escaped(alert)}"'] + ([f'severity="{_escaped(known)}"'] if known else [])
    if ", ".join(matchers) in seen:
        return
    seen.add(", ".join(matchers))
    try:
        lookback = duration(rule["for"], f"{alert}: for") if rule.get("for") is not None else None
    except ImportRefusedError as error:
        draft.lost.append(f"alert {alert}: {error}.")
        return
    reach = _reach(rule)
    notes = [_SAID[reach].format(alert=alert, labels=", ".join(WORKLOAD_LABELS))] if reach in _SAID else []
    if lookback is None:
        notes.append("It has no for:, so its cause began when it fired.")
    draft.alerts.append(
        Part(
            alert,
            {
                "match": matchers,
                "action": "undo" if known.lower() in _UNDO else "hold",
                "lookback": format_duration(lookback) if lookback else "0s",
            },
            notes,
        )
    )


class _Reach(Enum):
    """What the labels of an alert can name."""

    UNREAD = auto()
    WORKLOAD = auto()
    WORKLOAD_SOMEWHERE = auto()
    NAMESPACE = auto()
    NOTHING = auto()


_SAID = {
    _Reach.UNREAD: "The expression of {alert} cannot be parsed; check that the labels of the alert name its workload.",
    _Reach.WORKLOAD_SOMEWHERE: (
        "{alert} names a workload but not its namespace: it applies to all workloads with that name, and undoes only "
        "if there is exactly one. Keep the label namespace in its expression."
    ),
    _Reach.NAMESPACE: (
        "{alert} names a namespace but no workload: it holds every rollout of this policy in that namespace and cannot "
        "undo any. For an undo, keep one of {labels} in its expression, or set workloadLabel to another label that it "
        "keeps."
    ),
    _Reach.NOTHING: (
        "{alert} names neither a namespace nor a workload: it affects no rollout, and when it fires the sentinel says "
        "so once. For a hold, keep the label namespace in its expression; for an undo, keep one of {labels}, too."
    ),
}


def _reach(rule: Values) -> _Reach:
    """What an alert's labels can name: those that its expression keeps, and those that its rule adds."""
    try:
        kept = labels_left(promql.parse(without_raw_texts(text(rule.get("expr")))))
    except ValueError:
        return _Reach.UNREAD
    if kept is None:
        return _Reach.WORKLOAD
    labels = kept | set(mapping(rule.get("labels")))
    names_workload = any(spelt_as(label) in WORKLOAD_LABELS for label in labels)
    if any(spelt_as(label) == "namespace" for label in labels):
        return _Reach.WORKLOAD if names_workload else _Reach.NAMESPACE
    return _Reach.WORKLOAD_SOMEWHERE if names_workload else _Reach.NOTHING


def labels_left(parsed: object) -> set[str] | None:
    """The labels that an expression's answer can have; None where that is not known: any."""
    match parsed:
        case promql.ParenExpr() | promql.UnaryExpr() | promql.SubqueryExpr():
            return labels_left(parsed.expr)
        case promql.AggregateExpr():
            return _aggregated(parsed)
        case promql.NumberLiteral() | promql.StringLiteral():
            return set()
        case promql.BinaryExpr():
            left, right = labels_left(parsed.lhs), labels_left(parsed.rhs)
            return None if left is None or right is None else left | right
        case promql.Call():
            return _called(parsed)
    return None


def _aggregated(parsed: promql.AggregateExpr) -> set[str] | None:
    inner = labels_left(parsed.expr)
    modifier = parsed.modifier
    if str(parsed.op) in ("topk", "bottomk", "limitk", "limit_ratio"):
        return inner
    if modifier is None:
        return set()
    named = set(modifier.labels)
    if "By" in str(modifier.type):
        return named if inner is None else named & inner
    return None if inner is None else inner - named


def _called(parsed: promql.Call) -> set[str] | None:
    if parsed.func.name in ("label_replace", "label_join"):
        return None
    if parsed.func.name in ("scalar", "time", "vector", "pi"):
        return set()
    found = [labels_left(argument) for argument in parsed.args]
    known = [one for one in found if one is not None]
    return set().union(*known) if known and len(known) == len(found) else None


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

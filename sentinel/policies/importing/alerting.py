"""Prometheus alerting rules become `alerts:` of a policy: which alerts undo or hold a rollout.

An alert is attributed to a workload by its labels, so an expression that sums all of them away can never be.
"""

import promql_parser as promql

from sentinel.engine.promql_texts import without_raw_texts
from sentinel.policies.importing.draft import Draft, ImportRefusedError, Part, Values, opt_in, policy_name
from sentinel.policies.importing.resources import Resource
from sentinel.policies.importing.shapes import duration, items, mapping, text
from sentinel.policies.quantities import format_duration

NAMING_LABELS = frozenset(
    {"deployment", "statefulset", "daemonset", "rollout", "workload", "pod", "service", "replicaset"}
)
_UNDO = frozenset({"critical", "page", "error", "emergency", "high", "fatal"})
_SILENT = frozenset({"none", "info", "debug", "low", "informational"})


def draft_of_alerts(resource: Resource, name: str) -> Draft:
    """The policy of a file of alerting rules, or of a PrometheusRule. Raises ImportRefusedError without any alert."""
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
            f"{resource.title} ({resource.place}) holds no alerting rule that concerns rollouts"
        )
    opt_in(draft, resource.namespace)
    if recorded:
        draft.notes.append(
            f"Left out: {recorded} recording rules, which judge nothing; Prometheus keeps them."
        )
    draft.notes.append(
        "Alerts of severity critical, page and the like undo, others hold; say which of them a release can cause at "
        "all, and remove the rest."
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
    notes = _notes(rule, alert)
    if lookback is None:
        notes.append("It has no for:, so it began when it fired.")
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


def _notes(rule: Values, alert: str) -> list[str]:
    labels = set(mapping(rule.get("labels")))
    try:
        kept = labels_left(promql.parse(without_raw_texts(text(rule.get("expr")))))
    except ValueError:
        return [
            f"The expression of {alert} could not be read; see that the alert names its workload by a label."
        ]
    if kept is None or NAMING_LABELS & (kept | labels):
        return []
    return [
        f"{alert} has none of the labels that name a workload ({', '.join(sorted(NAMING_LABELS))}): it will concern no "
        "rollout until its expression keeps one, or workloadLabel names another."
    ]


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

"""Prometheus' alerting rules as alerts of a policy."""

from datetime import timedelta

import promql_parser as promql
import pytest

from sentinel.domain.policy import AlertAction
from sentinel.policies.importing.alerting import labels_left
from sentinel.policies.importing.importer import Imported, import_files
from tests.policies.importing.files import policies_of

RULES = """
groups:
  - name: shop
    rules:
      - record: job:errors:rate5m
        expr: sum(rate(errors_total[5m]))
      - alert: HighErrorRate
        expr: sum by (namespace, deployment) (rate(errors_total[5m])) > 1
        for: 10m
        labels: {severity: critical}
      - alert: SlowDatabase
        expr: sum(rate(slow_total[5m])) > 1
        labels: {severity: warning}
      - alert: Watchdog
        expr: vector(1)
        labels: {severity: none}
"""


def imported(text: str = RULES) -> Imported:
    """What the importer makes of one file."""
    return import_files({"alerts.yaml": text.encode()})


def test_an_alert_becomes_a_matcher_that_looks_back_for_as_long_as_it_waited() -> None:
    """startsAt is when an alert fired, after its for:, so that is subtracted."""
    (policy,) = policies_of(imported().text)
    alert = policy.alerts[0]
    assert [(m.label, m.value) for m in alert.match] == [
        ("alertname", "HighErrorRate"),
        ("severity", "critical"),
    ]
    assert (alert.action, alert.lookback) == (AlertAction.UNDO, timedelta(minutes=10))


def test_a_warning_holds_and_looks_back_no_further() -> None:
    """Only what would page undoes; without a for: an alert began when it fired."""
    (policy,) = policies_of(imported().text)
    assert (policy.alerts[1].action, policy.alerts[1].lookback) == (AlertAction.HOLD, timedelta(0))


def test_silent_alerts_and_recording_rules_are_left_out() -> None:
    """An alert of severity none is for machines."""
    result = imported()
    (policy,) = policies_of(result.text)
    assert len(policy.alerts) == 2
    assert "the alert Watchdog, of severity none" in result.text
    assert "1 recording rules" in result.text


def test_an_alert_that_names_no_workload_is_said() -> None:
    """An expression that sums every label away can never be attributed."""
    text = imported().text.replace("\n    # ", " ")
    assert "SlowDatabase has none of the labels that name a workload" in text
    assert "HighErrorRate has none" not in text


def test_the_policy_is_chosen_by_a_label() -> None:
    """Alerts name no workload to guard: none is guarded until it is labelled."""
    (policy,) = policies_of(imported().text)
    (requirement,) = policy.match.selector
    assert (requirement.key, requirement.values) == ("rollback-sentinel.dev/policy", ("alerts",))


def test_a_prometheusrule_is_the_same_in_a_resource() -> None:
    """The operator's resource holds the groups under spec."""
    indented = "\n".join(f"  {line}" for line in RULES.splitlines())
    text = f"kind: PrometheusRule\nmetadata: {{name: shop-alerts, namespace: shop}}\nspec:{indented}\n"
    (policy,) = policies_of(imported(text).text)
    assert (policy.name, policy.match.namespaces, len(policy.alerts)) == ("shop-alerts", ("shop",), 2)


def test_a_bad_duration_loses_the_alert_and_says_so() -> None:
    """What cannot be read is refused by name."""
    result = imported(RULES.replace("for: 10m", "for: soon"))
    assert "HighErrorRate: for is not a duration" in result.refused[0]


@pytest.mark.parametrize(
    ("query", "labels"),
    [
        ("up", None),
        ("sum(up)", set()),
        ("sum by (pod) (up)", {"pod"}),
        ("sum without (pod) (sum by (pod, namespace) (up))", {"namespace"}),
        ("sum without (pod) (up)", None),
        ("topk(3, up)", None),
        ("sum by (a) (x) / on (a) sum by (a) (y) > 1", {"a"}),
        ("rate(x[5m])", None),
        ("vector(1)", set()),
        ("absent(sum(x))", set()),
        ("histogram_quantile(0.9, sum by (le, job) (x))", {"le", "job"}),
    ],
)
def test_the_labels_that_an_expression_keeps(query: str, labels: set[str] | None) -> None:
    """Aggregations say which labels are left; a bare selector may have any."""
    assert labels_left(promql.parse(query)) == labels

"""Prometheus' alerting rules as alerts of a policy."""

from datetime import timedelta

import promql_parser as promql
import pytest

from sentinel.domain.policy.rules import CrashLoopRule, HealthRule
from sentinel.domain.policy.selection import AlertAction
from sentinel.policies.importing.alerting import labels_left
from sentinel.policies.importing.importer import Choices, Imported, import_files
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
    assert "1 recording rule;" in result.text


def told(text: str) -> str:
    """The comments of a rule file as one line."""
    return " ".join(line.strip().removeprefix("# ") for line in text.splitlines())


@pytest.mark.parametrize(
    ("by", "said"),
    [
        ("", "names neither a namespace nor a workload: it affects no rollout"),
        ("by (job, instance)", "names neither a namespace nor a workload: it affects no rollout"),
        (
            "by (namespace)",
            "names a namespace but no workload: it holds every rollout of this policy in that",
        ),
        ("by (exported_namespace, le)", "names a namespace but no workload"),
        ("by (deployment)", "names a workload but not its namespace"),
        ("by (namespace, pod)", ""),
        ("by (namespace, replicaset)", ""),
        ("by (exported_namespace, exported_pod)", ""),
        ("by (k8s_namespace_name, k8s_deployment_name)", ""),
        ("without (instance)", ""),
    ],
)
def test_it_is_said_of_each_alert_what_its_labels_can_name(by: str, said: str) -> None:
    """What an expression sums away decides what the alert can do; nothing is said of one that can undo."""
    text = told(imported(RULES.replace("sum by (namespace, deployment)", f"sum {by}")).text)
    assert (f"HighErrorRate {said}" in text) if said else ("HighErrorRate names" not in text)


def test_labels_that_a_rule_adds_name_as_well() -> None:
    """A rule may say itself which workload it is about."""
    fixed = "labels: {severity: critical, namespace: shop, deployment: web}"
    text = RULES.replace("sum by (namespace, deployment)", "sum").replace(
        "labels: {severity: critical}", fixed
    )
    assert "HighErrorRate names" not in told(imported(text).text)


def test_the_policy_is_chosen_by_a_label() -> None:
    """Alerts name no workload to guard: none is guarded until it is labelled, and that is said at the top."""
    text = imported().text
    (policy,) = policies_of(text)
    (requirement,) = policy.match.selector
    assert (requirement.key, requirement.values) == ("rollback-sentinel.dev/policy", ("alerts",))
    assert "kubectl label deployment/NAME rollback-sentinel.dev/policy=alerts" in told(text)


def test_the_label_that_is_said_is_the_one_that_is_asked_for() -> None:
    """Also of two files of one name, and of a name that is too long for a label."""
    long = "a" * 62 + "-b"
    text = import_files({f"{n}/{long}.yaml": RULES.encode() for n in "12"}).text
    for policy in policies_of(text):
        ((value,),) = (requirement.values for requirement in policy.match.selector)
        assert f"rollback-sentinel.dev/policy={value})" in told(text)


def test_a_prometheusrule_guards_workloads_wherever_they_are() -> None:
    """Where the operator's resource is kept is not where the workloads are that it is about."""
    indented = "\n".join(f"  {line}" for line in RULES.splitlines())
    text = f"kind: PrometheusRule\nmetadata: {{name: shop-alerts, namespace: monitoring}}\nspec:{indented}\n"
    (policy,) = policies_of(imported(text).text)
    assert (policy.name, policy.match.namespaces, len(policy.alerts)) == ("shop-alerts", (), 2)


def test_namespaces_may_be_named_instead_of_a_label() -> None:
    """Then every Deployment there is guarded at once."""
    text = import_files({"alerts.yaml": RULES.encode()}, Choices(namespaces=("shop", "pay-*"))).text
    (policy,) = policies_of(text)
    assert (policy.match.namespaces, policy.match.selector) == (("shop", "pay-*"), ())
    assert "GUARDS NOTHING" not in text


def test_the_state_of_the_pods_is_judged_beside_the_alerts() -> None:
    """The policy takes over from the one that ships, whose rules would be lost otherwise."""
    (policy,) = policies_of(imported().text)
    assert [type(rule) for rule in policy.rules] == [CrashLoopRule, HealthRule]


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

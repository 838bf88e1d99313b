"""The page for operators: every alert of the chart, every metric of the daemon, and no command that is not there."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from sentinel.adapters.http.metrics import METRICS, PREFIX
from tests.support.helm import Helm, find_program, only

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
TESTS = yaml.safe_load((Path(__file__).parent / "alerts.test.yaml").read_text())["tests"]
SERVED = {f"{PREFIX}_{metric.name}": set(metric.labels) for metric in METRICS}
KUBECTL = sorted(set(re.findall(r"`kubectl ([^`]+)`", PAGE)))


@pytest.fixture
def alerts(helm: Helm) -> dict[str, str]:
    """The chart's alerts and their expressions."""
    kinds = ["Deployment", "StatefulSet", "DaemonSet"]
    values = {"metrics": {"prometheusRule": {"enabled": True}}, "watchKinds": kinds}
    rule = only(helm.template(values), "PrometheusRule")
    return {alert["alert"]: alert["expr"] for group in rule["spec"]["groups"] for alert in group["rules"]}


def fired(test: dict[str, Any]) -> set[str]:
    """The alerts that one of promtool's tests sees firing."""
    found = {case["alertname"] for case in test.get("alert_rule_test", ()) if case.get("exp_alerts")}
    for case in test.get("promql_expr_test", ()):
        if samples := case.get("exp_samples"):
            told = case["expr"] + "".join(sample.get("labels", "") for sample in samples)
            found |= set(re.findall(r'alertname="(\w+)"', told))
    return found


def test_each_alert_has_its_section_and_no_section_is_of_an_alert_that_is_gone(
    alerts: dict[str, str],
) -> None:
    """What to do about each, under its name."""
    assert set(re.findall(r"(?m)^### (\w+)$", PAGE)) == alerts.keys()


def test_each_alert_is_seen_firing_by_a_test(alerts: dict[str, str]) -> None:
    """promtool plays what it is for; that nothing fires without cause is the first test's."""
    assert set().union(*map(fired, TESTS)) == alerts.keys()


def test_each_alert_asks_for_what_is_served(alerts: dict[str, str]) -> None:
    """A metric that was renamed, or a label that is gone, would leave an alert silent for ever."""
    mine = {"job", "namespace"}
    for expression in alerts.values():
        for name, matchers in re.findall(rf"({PREFIX}_[a-z_]+)\{{([^}}]*)\}}", expression):
            assert set(re.findall(r'([a-z_]+)=~?"', matchers)) <= SERVED[name] | mine


def test_the_page_names_each_metric_and_none_that_is_not_served() -> None:
    """A reader finds all of them, and can ask for each."""
    assert set(re.findall(rf"{PREFIX}_[a-z_]+", PAGE)) == SERVED.keys()


@pytest.fixture(scope="module")
def kubectl(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The real kubectl."""
    return find_program("kubectl", tmp_path_factory.mktemp("programs"))


@pytest.mark.parametrize("line", KUBECTL)
def test_each_command_of_kubectl_is_one(line: str, kubectl: str) -> None:
    """kubectl knows the command and each flag; what `sentinel` knows is tested with all pages (tests/docs)."""
    words = re.sub(r"^-n \S+ ", "", line).split()
    subcommand = words[: 2 if words[0] == "rollout" else 1]
    told = subprocess.run(
        [kubectl, *subcommand, "--help"], capture_output=True, text=True, timeout=60, check=True
    ).stdout
    assert f"kubectl {' '.join(subcommand)}" in told
    for flag in re.findall(r"--[a-z-]+", line):
        assert f"{flag}=" in told

"""The page for operators knows every alert of the chart and every metric of the daemon."""

import re
from pathlib import Path

from sentinel.adapters.http.metrics import METRICS, PREFIX
from tests.support.helm import Helm, only

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()


def test_each_alert_has_its_section_and_no_section_is_of_an_alert_that_is_gone(helm: Helm) -> None:
    """What to do about each, under its name."""
    rule = only(helm.template({"metrics": {"prometheusRule": {"enabled": True}}}), "PrometheusRule")
    alerts = {alert["alert"] for group in rule["spec"]["groups"] for alert in group["rules"]}
    assert set(re.findall(r"(?m)^### (\w+)$", PAGE)) == alerts


def test_each_metric_that_is_named_exists() -> None:
    """A reader can ask for all of them."""
    named = set(re.findall(rf"{PREFIX}_[a-z_]+", PAGE))
    assert named - {f"{PREFIX}_{metric.name}" for metric in METRICS} == set()

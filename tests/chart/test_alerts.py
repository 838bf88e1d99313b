"""The chart's alerts, tried by promtool on made-up series."""

import shutil
import subprocess
from pathlib import Path

import yaml

from tests.support.helm import Helm, only
from tests.support.processes import binary

UNIT_TESTS = Path(__file__).parent / "alerts.test.yaml"


def test_the_alerts_fire_when_they_should_and_only_then(helm: Helm, tmp_path: Path) -> None:
    """Each alert's unit tests: well, not yet, firing, over; the values' own label is on what fires."""
    rule = {"enabled": True, "alertLabels": {"team": "platform"}}
    values = {"metrics": {"prometheusRule": rule}, "watchKinds": ["Deployment", "StatefulSet", "DaemonSet"]}
    rendered = only(helm.template(values), "PrometheusRule")
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rendered["spec"]))
    tests = shutil.copy(UNIT_TESTS, tmp_path)
    told = yaml.safe_load(UNIT_TESTS.read_text())["tests"]
    tested = {alert["alert"] for group in rendered["spec"]["groups"] for alert in group["rules"]}
    assert {name for name in tested if name not in str(told)} == set()
    ended = subprocess.run(
        [binary("promtool"), "test", "rules", str(tests)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_recording_rules_are_such_to_promtool(helm: Helm, tmp_path: Path) -> None:
    """Those of the DORA figures, for each window of the default values."""
    rendered = only(helm.template({"metrics": {"doraRules": {"enabled": True}}}), "PrometheusRule", "-dora")
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rendered["spec"]))
    ended = subprocess.run(
        [binary("promtool"), "check", "rules", "--lint-fatal", str(tmp_path / "rules.yaml")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "12 rules found" in ended.stdout

"""The samples that ship are what the tools of the field accept."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from sentinel.policies.load import PolicySet, describe, load
from sentinel.settings import load_settings

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "config"


def run(*command: str) -> str:
    """Run a checker; it must say yes."""
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


RULE_FILES = sorted(file for file in (ROOT / "rules").rglob("*.yaml") if not file.name.endswith(".test.yaml"))


@pytest.mark.parametrize("file", RULE_FILES, ids=lambda file: file.name)
def test_every_rule_file_that_ships_loads(file: Path) -> None:
    """No rule file ships that the loader refuses."""
    result = load([file])

    assert isinstance(result, PolicySet), describe(result)


def test_the_sample_settings_are_the_defaults() -> None:
    """What the sample shows as defaults are the defaults."""
    assert load_settings(CONFIG / "sentinel.yaml", {}) == load_settings(None, {})


@pytest.mark.real
@pytest.mark.skipif(
    "CI" not in os.environ and not shutil.which("promtool"), reason="promtool is not installed"
)
def test_promtool_accepts_the_alert_rules() -> None:
    """The alerting rules are valid."""
    assert "SUCCESS" in run("promtool", "check", "rules", str(CONFIG / "alerts.yml"))


@pytest.mark.real
@pytest.mark.skipif(
    "CI" not in os.environ and not shutil.which("promtool"), reason="promtool is not installed"
)
def test_promtool_accepts_the_prometheus_snippet(tmp_path: Path) -> None:
    """The configuration is valid; Debian's promtool is built without the discovery of pods, which is left out."""
    content = yaml.safe_load((CONFIG / "prometheus.yml").read_text())
    for job in content["scrape_configs"]:
        job.pop("kubernetes_sd_configs", None)
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(content))
    shutil.copy(CONFIG / "alerts.yml", tmp_path)

    assert "SUCCESS" in run("promtool", "check", "config", str(tmp_path / "prometheus.yml"))


@pytest.mark.real
@pytest.mark.skipif("CI" not in os.environ and not shutil.which("amtool"), reason="amtool is not installed")
def test_amtool_accepts_the_alertmanager_snippet() -> None:
    """The configuration is valid and sends critical alerts to the sentinel's webhook."""
    file = str(CONFIG / "alertmanager.yml")
    assert "SUCCESS" in run("amtool", "check-config", file)

    assert "rollback-sentinel" in run(
        "amtool", "config", "routes", "test", f"--config.file={file}", "severity=critical"
    )

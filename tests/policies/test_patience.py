"""Restarts that are allowed, beside a pod's time to become ready."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from sentinel.policies.checking import check_paths
from sentinel.policies.patience import back_off

FILE = """apiVersion: rollback-sentinel.dev/v1
kind: RolloutPolicy
metadata: {{name: shop}}
spec:
  match: {{kinds: [Deployment]}}
  rules:
    - {{name: crashes, crashLoop: {{{crashes}}}}}
{health}"""


@pytest.mark.parametrize(
    ("restarts", "seconds"), [(1, 0), (2, 10), (3, 30), (5, 150), (6, 310), (10, 1510), (11, 1810)]
)
def test_back_off_is_kubernetes_own(restarts: int, seconds: int) -> None:
    """At once, then 10, 20, 40, 80, 160 s, and five minutes from then on."""
    assert back_off(restarts) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("crashes", "health", "remarked"),
    [
        ("restarts: 5", "    - {name: health, health: {readyWithin: 2m}}\n", True),
        ("restarts: 5", "    - {name: health, health: {readyWithin: 3m}}\n", False),
        ("restarts: 4", "    - {name: health, health: {}}\n", False),
        ("", "    - {name: health, health: {readyWithin: 1s}}\n", False),
        ("restarts: 5", "", False),
    ],
    ids=["too short", "long enough", "few", "default", "no health"],
)
def test_restarts_that_health_does_not_wait_for_are_remarked_on(
    tmp_path: Path, crashes: str, health: str, remarked: bool
) -> None:
    """The file is accepted, with a word on which rule undoes first."""
    file = tmp_path / "rules.yaml"
    file.write_text(FILE.format(crashes=crashes, health=health))
    found = check_paths([file])
    assert found.errors == ()
    said = [str(remark) for remark in found.remarks if "restarts" in str(remark)]
    assert bool(said) is remarked
    if remarked:
        assert "5 restarts take 2m30s in CrashLoopBackOff" in said[0]
        assert "before that health undoes a pod that is not ready within 2m" in said[0]
        assert "rules.yaml:7:" in said[0]

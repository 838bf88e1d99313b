"""Gates that the settings would never let be asked are mistakes in the rule file that names them."""

from __future__ import annotations

from pathlib import Path

import pytest

from sentinel.domain.gate import GateLimits
from sentinel.policies.load import Options, load, restore
from sentinel.policies.mistakes import PolicyError

POLICY = """\
apiVersion: rollback-sentinel.dev/v1
kind: RolloutPolicy
metadata: {name: shop}
spec:
  match: {namespaces: [NAMESPACE]}
  strategy:
    canary:
      steps:
        - weight: 10%
          gates:
            - GATE
  rules:
    - {name: crash-loop, crashLoop: {}}
"""
WEBHOOK = "webhook: {url: 'http://smoke.QA.svc:8080/check'}"
JOB = "{name: smoke, job: {template: {spec: {template: {spec: {containers: [{name: a, image: 'a:1'}]}}}}}}"
AS_SMOKE = JOB.replace("{spec: {containers", "{spec: {serviceAccountName: smoke, containers")
ALL = GateLimits(("*.svc",), True, ("shop",), ("default",))


def mistakes(
    tmp_path: Path, gate: str, limits: GateLimits | None, namespace: str = "shop"
) -> list[PolicyError]:
    file = tmp_path / "shop.yaml"
    file.write_text(POLICY.replace("GATE", gate).replace("NAMESPACE", namespace))
    found = load([file], Options(gates=limits))
    return found if isinstance(found, list) else []


@pytest.mark.parametrize("gate", [WEBHOOK, JOB])
@pytest.mark.parametrize("limits", [ALL, None])
def test_what_the_settings_allow_is_fine(tmp_path: Path, gate: str, limits: GateLimits | None) -> None:
    """As is everything where the settings are not known."""
    assert mistakes(tmp_path, gate, limits) == []


@pytest.mark.parametrize(
    ("gate", "limits", "at", "said"),
    [
        (
            WEBHOOK,
            GateLimits(("*.prod.svc",)),
            "webhook.url",
            "gates.allowed_hosts in the settings does not include smoke.qa.svc",
        ),
        (WEBHOOK, GateLimits(), "webhook.url", "gates.allowed_hosts in the settings does not include"),
        (JOB, GateLimits(("*",)), "job", "gates.jobs.enabled is false"),
        (AS_SMOKE, ALL, "job", "gates.jobs.service_accounts in the settings does not include smoke"),
        (
            JOB,
            GateLimits(jobs=True, namespaces=("bank",)),
            "job",
            "gates.jobs.namespaces in the settings does not include shop",
        ),
    ],
)
def test_a_gate_that_could_never_be_asked_is_a_mistake(
    tmp_path: Path, gate: str, limits: GateLimits, at: str, said: str
) -> None:
    """With its place, the setting's name, and what to do."""
    (found,) = mistakes(tmp_path, gate, limits)
    assert found.path == f"spec.strategy.canary.steps[0].gates[0].{at}"
    assert (found.line, said in found.message) == (11, True)
    assert "remove the gate" in found.hint


def test_a_namespace_glob_may_still_match_one_that_is_allowed(tmp_path: Path) -> None:
    """That is known only when a workload is seen."""
    assert mistakes(tmp_path, JOB, ALL, namespace="'sh*'") == []


def test_a_policy_in_a_record_loads_whatever_the_settings_say_now(tmp_path: Path) -> None:
    """A rollout under way keeps its policy; its gate is refused when it is asked."""
    file = tmp_path / "shop.yaml"
    file.write_text(POLICY.replace("GATE", WEBHOOK).replace("NAMESPACE", "shop"))
    loaded = load([file])
    assert not isinstance(loaded, list)
    (policy,) = loaded.policies
    assert restore(policy.document, Options(gates=GateLimits())).strategy == policy.strategy

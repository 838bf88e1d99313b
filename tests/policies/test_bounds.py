"""What the settings let policies of namespaces say."""

from pathlib import Path
from typing import Any

import pytest

from sentinel.domain.policy.policy import Mode
from sentinel.policies.bounds import GateKind, PolicyBounds
from sentinel.policies.load import Options, PolicySet, load

POLICY = """
apiVersion: rollback-sentinel.dev/v1
kind: RolloutPolicy
metadata: {{name: web{namespace}}}
spec:
  match: {{}}
  mode: enforce
  strategy:
    canary:
      steps:
        - {{weight: 10%, approval: required, gates: [{{webhook: {{url: "http://tests.qa/run"}}}}]}}
  rules:
    - {{name: page, query: {{web: {{url: "http://metrics.qa/x", jsonPath: $.x}}, fail: value > 1.0}}}}
  notify: {{slack: {{channel: "#deploys"}}}}
"""


def _mistakes(tmp_path: Path, *bounds: PolicyBounds, namespace: str = ", namespace: shop") -> list[str]:
    file = tmp_path / "policy.yaml"
    file.write_text(POLICY.format(namespace=namespace))
    found = load([file], Options(bounds=bounds))
    return (
        [] if isinstance(found, PolicySet) else [f"{e.line}: {e.path}: {e.message} ({e.hint})" for e in found]
    )


@pytest.mark.parametrize(
    ("bounds", "mistake"),
    [
        ({"modes": (Mode.OBSERVE,)}, "7: spec.mode: {} mode enforce (allowed: observe)"),
        (
            {"gates": (GateKind.WEBHOOK,)},
            "11: spec.strategy.canary.steps[0].approval: {} an approval (allowed: webhook)",
        ),
        (
            {"gates": (GateKind.APPROVAL,)},
            "11: spec.strategy.canary.steps[0].gates[0].webhook: {} a gate of the kind webhook (allowed: approval)",
        ),
        (
            {"channels": ("#team-*",)},
            "14: spec.notify.slack.channel: {} the channel #deploys (allowed: #team-*)",
        ),
        (
            {"hosts": ("tests.*",)},
            "13: spec.rules[0].query.web.url: {} the host metrics.qa (allowed: tests.*)",
        ),
        (
            {"hosts": ("metrics.*",)},
            "11: spec.strategy.canary.steps[0].gates[0].webhook.url: {} the host tests.qa (allowed: metrics.*)",
        ),
    ],
)
def test_what_is_beyond_them_is_refused_with_what_is_allowed(
    tmp_path: Path, bounds: dict[str, Any], mistake: str
) -> None:
    """At the place where it stands."""
    said = "the settings do not let policies of this namespace have"
    assert _mistakes(tmp_path, PolicyBounds(**bounds)) == [mistake.format(said)]


def test_the_first_bounds_of_the_namespace_count(tmp_path: Path) -> None:
    """Narrower ones stand before wider ones."""
    strict = PolicyBounds(modes=(Mode.OBSERVE,))
    assert _mistakes(tmp_path, PolicyBounds(namespaces=("sh*",)), strict) == []
    assert _mistakes(tmp_path, PolicyBounds(namespaces=("blog",)), strict) != []


def test_a_namespace_that_no_bounds_mean_has_no_policy(tmp_path: Path) -> None:
    """Who bounds some namespaces does not forget the others."""
    assert _mistakes(tmp_path, PolicyBounds(namespaces=("blog",))) == [
        "4: metadata.namespace: the settings let no policy of the namespace shop be "
        "(name it in policies.objects.bounds there)"
    ]


def test_policies_of_the_cluster_are_not_bounded(tmp_path: Path) -> None:
    """Who may write them, or rule files, may do more than any namespace."""
    assert _mistakes(tmp_path, PolicyBounds(modes=(Mode.OBSERVE,)), namespace="") == []

"""The rights that the chart grants: those that the daemon asks for, wherever they are written down."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from cel_expr_python import cel

from sentinel.adapters.kubernetes.preflight import ASKING, ELECTING, NEEDED
from sentinel.adapters.kubernetes.resources import Resource
from tests.support.helm import Helm, Manifest, granted, only

PLAIN = Path(__file__).parents[2] / "config" / "rbac.yaml"
BUTTONS = {
    "slack": {"channel": "#deploys", "existingSecret": "slack", "signingSecretKey": "signing"},
    "settings": {"slack": {"approvers": {"groups": ["S1"]}}},
}
NODES = {("", "nodes", "list"), ("", "nodes", "watch")}


def asked_for(
    needed: tuple[tuple[Resource, str, tuple[str, ...]], ...] = NEEDED,
) -> set[tuple[str, str, str]]:
    """What the daemon makes sure of before it starts."""
    return {
        (resource.group, f"{resource.plural}/{part}" if part else resource.plural, verb)
        for resource, part, verbs in needed
        for verb in verbs
    }


def test_the_cluster_role_is_that_of_the_plain_manifest(helm: Helm) -> None:
    """With and without Helm the account may do the same: what the daemon asks for, and read nodes."""
    plain = next(m for m in yaml.safe_load_all(PLAIN.read_text()) if m["kind"] == "ClusterRole")
    role = granted(only(helm.template(), "ClusterRole"))
    assert role == granted(plain)
    assert role == asked_for() | NODES


def test_with_buttons_in_slack_commands_may_be_made(helm: Helm) -> None:
    """The same with and without Helm, and nothing more."""
    manifests = helm.template(BUTTONS)
    plain = next(yaml.safe_load_all(PLAIN.with_name("rbac-slack.yaml").read_text()))
    assert granted(plain) == asked_for(ASKING)
    assert granted(only(manifests, "ClusterRole")) == asked_for() | granted(plain) | NODES


ACCOUNT = "system:serviceaccount:rollback-sentinel:rollback-sentinel"


def let_in(policy: Manifest, user: str, requested_by: str) -> bool:
    """Whether the policy lets a user make a command that is said to be asked for by someone."""
    environment = cel.NewEnv(
        variables=dict.fromkeys(("object", "oldObject", "request"), cel.Type.DYN),
    )
    seen = {
        "object": {"spec": {"requestedBy": requested_by}},
        "oldObject": None,
        "request": {"operation": "CREATE", "userInfo": {"username": user}},
    }

    def holds(expression: str) -> bool:
        return bool(environment.compile(expression).eval(data=seen).value())

    looked_at = all(holds(each["expression"]) for each in policy["spec"].get("matchConditions", ()))
    return not looked_at or all(holds(each["expression"]) for each in policy["spec"]["validations"])


@pytest.mark.parametrize(
    ("values", "user", "requested_by", "lets"),
    [
        (BUTTONS, ACCOUNT, "slack:U1/alice", True),
        (BUTTONS, ACCOUNT, "bob", False),
        (BUTTONS, "bob", "slack:U1/alice", False),
        (BUTTONS, "bob", "bob", True),
        ({}, ACCOUNT, "slack:U1/alice", False),
        ({}, "bob", "bob", True),
    ],
)
def test_the_sentinel_alone_may_ask_in_the_name_of_slack_users(
    helm: Helm, values: Mapping[str, Any], user: str, requested_by: str, lets: bool
) -> None:
    """With buttons its account passes for `slack:` names and no others; everyone else asks in their own name."""
    policy = only(helm.template(values), "ValidatingAdmissionPolicy")
    assert let_in(policy, user, requested_by) is lets


def test_named_namespaces_get_a_role_each_and_the_cluster_nothing(helm: Helm) -> None:
    """A Role and its binding to the account of the release; the settings name the same namespaces."""
    manifests = helm.template({"watchNamespaces": ["shop", "bank"], "rbac": {"nodes": False}})
    assert not any(m["kind"].startswith("ClusterRole") for m in manifests)
    for namespace in ("shop", "bank"):
        inside = [m for m in manifests if m["metadata"].get("namespace") == namespace]
        assert granted(only(inside, "Role")) == asked_for()
        binding = only(inside, "RoleBinding")
        account = only(manifests, "ServiceAccount")["metadata"]
        assert binding["subjects"] == [
            {"kind": "ServiceAccount", "name": account["name"], "namespace": account["namespace"]}
        ]
    settings = yaml.safe_load(only(manifests, "ConfigMap", "-settings")["data"]["sentinel.yaml"])
    assert settings["kubernetes"]["namespaces"] == ["shop", "bank"]


def test_beside_named_namespaces_only_nodes_are_read_cluster_wide(helm: Helm) -> None:
    """Nothing else of the cluster is in reach."""
    assert granted(only(helm.template({"watchNamespaces": ["shop"]}), "ClusterRole")) == NODES


def test_the_lease_is_in_the_namespace_of_the_release_alone(helm: Helm) -> None:
    """A Role there, for the Lease that the settings name; with and without Helm the same. None without an election."""
    manifests = helm.template()
    role = only(manifests, "Role", "-leadership")
    plain = next(m for m in yaml.safe_load_all(PLAIN.read_text()) if m["kind"] == "Role")
    assert granted(role) == granted(plain) == asked_for(ELECTING)
    settings = yaml.safe_load(only(manifests, "ConfigMap", "-settings")["data"]["sentinel.yaml"])
    assert settings["leadership"]["namespace"] == role["metadata"]["namespace"] == "rollback-sentinel"
    alone = {
        "replicas": 1,
        "strategy": {"type": "Recreate", "rollingUpdate": None},
        "settings": {"leadership": {"enabled": False}},
    }
    assert not any(m["kind"] == "Role" for m in helm.template(alone))

"""The rights that the chart grants: those that the daemon asks for, wherever they are written down."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from cel_expr_python import cel

from sentinel.adapters.kubernetes.api.resources import GIT_REPOSITORIES, ApiResource, Verbs
from sentinel.adapters.kubernetes.coordination.jobs import job_of
from sentinel.adapters.kubernetes.gitops.registry import ARGO_CD_VERBS, FLUX_VERBS, RECONCILE_VERBS
from sentinel.adapters.kubernetes.inspect.preflight import (
    ASKING,
    ELECTING,
    READING_CONFIG,
    READING_SECRETS,
    RESTORING_CONFIG,
    RUNNING_JOBS,
    SHARDING,
    WATCHING_CLUSTER_POLICIES,
    WATCHING_POLICIES,
    needed,
)
from sentinel.adapters.kubernetes.traffic.registry import route_verbs
from sentinel.adapters.kubernetes.workloads.registry import DRIVERS, PAIRS
from sentinel.domain.gate import JobGate
from sentinel.domain.workload.kinds import USUAL_KINDS, WorkloadKind
from sentinel.domain.workload.routes import RouteKind
from tests.adapters.kubernetes.worlds import record
from tests.support.helm import Helm, Manifest, granted, only

PLAIN = Path(__file__).parents[2] / "config" / "rbac.yaml"
BUTTONS = {
    "slack": {"channel": "#deploys", "existingSecret": "slack", "signingSecretKey": "signing"},
    "settings": {"slack": {"approvers": {"groups": ["S1"]}}},
}
WRITES = {"ui": {"writes": {"proxies": ["10.0.12.0/24"], "groups": {"oncall": ["*"]}}}}
NODES = {("", "nodes", "list"), ("", "nodes", "watch")}


def asked_for(
    verbs: tuple[tuple[ApiResource, str, tuple[str, ...]], ...] = needed(),
) -> set[tuple[str, str, str]]:
    """What the daemon makes sure of before it starts."""
    return {
        (resource.group, f"{resource.plural}/{part}" if part else resource.plural, verb)
        for resource, part, names in verbs
        for verb in names
    }


CLUSTER_WIDE = NODES | asked_for(WATCHING_CLUSTER_POLICIES)
INSIDE = asked_for((*READING_CONFIG, *WATCHING_POLICIES))
OPTIONAL = CLUSTER_WIDE | INSIDE
"""What ships and is not required."""


def test_the_cluster_role_is_that_of_the_plain_manifest(helm: Helm) -> None:
    """With and without Helm the account may do the same: what the daemon asks for, and read nodes and config."""
    plain = next(m for m in yaml.safe_load_all(PLAIN.read_text()) if m["kind"] == "ClusterRole")
    role = granted(only(helm.template(), "ClusterRole"))
    assert role == granted(plain)
    assert role == asked_for() | OPTIONAL


@pytest.mark.parametrize("values", [BUTTONS, WRITES])
def test_where_people_ask_through_the_daemon_it_may_make_commands(helm: Helm, values: dict[str, Any]) -> None:
    """By buttons in Slack, or on the page; the same with and without Helm, and nothing more."""
    manifests = helm.template(values)
    plain = next(yaml.safe_load_all(PLAIN.with_name("rbac-commands.yaml").read_text()))
    assert granted(plain) == asked_for(ASKING)
    assert granted(only(manifests, "ClusterRole")) == asked_for() | granted(plain) | OPTIONAL


@pytest.mark.parametrize(
    ("kind", "file"),
    [
        (WorkloadKind.STATEFULSET, "rbac-statefulsets.yaml"),
        (WorkloadKind.DAEMONSET, "rbac-daemonsets.yaml"),
        (WorkloadKind.ROLLOUT, "rbac-rollouts.yaml"),
    ],
)
def test_each_further_kind_brings_its_drivers_verbs(helm: Helm, kind: WorkloadKind, file: str) -> None:
    """The same with and without Helm, by `watchKinds`, and nothing more; a kind alone is granted without the others."""
    plain = next(yaml.safe_load_all(PLAIN.with_name(file).read_text()))
    driver = DRIVERS[kind]
    assert granted(plain) == asked_for(driver.verbs)
    values = {"watchKinds": ["Deployment", kind.value]}
    role = granted(only(helm.template(values), "ClusterRole"))
    assert role == asked_for(needed(USUAL_KINDS)) | granted(plain) | OPTIONAL
    alone = granted(only(helm.template({"watchKinds": [kind.value]}), "ClusterRole"))
    assert alone == asked_for(needed((kind,))) | OPTIONAL


def test_blue_green_pairs_bring_their_drivers_verbs(helm: Helm) -> None:
    """The same with and without Helm; Services besides what Deployments need, and nothing more."""
    plain = next(yaml.safe_load_all(PLAIN.with_name("rbac-blue-green.yaml").read_text()))
    assert granted(plain) == asked_for(PAIRS[WorkloadKind.BLUE_GREEN].verbs)
    manifests = helm.template({"watchKinds": ["Deployment", "BlueGreen"]})
    assert granted(only(manifests, "ClusterRole")) == asked_for() | granted(plain) | OPTIONAL


def test_every_kind_together_is_granted_once(helm: Helm) -> None:
    """StatefulSets and DaemonSets share their ControllerRevisions; the settings name the kinds."""
    kinds = (*DRIVERS, *PAIRS)
    manifests = helm.template({"watchKinds": [kind.value for kind in kinds]})
    assert granted(only(manifests, "ClusterRole")) == asked_for(needed(kinds)) | OPTIONAL
    (rules,) = [m["data"]["default.yaml"] for m in manifests if "default.yaml" in m.get("data", {})]
    assert yaml.safe_load(rules)["spec"]["match"]["kinds"] == [kind.value for kind in DRIVERS]
    (settings,) = [m["data"]["sentinel.yaml"] for m in manifests if "sentinel.yaml" in m.get("data", {})]
    assert yaml.safe_load(settings)["kubernetes"]["kinds"] == [kind.value for kind in kinds]


def test_each_kind_of_route_brings_its_routers_verbs(helm: Helm) -> None:
    """The same with and without Helm, by `watchRoutes`, and nothing more; the settings name the kinds."""
    plain = next(yaml.safe_load_all(PLAIN.with_name("rbac-routes.yaml").read_text()))
    assert granted(plain) == asked_for(route_verbs(RouteKind))
    for routes in ([RouteKind.VIRTUAL_SERVICE], list(RouteKind)):
        manifests = helm.template({"watchRoutes": [kind.value for kind in routes]})
        assert granted(only(manifests, "ClusterRole")) == asked_for(needed(USUAL_KINDS, routes)) | OPTIONAL
        (settings,) = [m["data"]["sentinel.yaml"] for m in manifests if "sentinel.yaml" in m.get("data", {})]
        assert yaml.safe_load(settings)["kubernetes"]["routes"] == routes


def jobs(**more: Any) -> dict[str, Any]:
    """Values with which gates may run Jobs."""
    return {"settings": {"gates": {"jobs": {"enabled": True, **more}}}}


def test_with_jobs_of_gates_jobs_may_be_made(helm: Helm) -> None:
    """The same with and without Helm, and nothing more; in named namespaces for guarded workloads there as well."""
    plain = next(yaml.safe_load_all(PLAIN.with_name("rbac-jobs.yaml").read_text()))
    assert granted(plain) == asked_for(RUNNING_JOBS)
    assert granted(only(helm.template(jobs()), "ClusterRole")) == asked_for() | granted(plain) | OPTIONAL
    within = helm.template({**jobs(), "watchNamespaces": ["shop"]})
    (role,) = [m for m in within if m["kind"] == "Role" and m["metadata"]["namespace"] == "shop"]
    assert granted(role) == asked_for() | INSIDE | granted(plain)


def test_jobs_of_gates_may_be_kept_to_namespaces(helm: Helm) -> None:
    """A Role in each, bound to the account; nowhere else may one be made."""
    manifests = helm.template(jobs(namespaces=["shop", "bank"]))
    assert granted(only(manifests, "ClusterRole")) == asked_for() | OPTIONAL
    account = only(manifests, "ServiceAccount")["metadata"]
    for namespace in ("shop", "bank"):
        inside = [m for m in manifests if m["metadata"].get("namespace") == namespace]
        assert granted(only(inside, "Role")) == asked_for(RUNNING_JOBS)
        (subject,) = only(inside, "RoleBinding")["subjects"]
        assert (subject["name"], subject["namespace"]) == (account["name"], account["namespace"])


REVERTING: tuple[Verbs, ...] = ((GIT_REPOSITORIES, "", ("get",)),)
"""Which repository a Kustomization deploys is asked for only where reverts are proposed."""


@pytest.mark.parametrize(
    ("tool", "verbs"),
    [("argocd", ARGO_CD_VERBS), ("flux", (*FLUX_VERBS, *RECONCILE_VERBS, *REVERTING))],
    ids=["argocd", "flux"],
)
def test_with_a_gitops_tool_its_objects_may_be_held(helm: Helm, tool: str, verbs: tuple[Verbs, ...]) -> None:
    """The same with and without Helm, and nothing more; in named namespaces there alone."""
    plain = next(yaml.safe_load_all(PLAIN.with_name(f"rbac-{tool}.yaml").read_text()))
    assert granted(plain) == asked_for(verbs)
    held: dict[str, Any] = {tool: True}
    values = {"settings": {"gitops": held}, "releaseOnUninstall": False}
    assert granted(only(helm.template(values), "ClusterRole")) == asked_for() | granted(plain) | OPTIONAL
    held["namespaces"] = ["tools"]
    manifests = helm.template(values)
    assert granted(only(manifests, "ClusterRole")) == asked_for() | OPTIONAL
    (role,) = [m for m in manifests if m["kind"] == "Role" and m["metadata"]["namespace"] == "tools"]
    assert granted(role) == asked_for(verbs)


def test_flux_may_be_left_to_its_interval_with_fewer_rights(helm: Helm) -> None:
    """Who may patch a Kustomization may have anything deployed."""
    gitops = {"flux": True, "reconcile": False}
    values = {"settings": {"gitops": gitops}, "releaseOnUninstall": False}
    expected = asked_for((*needed(), *FLUX_VERBS, *REVERTING)) | OPTIONAL
    assert granted(only(helm.template(values), "ClusterRole")) == expected


def test_an_uninstallation_releases_what_is_held(helm: Helm) -> None:
    """After the sentinel is gone, by an account with its rights, everywhere or in each watched namespace."""
    values: dict[str, Any] = {"settings": {"gitops": {"argocd": True, "namespaces": ["tools"]}}}
    manifests = helm.template(values)
    hooks = [
        m for m in manifests if (m["metadata"].get("annotations") or {}).get("helm.sh/hook") == "post-delete"
    ]
    assert sorted(m["kind"] for m in hooks) == ["ClusterRole", "ClusterRoleBinding", "Job", "ServiceAccount"]
    assert granted(only(hooks, "ClusterRole")) >= asked_for((*needed(), *ARGO_CD_VERBS))
    (container,) = only(hooks, "Job")["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["release", "--all", "--yes", "--all-namespaces"]
    hooks = [m for m in helm.template({**values, "watchNamespaces": ["a", "b"]}) if m["kind"] == "Job"]
    containers = hooks[0]["spec"]["template"]["spec"]["containers"]
    assert [each["args"][3:] for each in containers] == [["--namespace", "a"], ["--namespace", "b"]]
    assert not [m for m in helm.template() if m["kind"] == "Job"]


ACCOUNT = "system:serviceaccount:rollback-sentinel:rollback-sentinel"


def refusals(policy: Manifest, user: str, made: Mapping[str, Any]) -> list[str]:
    """What the policy has against a user's making an object: the validations that do not hold."""
    spec = policy["spec"]
    names = ("object", "oldObject", "request", "variables")
    environment = cel.NewEnv(variables=dict.fromkeys(names, cel.Type.DYN))
    seen: dict[str, Any] = {
        "object": made,
        "oldObject": None,
        "request": {"operation": "CREATE", "userInfo": {"username": user}},
        "variables": {},
    }

    def value(expression: str) -> Any:
        return environment.compile(expression).eval(data=seen).plain_value()

    if not all(value(each["expression"]) for each in spec.get("matchConditions", ())):
        return []
    for variable in spec.get("variables", ()):
        seen["variables"][variable["name"]] = value(variable["expression"])
    return [
        each.get("message", each["expression"])
        for each in spec["validations"]
        if not value(each["expression"])
    ]


@pytest.mark.parametrize(
    ("values", "user", "requested_by", "lets"),
    [
        (BUTTONS, ACCOUNT, "slack:U1/alice", True),
        (BUTTONS, ACCOUNT, "bob", False),
        (BUTTONS, "bob", "slack:U1/alice", False),
        (BUTTONS, "bob", "bob", True),
        (BUTTONS, ACCOUNT, "web:alice", False),
        (WRITES, ACCOUNT, "web:alice", True),
        (WRITES, ACCOUNT, "slack:U1/alice", False),
        (WRITES, ACCOUNT, "website", False),
        (WRITES, "bob", "web:alice", False),
        ({**BUTTONS, **WRITES}, ACCOUNT, "slack:U1/alice", True),
        ({}, ACCOUNT, "slack:U1/alice", False),
        ({}, "bob", "bob", True),
    ],
)
def test_the_sentinel_alone_may_ask_in_the_names_of_people_elsewhere(
    helm: Helm, values: Mapping[str, Any], user: str, requested_by: str, lets: bool
) -> None:
    """Its account passes for `slack:` or `web:` names where they may ask; everyone else asks in their own name."""
    policy = only(helm.template(values), "ValidatingAdmissionPolicy")
    assert (not refusals(policy, user, {"spec": {"requestedBy": requested_by}})) is lets


GATE = JobGate("smoke", {"spec": {"template": {"spec": {"containers": [{"name": "a", "image": "a:1"}]}}}})


def job(**pod: Any) -> dict[str, Any]:
    """The Job that the daemon makes of a gate's template, with more in its pod's spec."""
    template = {"spec": {"template": {"spec": {"containers": [{"name": "a", "image": "a:1"}], **pod}}}}
    return job_of(replace(GATE, template=template), replace(record(), uid="1"), "smoke-1")


def unowned() -> dict[str, Any]:
    """Anybody's Job."""
    made = job()
    del made["metadata"]["ownerReferences"]
    return made


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (job(), []),
        (job(serviceAccountName="smoke-tests"), []),
        (job(volumes=[{"name": "a", "configMap": {"name": "a"}}], initContainers=[]), []),
        (unowned(), ["a RolloutRecord must own a gate's Job"]),
        (job(serviceAccountName="admin"), ["settings.gates.jobs.service_accounts do not name"]),
        (job(serviceAccountName="xdefault"), ["settings.gates.jobs.service_accounts do not name"]),
        (job(hostNetwork=True), ["a gate's Job must not use the node"]),
        (job(nodeName="node-1"), ["a gate's Job must not use the node"]),
        (
            job(containers=[{"name": "a", "image": "a", "ports": [{"containerPort": 1, "hostPort": 1}]}]),
            ["a gate's Job must not use the node"],
        ),
        (job(volumes=[{"name": "a", "hostPath": {"path": "/"}}]), ["a gate's Job must not use the node"]),
        (
            job(initContainers=[{"name": "b", "image": "b", "securityContext": {"privileged": True}}]),
            ["a gate's Job must not use the node"],
        ),
    ],
)
def test_the_sentinels_account_may_make_jobs_of_gates_alone(
    helm: Helm, made: Mapping[str, Any], said: list[str]
) -> None:
    """Owned by a record, as the accounts that the settings name; others are not looked at."""
    values = jobs(service_accounts=["default", "smoke-*"])
    policy = only(helm.template(values), "ValidatingAdmissionPolicy", "-gate-jobs")
    found = refusals(policy, ACCOUNT, made)
    assert len(found) == len(said)
    assert all(text.startswith(start) for text, start in zip(found, said, strict=True))
    assert refusals(policy, "bob", made) == []


def test_jobs_in_other_namespaces_than_those_named_are_refused(helm: Helm) -> None:
    """Whatever roles the account has got besides."""
    policies = helm.template(jobs(namespaces=["shop", "bank"]))
    policy = only(policies, "ValidatingAdmissionPolicy", "-gate-jobs")
    assert refusals(policy, ACCOUNT, job()) == ["settings.gates.jobs.namespaces do not name this namespace"]
    inside = job()
    inside["metadata"]["namespace"] = "bank"
    assert refusals(policy, ACCOUNT, inside) == []


def test_named_namespaces_get_a_role_each_and_the_cluster_nothing(helm: Helm) -> None:
    """A Role and its binding to the account of the release; the settings name the same namespaces."""
    manifests = helm.template({"watchNamespaces": ["shop", "bank"], "rbac": {"nodes": False}})
    assert not any(m["kind"].startswith("ClusterRole") for m in manifests)
    for namespace in ("shop", "bank"):
        inside = [m for m in manifests if m["metadata"].get("namespace") == namespace]
        assert granted(only(inside, "Role")) == asked_for() | INSIDE
        binding = only(inside, "RoleBinding")
        account = only(manifests, "ServiceAccount")["metadata"]
        assert binding["subjects"] == [
            {"kind": "ServiceAccount", "name": account["name"], "namespace": account["namespace"]}
        ]
    settings = yaml.safe_load(only(manifests, "ConfigMap", "-settings")["data"]["sentinel.yaml"])
    assert settings["kubernetes"]["namespaces"] == ["shop", "bank"]


def test_beside_named_namespaces_only_nodes_and_policies_of_the_cluster_are_read(helm: Helm) -> None:
    """Nothing else of the cluster is in reach."""
    assert granted(only(helm.template({"watchNamespaces": ["shop"]}), "ClusterRole")) == CLUSTER_WIDE


def test_the_lease_is_in_the_namespace_of_the_release_alone(helm: Helm) -> None:
    """A Role there, for the Lease that the settings name; with and without Helm the same. None without an election."""
    manifests = helm.template()
    role = only(manifests, "Role", "-leadership")
    plain = next(m for m in yaml.safe_load_all(PLAIN.read_text()) if m["kind"] == "Role")
    assert granted(role) == granted(plain) == asked_for((*ELECTING, *SHARDING))
    settings = yaml.safe_load(only(manifests, "ConfigMap", "-settings")["data"]["sentinel.yaml"])
    assert settings["leadership"]["namespace"] == role["metadata"]["namespace"] == "rollback-sentinel"
    alone = {
        "replicas": 1,
        "strategy": {"type": "Recreate", "rollingUpdate": None},
        "settings": {"leadership": {"enabled": False}},
    }
    assert not any(m["kind"] == "Role" for m in helm.template(alone))


@pytest.mark.parametrize(
    ("value", "file", "verbs"),
    [
        ("secrets", "rbac-secrets.yaml", READING_SECRETS),
        ("restore", "rbac-config-restore.yaml", RESTORING_CONFIG),
    ],
)
def test_further_rights_to_config_are_asked_for(
    helm: Helm, value: str, file: str, verbs: tuple[tuple[ApiResource, str, tuple[str, ...]], ...]
) -> None:
    """Secrets are not read and ConfigMaps not changed unless the values say so; the same without Helm."""
    plain = next(yaml.safe_load_all(PLAIN.with_name(file).read_text()))
    assert granted(plain) == asked_for(verbs)
    role = granted(only(helm.template({"config": {value: True}}), "ClusterRole"))
    assert role == asked_for() | granted(plain) | OPTIONAL


def test_policies_need_not_be_objects(helm: Helm) -> None:
    """Switched off, the account has no right to them."""
    without = {"settings": {"policies": {"objects": {"enabled": False}}}}
    role = granted(only(helm.template(without), "ClusterRole"))
    assert role == asked_for() | NODES | asked_for(READING_CONFIG)


def test_config_need_not_be_read(helm: Helm) -> None:
    """The daemon does without."""
    role = granted(only(helm.template({"config": {"configMaps": False}}), "ClusterRole"))
    assert role == OPTIONAL - asked_for(READING_CONFIG) | asked_for()

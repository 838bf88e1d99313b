"""Who may talk to whom under the chart's NetworkPolicies, read as Kubernetes reads them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from tests.chart.test_manifests import MATRIX
from tests.support.helm import NAMESPACE, Helm, Manifest, only

MONITORING = {"kubernetes.io/metadata.name": "monitoring"}
OWN = {"kubernetes.io/metadata.name": NAMESPACE}
DENY_ALL: Manifest = {
    "kind": "NetworkPolicy",
    "metadata": {"name": "deny-all", "namespace": NAMESPACE},
    "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
}
"""What many clusters have in each namespace."""


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod and the labels of its namespace."""

    labels: Mapping[str, str]
    namespace: Mapping[str, str]


def matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a label selector of `matchLabels` alone selects these labels; an empty one selects all."""
    assert set(selector) <= {"matchLabels"}
    return bool(selector.get("matchLabels", {}).items() <= labels.items())


def allows(peers: Sequence[Mapping[str, Any]], other: Pod, home: Mapping[str, str]) -> bool:
    """Whether one of a rule's peers is the other pod; without a namespaceSelector it means the policy's own."""
    return not peers or any(
        matches(peer.get("podSelector", {}), other.labels)
        and (
            matches(peer["namespaceSelector"], other.namespace)
            if "namespaceSelector" in peer
            else other.namespace == home
        )
        for peer in peers
    )


def passes(policies: Sequence[Manifest], pod: Pod, other: Pod, port: int | str, direction: str) -> bool:
    """Whether the policies that select a pod let the other one in ("Ingress") or let it out there ("Egress")."""
    side, peers = direction.lower(), "from" if direction == "Ingress" else "to"
    mine = [
        policy["spec"]
        for policy in policies
        if pod.namespace == OWN
        and matches(policy["spec"]["podSelector"], pod.labels)
        and direction in policy["spec"]["policyTypes"]
    ]
    return not mine or any(
        allows(rule.get(peers, ()), other, OWN)
        and ("ports" not in rule or port in [each["port"] for each in rule["ports"]])
        for spec in mine
        for rule in spec.get(side, ())
    )


def reaches(policies: Sequence[Manifest], pod: Pod, other: Pod, port: int | str) -> bool:
    """Whether a connection from one pod to a port of the other is let through at both ends."""
    return passes(policies, pod, other, port, "Egress") and passes(policies, other, pod, port, "Ingress")


def policies_of(manifests: Sequence[Manifest]) -> list[Manifest]:
    """The NetworkPolicies among them."""
    return [manifest for manifest in manifests if manifest["kind"] == "NetworkPolicy"]


def sentinel_of(manifests: Sequence[Manifest]) -> Pod:
    """A pod of the sentinel."""
    return Pod(only(manifests, "Deployment")["spec"]["template"]["metadata"]["labels"], OWN)


TESTED = [name for name, (values, _) in MATRIX.items() if values.get("tests", {}).get("enabled", True)]


@pytest.mark.parametrize("others", [[], [DENY_ALL]], ids=["alone", "beside a deny-all"])
@pytest.mark.parametrize("name", TESTED)
def test_the_pod_of_helm_test_reaches_the_sentinel(helm: Helm, name: str, others: list[Manifest]) -> None:
    """Under every set of values, production's too, and by its name (DNS)."""
    values, files = MATRIX[name]
    manifests = helm.template(values, *files)
    policies = [*policies_of(manifests), *others]
    tester = Pod(only(manifests, "Pod")["metadata"]["labels"], OWN)
    assert reaches(policies, tester, sentinel_of(manifests), "http")
    assert reaches(policies, tester, Pod({"k8s-app": "kube-dns"}, {}), 53)


def test_production_lets_in_monitoring_and_the_pod_of_helm_test_alone(helm: Helm) -> None:
    """Neither other pods of the namespace nor those of others post alerts there."""
    manifests = helm.template(None, "values-production.yaml")
    policies, sentinel = policies_of(manifests), sentinel_of(manifests)
    assert reaches(policies, Pod({"app": "alertmanager"}, MONITORING), sentinel, "http")
    assert not reaches(policies, Pod({"app": "else"}, OWN), sentinel, "http")
    assert not reaches(
        policies, Pod({"app": "else"}, {"kubernetes.io/metadata.name": "shop"}), sentinel, "http"
    )
    tester = only(manifests, "Pod")["metadata"]["labels"]
    assert not reaches(policies, Pod(tester, {"kubernetes.io/metadata.name": "shop"}), sentinel, "http")


def test_a_git_server_on_a_port_of_its_own_is_reached(helm: Helm) -> None:
    """The port of its API's URL is opened."""
    host = {
        "api": "gitlab",
        "url": "https://git.internal:8443/api/v4",
        "token_file": "/t",
        "repositories": ["a/*"],
    }
    manifests = helm.template({"settings": {"gitops": {"revert": {"hosts": {"git.internal": host}}}}})
    outside = Pod({}, {"kubernetes.io/metadata.name": "git"})
    assert passes(policies_of(manifests), sentinel_of(manifests), outside, 8443, "Egress")


def test_only_an_exposed_page_is_reached_and_by_those_alone_who_are_named(helm: Helm) -> None:
    """As the chart is, the page has no way in but a forwarded port."""
    other = Pod({"app": "else"}, OWN)
    closed = helm.template()
    assert not reaches(policies_of(closed), other, sentinel_of(closed), "ui")

    let_in = [{"podSelector": {"matchLabels": {"app": "ingress"}}}]
    opened = helm.template({"ui": {"exposed": True, "existingSecret": "page", "ingressFrom": let_in}})
    policies, sentinel = policies_of(opened), sentinel_of(opened)
    assert reaches(policies, Pod({"app": "ingress"}, OWN), sentinel, "ui")
    assert not reaches(policies, other, sentinel, "ui")


def test_without_tests_nothing_is_let_in_for_them(helm: Helm) -> None:
    """`tests.enabled: false` leaves no door open."""
    manifests = helm.template({"tests": {"enabled": False}}, "values-production.yaml")
    (policy,) = policies_of(manifests)
    assert policy["spec"]["ingress"][0]["from"] == [{"namespaceSelector": {"matchLabels": MONITORING}}]

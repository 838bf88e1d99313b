"""Which workloads an alert's labels name, and what a pod's name says."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.domain.policy.selection import AlertRule
from sentinel.domain.workload.facts import WorkloadKey
from sentinel.domain.workload.kinds import WorkloadKind
from sentinel.engine.alerts.naming import (
    Directory,
    hash_in,
    namespace_meant,
    namespaces_said,
    why_unknown,
    workloads_named,
)

DEPLOYMENT, STATEFULSET = WorkloadKind.DEPLOYMENT, WorkloadKind.STATEFULSET
WEB = WorkloadKey(DEPLOYMENT, "shop", "web")
DB = WorkloadKey(STATEFULSET, "shop", "db")
LETTERS = "bcdfghjklmnpqrstvwxz2456789"


def deployment(name: str, namespace: str = "shop") -> WorkloadKey:
    return WorkloadKey(DEPLOYMENT, namespace, name)


def named(labels: dict[str, str], label: str | None = None, *known: WorkloadKey) -> tuple[str, ...]:
    """The workloads named, as text; pod `known` is web's, service `front` stands for web and db."""
    directory = Directory(
        frozenset({WEB, DB, *known}),
        lambda _namespace, name: WEB if name == "known" else None,
        lambda _namespace, name: [WEB, DB] if name == "front" else [],
    )
    rule = AlertRule((), workload_label=label)
    return tuple(str(key) for key in workloads_named({"namespace": "shop"} | labels, rule, directory))


def test_a_reading_that_names_nobody_known_gives_way_to_one_that_does() -> None:
    """What an exporter says of itself counts where what it says of another is unknown here."""
    assert named({"exported_deployment": "api", "deployment": "web"}) == ("deployment/shop/web",)
    assert named({"exported_deployment": "api", "deployment": "cron"}) == ("deployment/shop/api",)


def test_one_known_workload_is_enough_for_a_namespace_to_be_meant() -> None:
    """Of two namespaces said, the one that holds a known workload, whatever else is known elsewhere."""
    everyone = frozenset({WEB, deployment("job", "batch")})
    directory = Directory(everyone, lambda _namespace, _name: None, lambda _namespace, _name: [])
    labels = {"exported_namespace": "nowhere", "namespace": "shop"}
    assert namespace_meant(labels, directory) == "shop"


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({}, ()),
        ({"namespace": "", "deployment": "api"}, ()),
        ({"namespace": "", "deployment": "web"}, ("deployment/shop/web",)),
        ({"deployment": "api"}, ("deployment/shop/api",)),
        ({"statefulset": "db"}, ("statefulset/shop/db",)),
        ({"daemonset": "log"}, ("daemonset/shop/log",)),
        ({"rollout": "api"}, ("rollout/shop/api",)),
        ({"replicaset": "api-7c9f5d8b64"}, ("deployment/shop/api", "rollout/shop/api")),
        ({"deployment": "api", "statefulset": "db"}, ("deployment/shop/api", "statefulset/shop/db")),
        ({"workload": "api", "workload_type": "deployment"}, ("deployment/shop/api",)),
        ({"workload": "api"}, tuple(f"{kind.lower()}/shop/api" for kind in WorkloadKind)),
        ({"deployment": "api", "pod": "known"}, ("deployment/shop/api",)),
        ({"pod": "known", "service": "front"}, ("deployment/shop/web",)),
        ({"pod": "api-7c9f5d8b64-x2k9z"}, ("deployment/shop/api", "rollout/shop/api")),
        ({"pod": "web-7c9f5d8b64-x2k9z"}, ("deployment/shop/web",)),
        ({"pod": "db-0"}, ("statefulset/shop/db",)),
        ({"pod": "log-x2k9z"}, ("daemonset/shop/log",)),
        ({"pod": "odd", "service": "front"}, ("deployment/shop/web", "statefulset/shop/db")),
        ({"service": "front"}, ("deployment/shop/web", "statefulset/shop/db")),
        ({"service": "nobody"}, ()),
    ],
    ids=str,
)
def test_labels_name_workloads(labels: dict[str, str], expected: tuple[str, ...]) -> None:
    """By kind, by `workload`, by pod (also one that is gone) and by service, the most telling alone."""
    assert named(labels) == expected


@pytest.mark.parametrize(
    "labels",
    [
        {"namespace": "monitoring", "exported_namespace": "shop", "exported_pod": "known", "pod": "ksm-0"},
        {
            "namespace": "monitoring",
            "exported_namespace": "shop",
            "exported_service": "web-7",
            "pod": "known",
        },
        {"namespace": "monitoring", "exported_namespace": "shop", "deployment": "web", "pod": "ksm-0"},
        {"namespace": "shop", "deployment": "ksm", "exported_deployment": "web"},
        {"namespace": "shop", "exported_namespace": "a-tenant", "exported_service": "orders", "pod": "known"},
        {"namespace": "", "k8s_namespace_name": "shop", "k8s_deployment_name": "web"},
        {"namespace": "shop", "k8s_namespace_name": "other", "pod_name": "known"},
    ],
    ids=str,
)
def test_what_the_scrape_pushed_aside_counts_where_it_names_something_known(labels: dict[str, str]) -> None:
    """`exported_*` before the plain labels, those before other spellings; a tenant is no namespace."""
    assert named(labels) == ("deployment/shop/web",)


def test_the_rules_label_names_workloads_of_any_kind() -> None:
    """`workloadLabel` beside the usual ones; one of the usual ones given there changes nothing."""
    assert "deployment/shop/api" in named({"app": "api"}, "app")
    assert named({"deployment": "api"}, "deployment") == ("deployment/shop/api",)
    assert named({"app": "api"}) == ()


def test_several_workloads_whose_pods_have_the_same_cut_name_are_all_named() -> None:
    """Kubernetes keeps 58 characters of what it makes a pod's name from."""
    one, two = (deployment("a" * 58 + end) for end in ("-blue", "-green"))
    assert named({"pod": "a" * 58 + "zzzzz"}, None, one, two) == (str(one), str(two))


@given(
    st.text("abcdefghz-", min_size=1, max_size=70).map(lambda text: f"w{text}w"),
    st.text(LETTERS, min_size=6, max_size=10),
    st.randoms(),
)
def test_a_pods_name_is_known_for_its_workloads(name: str, revision: str, chance: random.Random) -> None:
    """However long the workload's name is: as Kubernetes makes it, cut at 58 characters, with five letters after it."""
    pod = f"{name}-{revision}-"[:58] + "".join(chance.choices(LETTERS, k=5))
    key = deployment(name)
    seen = hash_in(pod, key)
    assert seen is not None
    assert seen.may_be(revision)
    assert seen.whole is (len(name) + len(revision) <= 56)
    assert str(key) in named({"pod": pod}, None, key)


@pytest.mark.parametrize(
    ("pod", "name"),
    [
        ("web-7c9f5d8b64-x2k9z", "we"),
        ("web-7c9f5d8b64-x2k9z", "web-7c9f5d8b64"),
        ("web-x2k9z", "web"),
        ("web-0", "web"),
    ],
)
def test_a_name_that_kubernetes_did_not_cut_belongs_to_one_workload(pod: str, name: str) -> None:
    """A prefix alone names nobody."""
    assert hash_in(pod, deployment(name)) is None


def test_the_namespace_that_is_known_is_meant() -> None:
    """Of several that are said the first that holds a workload, else the most telling one."""
    directory = Directory(frozenset({WEB}), lambda *_: None, lambda *_: ())
    labels = {"namespace": "shop", "exported_namespace": "a-tenant"}
    assert namespaces_said(labels) == ("a-tenant", "shop")
    assert namespace_meant(labels, directory) == "shop"
    assert namespace_meant({"namespace": "bank", "exported_namespace": "x"}, directory) == "x"
    assert namespace_meant({"pod": "x"}, directory) is None


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ({}, "neither a namespace nor a workload; add the label namespace and one of these: deployment, "),
        (
            {"namespace": "shop"},
            "names namespace shop but no workload; add one of these labels: deployment, ",
        ),
        ({"deployment": "api"}, "names deployment api but no namespace; add the label namespace"),
        (
            {"namespace": "shop", "pod": "odd"},
            "names pod odd in namespace shop, which matches no workload",
        ),
        (
            {"namespace": "shop", "deployment": "api"},
            "names deployment/shop/api, which the sentinel does not watch",
        ),
    ],
    ids=str,
)
def test_it_is_said_which_labels_would_have_named_something(labels: dict[str, str], said: str) -> None:
    """By what is there and what is missing."""
    rule = AlertRule((), workload_label="app")
    directory = Directory(frozenset({WEB}), lambda *_: None, lambda *_: ())
    why = why_unknown(labels, rule, workloads_named(labels, rule, directory))
    assert said in why
    assert ("app" in why) is ("deployment, " in said)

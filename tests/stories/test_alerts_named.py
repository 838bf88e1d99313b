"""Stories of alerts that name workloads in other words, that name nothing, or that are odd."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sentinel.domain.record.entries import Action
from sentinel.domain.record.state import Phase
from sentinel.policies.importing.importer import Choices, import_files
from tests.stories.conftest import at_rest
from tests.support.slack import CHANNEL, TOKEN, FakeSlack, fake_slack, shown
from tests.support.world import NAMESPACE, ROLLING, World, decision, world

LONG = "market-till-settlement-reconciliation-worker-south-2-blue"
"""So long that Kubernetes cuts the hash off its pods' names."""
LONGISH = "market-till-settlement-reconciliation-worker-south"
"""So long that Kubernetes leaves eight letters of the hash."""


async def baking(here: World, name: str = "web") -> dict[str, str]:
    """A release whose canary runs; the name of one pod of each image."""
    here.cluster.set_image(name, "web:2", namespace=NAMESPACE)
    await here.phase(Phase.BAKING, name, image="web:2")
    pods = here.cluster.pods(name, namespace=NAMESPACE)
    return {pod["spec"]["containers"][0]["image"]: pod["metadata"]["name"] for pod in pods}


def nameless(here: World, **labels: str) -> dict[str, Any]:
    """An alert without a namespace."""
    alert = here.alert(**labels)
    del alert["labels"]["namespace"]
    return alert


@pytest.mark.parametrize(
    "odd",
    [
        None,
        7,
        {"labels": {"alertname": "Odd", "line": "x" * 4200}},
        {"labels": {}},
        {"labels": {"alertname": "Odd", "code": 500}},
        {"labels": {"alertname": "Odd", "code": None}},
        {"startsAt": None},
        {"startsAt": "soon"},
        {"status": "pending"},
        {"fingerprint": 7},
    ],
    ids=str,
)
async def test_an_odd_alert_loses_no_other_of_its_post(shop: World, odd: Any) -> None:
    """The page on the canary's pod undoes, whatever stands beside it; the answer says what was dropped, and why."""
    pods = await baking(shop)
    neighbour = shop.alert(alertname="Odd", severity="info") | odd if isinstance(odd, dict) else odd
    answer = await shop.post_alerts(neighbour, shop.alert(pod=pods["web:2"]))
    assert [one["outcome"] for one in answer["alerts"]] == ["dropped", "recorded"]
    assert answer["alerts"][0]["detail"].startswith("$.alerts[0]")
    await shop.phase(Phase.UNDONE, image="web:2", within=30)


@pytest.mark.parametrize(
    "labels",
    [
        {"namespace": "monitoring", "exported_namespace": NAMESPACE, "exported_pod": "POD", "pod": "ksm-0"},
        {"namespace": "monitoring", "exported_namespace": NAMESPACE, "pod": "POD"},
        {
            "namespace": "monitoring",
            "exported_namespace": NAMESPACE,
            "exported_deployment": "web",
            "pod": "ksm-0",
        },
        {"namespace": "monitoring", "exported_namespace": NAMESPACE, "deployment": "web", "service": "ksm"},
        {"exported_namespace": "a-tenant", "exported_pod": "7", "pod": "POD"},
        {"k8s_namespace_name": NAMESPACE, "k8s_pod_name": "POD", "namespace": ""},
        {"kubernetes_namespace": NAMESPACE, "kubernetes_pod_name": "POD", "namespace": ""},
    ],
    ids=str,
)
async def test_labels_name_what_they_say(shop: World, labels: dict[str, str]) -> None:
    """What an exporter's metric says of a workload counts, and not where the exporter runs."""
    pods = await baking(shop)
    told = {name: pods["web:2"] if value == "POD" else value for name, value in labels.items()}
    answer = await shop.post_alerts(shop.alert(**told))
    assert answer["recorded"] == 1
    record = await shop.phase(Phase.UNDONE, image="web:2", within=30)
    assert decision(record, Action.UNDO).reason == "Alert"


async def test_an_exporters_alert_on_a_baseline_pod_undoes_nothing(shop: World) -> None:
    """By `exported_pod` it is the stable's, although the exporter's own pod is nobody's."""
    pods = await baking(shop)
    labels = {"namespace": "monitoring", "exported_namespace": NAMESPACE, "pod": "ksm-0"}
    await shop.post_alerts(shop.alert(**labels, exported_pod=pods["web:1"]))
    await shop.phase(Phase.PROMOTED, image="web:2")


async def test_an_alert_on_the_stables_replica_set_undoes_nothing(shop: World) -> None:
    """A ReplicaSet is a revision: what is said of the stable's is not the candidate's."""
    pods = await baking(shop)
    old, new = (pods[image].rpartition("-")[0] for image in ("web:1", "web:2"))
    await shop.post_alerts(shop.alert(replicaset=old))
    await shop.phase(Phase.PROMOTED, image="web:2")
    await shop.post_alerts(shop.alert(replicaset=new))
    await shop.phase(Phase.UNDONE, image="web:2", within=60)


@pytest.mark.parametrize(("name", "reason"), [(LONG, "UnknownPod"), (LONGISH, "Alert")])
async def test_a_pod_that_is_gone_of_a_long_name_is_not_lost(tmp_path: Path, name: str, reason: str) -> None:
    """As much of the hash as Kubernetes left tells the revision; where it left none, the rollout is held."""
    async with world(tmp_path) as here:
        here.cluster.deploy(name, "web:1", 10, namespace=NAMESPACE, **ROLLING)
        here.cluster.offer(name, 100, namespace=NAMESPACE)
        await here.settle(name)
        await here.start()
        await here.phase(Phase.UNJUDGED, name)
        pods = await baking(here, name)
        answer = await here.post_alerts(here.alert(pod=pods["web:2"][:-5] + "zzzzz"))
        assert answer["recorded"] == 1
        phase = Phase.HELD if reason == "UnknownPod" else Phase.UNDONE
        record = await here.phase(phase, name, image="web:2", within=30)
        assert reason in {entry.reason for entry in record.decisions}


async def test_an_alert_without_any_namespace_concerns_no_rollout(shop: World) -> None:
    """It may be about anything: the canary goes on, and the answer says which labels would name a workload."""
    await baking(shop)
    answer = await shop.post_alerts(nameless(shop))
    assert answer["alerts"][0]["outcome"] == "unknown"
    assert "neither a namespace nor a workload" in answer["alerts"][0]["detail"]
    await shop.phase(Phase.PROMOTED, image="web:2")


async def test_an_alert_names_a_workload_without_its_namespace_where_only_one_is_called_so(
    shop: World,
) -> None:
    """`sum by (deployment)` loses the namespace, and there is one Deployment of this name."""
    await baking(shop)
    await shop.post_alerts(nameless(shop, deployment="web"))
    await shop.phase(Phase.UNDONE, image="web:2", within=30)


async def test_a_workload_without_its_namespace_holds_where_several_are_called_so(shop: World) -> None:
    """It may be the other one's."""
    shop.cluster.deploy("web", "web:1", 1, namespace="elsewhere")
    await baking(shop)
    await shop.post_alerts(nameless(shop, deployment="web"))
    record = await shop.phase(Phase.HELD, image="web:2", within=30)
    assert decision(record, Action.HOLD).reason == "NotOneWorkload"


async def test_an_alert_of_another_cluster_does_nothing_here(tmp_path: Path) -> None:
    """The same names exist in each cluster; only alerts that say this one's name, or none, count."""
    async with world(tmp_path, SENTINEL_CLUSTER__LABEL="region", SENTINEL_CLUSTER__NAME="north-1") as here:
        await at_rest(here)
        await baking(here)
        others = [
            here.alert(region="south-2", deployment="web"),
            here.alert(region="south-2", status="resolved"),
        ]
        ours = here.alert(region="north-1", deployment="web")
        answer = await here.post_alerts(*others, ours, here.alert(deployment="web"))
        outcomes = [one["outcome"] for one in answer["alerts"]]
        assert outcomes == ["other-cluster", "other-cluster", "recorded", "recorded"]
        record = await here.phase(Phase.UNDONE, image="web:2", within=30)
        assert {alert.labels.get("region") for alert in record.alerts} == {"north-1", None}


PROMETHEUS_RULE = """
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata: {name: market-alerts, namespace: observability}
spec:
  groups:
    - name: market
      rules:
        - alert: TillFails
          expr: sum by (namespace, pod) (rate(hits_total{status="5xx"}[2m])) > 1
          labels: {severity: critical}
        - alert: BackboneBudgetBurns
          expr: sum(rate(backbone_errors_total[5m])) > 10
          labels: {severity: critical}
"""


@pytest.mark.parametrize("namespaces", [(), (NAMESPACE,)], ids=["by label", "by namespace"])
async def test_an_imported_prometheusrule_does_what_its_comments_say(
    tmp_path: Path, namespaces: tuple[str, ...]
) -> None:
    """It guards what its comment says, undoes for the alert that names a pod, and ignores the one without labels."""
    imported = import_files({"rule.yaml": PROMETHEUS_RULE.encode()}, Choices(namespaces=namespaces))
    comment = re.search(r"kubectl label deployment/NAME\W+([^=]+)=([^)]+)\)", imported.text)
    labels = {comment[1]: comment[2]} if comment else {}
    assert bool(labels) is not bool(namespaces)
    async with world(tmp_path, imported.text) as here:
        here.cluster.deploy("web", "web:1", 10, namespace=NAMESPACE, labels=labels, **ROLLING)
        await here.settle()
        await here.start()
        await here.phase(Phase.UNJUDGED)
        pods = await baking(here)
        await here.post_alerts(nameless(here, alertname="BackboneBudgetBurns", severity="critical"))
        await asyncio.sleep(20)
        record = here.record(image="web:2")
        assert record is not None
        assert record.state.phase is Phase.BAKING
        await here.post_alerts(here.alert(alertname="TillFails", severity="critical", pod=pods["web:2"]))
        await here.phase(Phase.UNDONE, image="web:2", within=60)


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    """A Slack."""
    async with fake_slack() as running:
        yield running


async def test_what_names_nothing_known_is_told_once(tmp_path: Path, slack: FakeSlack) -> None:
    """Slack hears of each such alert by name, with the labels that would have named something, and not again."""
    settings = {
        "SENTINEL_SLACK__TOKEN": TOKEN,
        "SENTINEL_SLACK__CHANNEL": CHANNEL,
        "SENTINEL_SLACK__BASE_URL": slack.url,
    }
    async with world(tmp_path, **settings) as here:
        await at_rest(here)
        unknown = [here.alert(alertname="Lost", deployment="gone"), nameless(here, alertname="Vague")]
        for _ in range(3):
            await here.post_alerts(*unknown)
        await here.until(lambda: bool(slack.roots("name no known workload")), what="they are told")
        await here.post_alerts(here.alert(alertname="Idle", deployment="web"), *unknown)
        await here.phase(Phase.UNJUDGED)
        (told,) = map(shown, slack.roots("name no known workload"))
        assert "Lost (policy shop): it names deployment/shop/gone" in told
        assert "Vague (policy shop): it names neither a namespace nor a workload" in told
        assert "exported" not in told
        assert "Idle" not in told

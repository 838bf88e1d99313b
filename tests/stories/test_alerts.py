"""Stories of alerts that come in through the webhook."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest

from clustersim.cluster import JsonObject
from clustersim.faults import FaultKind, InjectedFault
from sentinel.domain.alert import AlertStatus
from sentinel.domain.record.entries import Action
from sentinel.domain.record.state import Phase
from tests.support.world import NAMESPACE, ROLLING, World, actions, decision


def pod_of(world: World, image: str) -> str:
    """The name of a pod of this image."""
    pods = world.cluster.pods("web", namespace=NAMESPACE)
    return next(_name(pod) for pod in pods if pod["spec"]["containers"][0]["image"] == image)


def _name(pod: JsonObject) -> str:
    name: str = pod["metadata"]["name"]
    return name


def outcomes(answer: JsonObject) -> list[str]:
    """What the answer says of each alert."""
    return [one["outcome"] for one in answer["alerts"]]


async def canary(world: World) -> None:
    """A release whose canary has run for a while."""
    world.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await world.phase(Phase.BAKING, image="web:2")
    await asyncio.sleep(5)


async def test_an_alert_on_a_candidate_pod_undoes(shop: World) -> None:
    """An alert with the pod label of a canary pod is the candidate's."""
    await canary(shop)
    answer = await shop.post_alerts(shop.alert(pod=pod_of(shop, "web:2")))
    assert outcomes(answer) == ["recorded"]
    record = await shop.phase(Phase.UNDONE, image="web:2", within=30)
    assert decision(record, Action.UNDO).rule == "alert HighErrorRate"


async def test_an_undo_does_not_wait_until_everything_is_looked_up(shop: World) -> None:
    """While another workload of the same post is looked up afresh, what is known to be in flight is undone."""
    shop.cluster.deploy("other", "other:1", 2, namespace=NAMESPACE)
    await canary(shop)
    slow = InjectedFault(FaultKind.LATENCY, verbs=frozenset({"get"}), path="deployments/other", seconds=4)
    shop.cluster.faults.add(slow)
    alerts = [shop.alert(deployment=name) for name in ("web", "other")]
    post = asyncio.create_task(shop.post_alerts(*alerts))
    await asyncio.sleep(2)
    record = shop.record(image="web:2")
    assert record is not None
    assert ("undo" in actions(record), post.done()) == (True, False)
    await post


async def test_an_alert_on_a_baseline_pod_never_undoes(shop: World) -> None:
    """An alert with the pod label of a stable pod says nothing against the candidate."""
    await canary(shop)
    await shop.post_alerts(shop.alert(pod=pod_of(shop, "web:1")))
    record = await shop.phase(Phase.PROMOTED, image="web:2")
    assert actions(record) == ["advance", "advance", "promote"]


async def test_an_alert_that_names_the_deployment_undoes_if_it_began_after_the_rollout(shop: World) -> None:
    """Without a pod label, the workload's name and the time tell whose it is."""
    await canary(shop)
    await shop.post_alerts(shop.alert(deployment="web"))
    await shop.phase(Phase.UNDONE, image="web:2", within=30)


async def test_an_alert_that_fired_before_the_rollout_does_nothing(shop: World) -> None:
    """What was wrong before the candidate came is not the candidate's."""
    await canary(shop)
    before = shop.cluster.now() - timedelta(hours=1)
    await shop.post_alerts(shop.alert(deployment="web", starts_at=before))
    record = await shop.phase(Phase.PROMOTED, image="web:2")
    assert "undo" not in actions(record)


async def test_an_alert_that_names_no_workload_holds_and_undoes_nothing(shop: World) -> None:
    """An alert that cannot be attributed keeps the candidate where it is."""
    await canary(shop)
    await shop.post_alerts(shop.alert())
    record = await shop.phase(Phase.HELD, image="web:2", within=30)
    assert "undo" not in actions(record)


async def test_a_resolved_alert_is_withdrawn(shop: World) -> None:
    """What it was held for is resolved: the rollout goes on."""
    await canary(shop)
    await shop.post_alerts(shop.alert())
    await shop.phase(Phase.HELD, image="web:2", within=30)
    await shop.post_alerts(shop.alert(status="resolved"))
    record = await shop.phase(Phase.PROMOTED, image="web:2")
    assert record.alerts[0].status is AlertStatus.RESOLVED


async def test_a_storm_over_three_workloads_holds_them_all(shop: World) -> None:
    """Alerts on three workloads within two minutes are an outage of what they share."""
    for name in ("api", "jobs"):
        shop.cluster.deploy(name, f"{name}:1", 10, namespace=NAMESPACE, **ROLLING)
        shop.cluster.offer(name, 100, namespace=NAMESPACE)
        await shop.settle(name)
        await shop.phase(Phase.PROMOTED, name)
    for name in ("web", "api", "jobs"):
        shop.cluster.set_image(name, f"{name}:2", namespace=NAMESPACE)
    for name in ("web", "api", "jobs"):
        await shop.phase(Phase.BAKING, name, image=f"{name}:2")
    await shop.post_alerts(*(shop.alert(deployment=name) for name in ("web", "api", "jobs")))
    for name in ("web", "api", "jobs"):
        record = await shop.phase(Phase.HELD, name, image=f"{name}:2", within=30)
        assert "undo" not in actions(record)


async def test_an_alert_is_not_answered_200_before_it_is_recorded(shop: World) -> None:
    """While the record cannot be written the answer is 503; the repeat is taken in."""
    await canary(shop)
    alert = shop.alert(pod=pod_of(shop, "web:2"))
    fault = shop.cluster.faults.add(
        InjectedFault(
            FaultKind.ERROR, verbs=frozenset({"update", "patch", "PUT", "PATCH"}), path="rolloutrecords"
        )
    )
    await shop.post_alerts(alert, status=503)
    shop.cluster.faults.remove(fault)
    await shop.post_alerts(alert)
    await shop.phase(Phase.UNDONE, image="web:2", within=30)


async def test_a_repeated_alert_is_no_new_alert(shop: World) -> None:
    """Alertmanager repeats itself; the record keeps one."""
    await canary(shop)
    alert = shop.alert(pod=pod_of(shop, "web:1"))
    await shop.post_alerts(alert)
    await shop.post_alerts(alert)
    record = shop.record(image="web:2")
    assert record is not None
    assert len(record.alerts) == 1


async def test_an_alert_that_concerns_nothing_in_flight_is_answered_200(shop: World) -> None:
    """Alertmanager need not try again what is nobody's business; the answer says of each alert why it is."""
    answer = await shop.post_alerts(
        shop.alert(severity="info", deployment="web"),
        shop.alert(namespace="elsewhere", deployment="web"),
        shop.alert(deployment="web"),
        shop.alert(deployment="other"),
        shop.alert(deployment="other", status="resolved"),
    )
    assert answer["recorded"] == 0
    assert outcomes(answer) == ["unmatched", "unmatched", "idle", "unknown", "idle"]


async def test_an_alert_after_promotion_undoes_in_the_guard_window(shop: World) -> None:
    """A promoted revision is still guarded against alerts."""
    shop.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await shop.phase(Phase.PROMOTED, image="web:2")
    await shop.post_alerts(shop.alert(deployment="web"))
    await shop.phase(Phase.UNDONE, image="web:2", within=60)
    assert shop.image() == "web:1"


async def test_a_storm_over_workloads_at_rest_is_a_storm_too(shop: World) -> None:
    """What strikes the neighbours as well is not held against the one that happens to be released."""
    for name in ("api", "jobs"):
        shop.cluster.deploy(name, f"{name}:1", 3, namespace=NAMESPACE)
        await shop.settle(name)
    await canary(shop)
    await shop.post_alerts(*(shop.alert(deployment=name) for name in ("api", "jobs", "web")))
    record = await shop.phase(Phase.HELD, image="web:2", within=30)
    assert decision(record, Action.HOLD).reason == "AlertStorm"


@pytest.mark.parametrize(
    "forged",
    [datetime.max.replace(tzinfo=UTC), datetime(1, 1, 2, tzinfo=timezone(timedelta(hours=23, minutes=59)))],
    ids=["last", "first"],
)
async def test_an_alert_of_another_age_hides_no_storm(shop: World, forged: datetime) -> None:
    """Whoever posts an alert that began at the end of time, or at its beginning, does not hide a storm by it."""
    neighbours = [{"namespace": "elsewhere", "deployment": name} for name in ("api", "jobs", "mail")]
    for one in neighbours:
        shop.cluster.deploy(one["deployment"], "any:1", 1, namespace=one["namespace"])
    await canary(shop)
    await shop.post_alerts(shop.alert(**neighbours[2], starts_at=forged))
    await shop.post_alerts(*(shop.alert(**one) for one in neighbours[:2]), shop.alert(deployment="web"))
    record = await shop.phase(Phase.HELD, image="web:2", within=30)
    assert decision(record, Action.HOLD).reason == "AlertStorm"


async def test_one_human_is_called_in_a_storm(shop: World) -> None:
    """Each rollout is held, and one of them calls."""
    shop.cluster.deploy("api", "api:1", 3, namespace=NAMESPACE)
    shop.cluster.deploy("jobs", "jobs:1", 3, namespace=NAMESPACE)
    await canary(shop)
    await shop.phase(Phase.BAKING, "api")
    await shop.phase(Phase.BAKING, "jobs")
    await shop.post_alerts(*(shop.alert(deployment=name) for name in ("api", "jobs", "web")))
    held = [await shop.phase(Phase.HELD, name, within=30) for name in ("api", "jobs", "web")]
    called = [decision(record, Action.HOLD).escalated for record in held]
    assert called == [True, False, False]


async def test_an_alert_that_undid_stays_recorded_as_its_cause(shop: World) -> None:
    """While the undo goes on the pods change hands; what the alert came to is not judged anew."""
    shop.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await shop.phase(Phase.BAKING, image="web:2")
    pods = shop.cluster.pods("web", namespace=NAMESPACE)
    (pod,) = (p for p in pods if p["spec"]["containers"][0]["image"] == "web:2")
    await shop.post_alerts(shop.alert(pod=pod["metadata"]["name"]))
    record = await shop.phase(Phase.UNDONE, image="web:2")
    assert decision(record, Action.UNDO).rule == "alert HighErrorRate"
    assert [alert.verdict for alert in record.alerts] == ["undo: Alert"]


async def test_an_alert_that_held_and_was_overruled_calls_nobody_again(shop: World) -> None:
    """A human ended its hold: the promotion is no reason to ask once more."""
    await canary(shop)
    await shop.post_alerts(shop.alert())
    await shop.phase(Phase.HELD, image="web:2", within=30)
    shop.command("resume", reason="it is known")
    record = await shop.phase(Phase.PROMOTED, image="web:2")
    await asyncio.sleep(60)
    record = shop.record(image="web:2") or record
    assert [entry.reason for entry in record.decisions if entry.escalated] == ["NotOneWorkload"]

"""Stories of a daemon that is deaf, that has a wrong clock, or that has only just come up."""

import asyncio
import random
from datetime import datetime, timedelta

from clustersim.faults import FaultKind, InjectedFault
from clustersim.node.behaviour import crash_loop
from sentinel.app.wiring.application import build
from sentinel.domain.record.state import Phase
from sentinel.settings import load_settings
from tests.support.world import NAMESPACE, StoryClock, World, actions


async def with_a_clock_that_is_wrong(here: World, error: timedelta) -> None:
    """Run the daemon on a machine whose time of day is off by so much."""
    await here.stop()

    def now() -> datetime:
        return here.cluster.now() + error

    settings = load_settings(None, here.environ)
    here.application = await build(settings, clock=StoryClock(now), rng=random.Random(1))
    await here.application.start()


async def test_a_clock_that_is_an_hour_ahead_condemns_nobody(plain: World) -> None:
    """Pods are not late and bakes are not over, whatever our machine's clock says: the API server's counts."""
    await with_a_clock_that_is_wrong(plain, timedelta(hours=1))
    began = plain.cluster.now()
    plain.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    record = await plain.phase(Phase.PROMOTED, image="web:2")
    assert actions(record) == ["promote"]
    assert plain.cluster.now() - began >= timedelta(minutes=2)


async def test_a_clock_that_is_an_hour_behind_makes_one_record(plain: World) -> None:
    """The records before it are older all the same, and the rollout is judged as any other."""
    await with_a_clock_that_is_wrong(plain, -timedelta(hours=1))
    plain.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await plain.phase(Phase.PROMOTED, image="web:2")
    assert len(plain.records()) == 2


async def test_a_watch_that_went_deaf_condemns_nobody(plain: World) -> None:
    """Pods that seem unready for too long only because nothing is heard of them are looked up before an undo."""
    await plain.stop()
    pods = plain.cluster.faults.add(InjectedFault(FaultKind.HANG, verbs=frozenset({"watch"}), path="/pods"))
    plain.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await asyncio.sleep(0.5)
    await plain.start()
    await asyncio.sleep(60)
    plain.cluster.faults.remove(pods)
    record = await plain.phase(Phase.PROMOTED, image="web:2")
    assert actions(record) == ["promote"]


async def test_an_alert_that_comes_before_the_watches_have_synced_is_not_lost(shop: World) -> None:
    """A daemon that does not know yet which rollouts there are sends Alertmanager away, and takes the next post."""
    shop.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await shop.phase(Phase.BAKING, image="web:2")
    await shop.stop()
    slow = shop.cluster.faults.add(
        InjectedFault(FaultKind.LATENCY, verbs=frozenset({"list", "watch"}), seconds=5)
    )
    starting = asyncio.create_task(shop.start())
    await shop.until(lambda: shop.application is not None and _listens(shop), within=5)
    alert = shop.alert(deployment="web")
    await shop.post_alerts(alert, status=503)
    await starting
    shop.cluster.faults.remove(slow)
    await shop.post_alerts(alert)
    await shop.phase(Phase.UNDONE, image="web:2", within=120)


async def test_an_alert_on_a_rollout_that_a_deaf_watch_hid_is_not_lost(shop: World) -> None:
    """The workload is looked up before anyone is told that nothing is in flight; the watch begins anew."""
    await shop.stop()
    shop.cluster.faults.add(InjectedFault(FaultKind.HANG, verbs=frozenset({"watch"}), path="/deployments"))
    await shop.start()
    shop.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await asyncio.sleep(5)
    assert shop.record(image="web:2") is None
    alert = shop.alert(deployment="web")
    await shop.post_alerts(alert, status=503)
    await asyncio.sleep(5)
    assert (await shop.post_alerts(alert))["recorded"] == 1
    record = shop.record(image="web:2")
    assert record is not None
    assert [entry.fingerprint for entry in record.alerts] == [alert["fingerprint"]]


async def test_looking_up_costs_two_reads_a_second_at_most(shop: World) -> None:
    """A storm of alerts on a workload at rest does not become a storm of requests."""
    asked = shop.cluster.faults.add(
        InjectedFault(
            FaultKind.LATENCY, verbs=frozenset({"get", "list"}), path="/deployments/|rolloutrecords"
        )
    )
    alert = shop.alert(deployment="web")
    for _ in range(5):
        await asyncio.gather(*(shop.post_alerts(alert) for _ in range(20)))
    assert 0 < asked.struck <= 4


def _listens(here: World) -> bool:
    assert here.application is not None
    try:
        return bool(here.application.http.url)
    except RuntimeError:
        return False


async def test_an_undo_that_was_reversed_while_no_daemon_ran_is_not_made_again(plain: World) -> None:
    """The process dies between the patch and its outcome, and someone puts the template back: held, for a human."""
    plain.cluster.behave("web:2", crash_loop())
    writes = InjectedFault(
        FaultKind.ERROR, verbs=frozenset({"update"}), path="rolloutrecords/.*/status", status=503
    )
    faults = plain.cluster.faults

    def stop_writes() -> None:
        faults.add(writes)

    patched = InjectedFault(
        FaultKind.DROP, verbs=frozenset({"patch"}), path="deployments", count=1, then=stop_writes
    )
    faults.add(patched)
    plain.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await plain.until(lambda: plain.image() == "web:2", within=10)
    await plain.until(lambda: plain.image() == "web:1", within=60)
    await plain.stop()
    await asyncio.sleep(5)
    plain.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await asyncio.sleep(5)
    faults.clear()
    await plain.start()
    record = await plain.phase(Phase.HELD, image="web:2", within=120)
    assert record.state.hold is not None
    assert record.state.hold.reason == "RestoredAfterUndo"
    assert plain.image() == "web:2"
    before = plain.records()[1]
    assert before.state.phase is Phase.UNDONE
    assert before.pending is None

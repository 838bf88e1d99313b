"""Stories with two daemons on one cluster: one acts, and the other carries on where it ends."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from clustersim.faults import FaultKind, InjectedFault
from clustersim.node.behaviour import Behaviour, crash_loop
from clustersim.storage.resources import JOBS, LEASES
from sentinel.app.wiring.application import Application, build
from sentinel.domain.record.state import Phase
from sentinel.settings import load_settings
from tests.stories.test_gate_jobs import ALLOWED as JOBS_ALLOWED
from tests.stories.test_gate_jobs import policy as gated_by_a_job
from tests.support.account import HOME
from tests.support.line import Line, line_to
from tests.support.world import (
    CANARY_POLICY,
    NAMESPACE,
    PLAIN_POLICY,
    ROLLING,
    StoryClock,
    World,
    actions,
    world,
)

LEASE_TIME = 15.0


@dataclass
class Shop:
    """A cluster, and two daemons that each reach it over a line of its own."""

    here: World
    lines: list[Line]
    replicas: list[Application] = field(default_factory=list)
    ended: set[int] = field(default_factory=set)

    async def start(self, index: int) -> None:
        """Start a daemon."""
        kubeconfig = self.here.folder / f"kubeconfig-{index}"
        content = self.here.cluster.kubeconfig()
        content["clusters"][0]["cluster"]["server"] = self.lines[index].url
        kubeconfig.write_bytes(orjson.dumps(content))
        environ = {**self.here.environ, "SENTINEL_KUBERNETES__KUBECONFIG": str(kubeconfig)}
        clock = StoryClock(self.here.cluster.now)
        replica = await build(load_settings(None, environ), clock=clock, rng=random.Random(index))
        await replica.start()
        self.replicas.append(replica)

    def leads(self, index: int) -> bool:
        """Whether a daemon acts now."""
        return self.replicas[index].daemon.leads

    async def end(self, index: int) -> None:
        """SIGTERM."""
        self.ended.add(index)
        await self.replicas[index].stop()

    async def crash(self, index: int) -> None:
        """Its line is gone for good, and all that it does with it: nothing is given up."""
        self.lines[index].cut()
        await self.end(index)

    async def until_leading(self, index: int, within: float) -> float:
        """Wait until a daemon leads; how long it took."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while not self.leads(index):
            assert loop.time() - began <= within, f"replica {index} does not lead after {within} s"
            await asyncio.sleep(0.02)
        return loop.time() - began

    async def post(self, index: int, alert: dict[str, Any]) -> None:
        """Post an alert to one of the daemons; it is taken."""
        payload = {"version": "4", "status": "firing", "receiver": "sentinel", "alerts": [alert]}
        url = f"{self.replicas[index].http.url}/webhooks/alertmanager"
        async with aiohttp.ClientSession() as session, session.post(url, json=payload) as response:
            assert response.status == 200

    async def ready(self, index: int) -> bool:
        """What `/readyz` says."""
        url = f"{self.replicas[index].http.url}/readyz"
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            return response.status == 200

    def undos(self, image: str) -> int:
        """How many Events tell of an undo."""
        return sum(event["reason"] == "SentinelUndo" for event in self.here.events())


@asynccontextmanager
async def shop(folder: Path, policy: str = CANARY_POLICY, **environ: str) -> AsyncIterator[Shop]:
    """Ten pods at rest, the first daemon leads, the second one waits; the world's questions go to the second."""
    async with (
        world(folder, policy, **environ) as here,
        line_to(here.cluster.url) as one,
        line_to(here.cluster.url) as two,
    ):
        here.cluster.deploy("web", "web:1", 10, namespace=NAMESPACE, **ROLLING)
        here.cluster.offer("web", 100, namespace=NAMESPACE)
        await here.settle()
        both = Shop(here, [one, two])
        try:
            await both.start(0)
            await both.until_leading(0, 1)
            await both.start(1)
            here.application = both.replicas[1]
            await here.phase(Phase.UNJUDGED)
            yield both
        finally:
            here.application = None
            for index in {0, 1} - both.ended:
                if index < len(both.replicas):
                    await both.end(index)


async def test_only_the_leader_acts_and_both_are_ready(tmp_path: Path) -> None:
    """A whole canary: each decision is made once, and the follower serves all along."""
    async with shop(tmp_path) as both:
        assert await both.ready(0)
        assert await both.ready(1)
        both.here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        record = await both.here.phase(Phase.PROMOTED, image="web:2")
        assert actions(record) == ["advance", "advance", "promote"]
        assert both.leads(0)
        assert not both.leads(1)


async def test_a_leader_that_is_terminated_is_succeeded_within_a_second(tmp_path: Path) -> None:
    """In the middle of a canary: the successor carries on, and nothing is decided twice."""
    async with shop(tmp_path) as both:
        both.here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        await both.here.phase(Phase.BAKING, image="web:2")
        ending = asyncio.ensure_future(both.end(0))
        await both.until_leading(1, 1.0)
        await ending
        record = await both.here.phase(Phase.PROMOTED, image="web:2")
        assert actions(record) == ["advance", "advance", "promote"]
        assert both.here.pods_of("web:2") == 10


async def test_a_leader_that_crashed_is_succeeded_within_the_lease_time(tmp_path: Path) -> None:
    """Nothing was given up: the successor waits for the lease to run out, and undoes what is bad by then."""
    async with shop(tmp_path, PLAIN_POLICY) as both:
        both.here.cluster.behave("web:2", crash_loop())
        await both.crash(0)
        both.here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        await both.until_leading(1, LEASE_TIME)
        record = await both.here.phase(Phase.UNDONE, image="web:2", within=300)
        assert actions(record) == ["undo", "restored"]


async def test_a_leader_that_is_cut_off_stops_before_the_other_one_begins(tmp_path: Path) -> None:
    """It does not know what goes on, so it does nothing; back on the line it is a follower, and one undo is made."""
    async with shop(tmp_path, PLAIN_POLICY) as both:
        both.here.cluster.behave("web:2", crash_loop())
        both.lines[0].cut()
        both.here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        loop = asyncio.get_running_loop()
        while both.leads(0):
            assert not both.leads(1)
            await asyncio.sleep(0.05)
        stopped = loop.time()
        await both.until_leading(1, LEASE_TIME)
        assert loop.time() - stopped > 1
        both.lines[0].mend()
        record = await both.here.phase(Phase.UNDONE, image="web:2", within=300)
        await asyncio.sleep(120)
        assert not both.leads(0)
        assert actions(record) == ["undo", "restored"]
        assert both.undos("web:2") == 1


async def test_an_alert_posted_to_the_follower_is_acted_upon_by_the_leader(tmp_path: Path) -> None:
    """Either takes it in, durably; the leader sees it on the record and undoes, once."""
    async with shop(tmp_path) as both:
        both.here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        await both.here.phase(Phase.BAKING, image="web:2")
        await both.post(1, both.here.alert(deployment="web"))
        record = await both.here.phase(Phase.UNDONE, image="web:2", within=120)
        assert actions(record) == ["undo", "restored"]
        assert both.leads(0)
        assert both.undos("web:2") == 1


async def test_an_alert_posted_to_a_follower_whose_watch_is_deaf_is_recorded(tmp_path: Path) -> None:
    """It has not seen the leader's record and looks it up before it answers."""
    async with shop(tmp_path) as both:
        await both.end(1)
        both.here.application = both.replicas[0]
        records = frozenset({"watch"})
        both.here.cluster.faults.add(InjectedFault(FaultKind.HANG, verbs=records, path="rolloutrecords"))
        await both.start(1)
        deaf = both.replicas[-1]
        both.here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        await both.here.phase(Phase.BAKING, image="web:2")
        assert all("web:2" not in record.candidate.images for record in deaf.store.all())
        await both.post(-1, both.here.alert(deployment="web"))
        record = await both.here.phase(Phase.UNDONE, image="web:2", within=120)
        assert actions(record) == ["undo", "restored"]
        await deaf.stop()


async def test_a_leader_that_ends_between_intent_and_act_is_completed(tmp_path: Path) -> None:
    """SIGTERM while its patch is on the way: the successor finds the decision open, and the undo is made once."""
    async with shop(tmp_path, PLAIN_POLICY) as both:
        slow = InjectedFault(FaultKind.LATENCY, verbs=frozenset({"patch"}), path="/deployments/", seconds=2.0)
        both.here.cluster.api.faults.add(slow)
        both.here.cluster.behave("web:2", crash_loop())
        both.here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        await both.here.phase(Phase.UNDOING, image="web:2", within=300)
        assert both.here.image() == "web:2"
        ending = asyncio.ensure_future(both.end(0))
        await both.until_leading(1, 1.0)
        await ending
        record = await both.here.phase(Phase.UNDONE, image="web:2", within=300)
        assert actions(record) == ["undo", "restored"]
        assert both.undos("web:2") == 1


async def test_the_lease_tells_who_leads(tmp_path: Path) -> None:
    """As `kubectl get lease` shows it; each change of hands is counted."""
    async with shop(tmp_path) as both:
        lease = both.here.cluster.store.get(LEASES, HOME, "rollback-sentinel")["spec"]
        assert lease["holderIdentity"]
        ending = asyncio.ensure_future(both.end(0))
        await both.until_leading(1, 1.0)
        await ending
        after = both.here.cluster.store.get(LEASES, HOME, "rollback-sentinel")["spec"]
        assert after["holderIdentity"] not in ("", lease["holderIdentity"])
        assert after["leaseTransitions"] == lease["leaseTransitions"] + 1


async def test_a_leader_that_crashes_while_a_gates_job_runs_is_followed_by_one_that_finds_it(
    tmp_path: Path,
) -> None:
    """The Job that runs is the one that counts; no second one is made, and none is taken away."""
    async with shop(tmp_path, gated_by_a_job(), **JOBS_ALLOWED) as both:
        both.here.cluster.behave("smoke:1", Behaviour(ends_after=60.0))
        both.here.cluster.set_image("web", "web:2", namespace=NAMESPACE)

        def runs() -> bool:
            jobs = both.here.cluster.store.list(JOBS, NAMESPACE)
            return any((job.get("status") or {}).get("ready") for job in jobs)

        await both.here.until(runs, within=120)
        await both.crash(0)
        await both.until_leading(1, LEASE_TIME)
        record = await both.here.phase(Phase.PROMOTED, image="web:2")
        assert actions(record) == ["advance", "advance", "promote"]
        assert len(both.here.cluster.store.list(JOBS, NAMESPACE)) == 1

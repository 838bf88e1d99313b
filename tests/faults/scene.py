"""The deeds of a schedule: what people do, what alerts tell, and what goes wrong, each a method of the scene."""

from __future__ import annotations

import asyncio
import contextvars
import random
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import aiohttp

from clustersim.cluster import SimulatedCluster
from clustersim.faults import FaultKind, InjectedFault
from clustersim.metrics.requests import Quality
from clustersim.node.behaviour import crash_loop, image_not_found, never_ready
from clustersim.virtual_time import VirtualTimeLoop
from tests.faults.lives import Pod, current_life
from tests.faults.plan import Service
from tests.faults.strategies import NAMESPACE, JsonObject, Strategy, set_image
from tests.faults.witness import Witness, is_bad, stands_in
from tests.support.direct import Network


@dataclass(slots=True)
class Scene:
    """The deeds of a schedule, each a method."""

    cluster: SimulatedCluster
    witness: Witness
    pods: list[Pod]
    rng: random.Random
    network: Network
    services: dict[str, Service]
    strategy: Strategy
    alerts: int = 0
    awaits: list[tuple[int, ...]] = field(default_factory=list)
    tasks: dict[asyncio.Task[None], None] = field(default_factory=dict)

    # -- people

    def deploy(self, service: Service) -> None:
        """Bring a service up for the first time."""
        with self.witness.people():
            self.strategy.deploy(
                self.cluster,
                service.name,
                f"{service.name}:1-good",
                service.replicas,
                service.policy,
            )

    def release(self, name: str, image: str) -> None:
        """Release an image, which behaves as its name says."""
        kind = image.rpartition("-")[2]
        if kind in ("errors", "slow"):
            quality = Quality(errors=0.5) if kind == "errors" else Quality(latency=4.0)
            self.cluster.serve(image, quality)
        elif is_bad(image):
            life = {"crash": crash_loop(), "pull": image_not_found(), "unready": never_ready()}[kind]
            self.cluster.behave(image, life)
        self._change(name, lambda obj: set_image(obj, image))

    def put_back(self, name: str) -> None:
        """`kubectl rollout undo`, or what people do where that does not do."""
        if self._find(name) is not None:
            with self.witness.people():
                self.strategy.put_back(self.cluster, name)

    def pause(self, name: str, paused: bool) -> None:
        """`kubectl rollout pause` and `resume`, or what people do where there is neither."""
        if self._find(name) is not None:
            with self.witness.people():
                self.strategy.stop(self.cluster, name, paused)

    def scale(self, name: str, replicas: int) -> None:
        """`kubectl scale`, where there is a size to set."""
        if self.strategy.scales and self._find(name) is not None:
            with self.witness.people():
                sized = self.strategy.sized(self.cluster, name)
                self.strategy.change(self.cluster, sized, lambda obj: obj["spec"].update(replicas=replicas))

    def touch(self, name: str) -> None:
        """Somebody writes an annotation that is nobody's business."""
        self._change(name, lambda obj: obj["metadata"].setdefault("annotations", {}).update(touched="yes"))

    def label(self, name: str, held: bool) -> None:
        """Put the label on that keeps the sentinel's hands off, or take it away."""
        key = "rollback-sentinel.dev/hold"

        def change(obj: JsonObject) -> None:
            obj["metadata"]["labels"].pop(key, None)
            if held:
                obj["metadata"]["labels"][key] = "true"

        self._change(name, change)

    def delete(self, name: str, again: bool) -> None:
        """`kubectl delete`, and maybe `kubectl create` right after."""
        if self._find(name) is None:
            return
        with self.witness.people():
            manifest = self.strategy.delete(self.cluster, name)
        if again and manifest is not None:
            self.cluster.create(manifest)
        elif again and self._find(name) is None:
            self.deploy(self.services[name])

    def annotate(self, name: str, key: str) -> None:
        """Somebody writes to the newest record of a workload: a note, or a wish."""
        resource = self.cluster.api.registry.find("rollback-sentinel.dev", "v1", "rolloutrecords")
        assert resource is not None
        records = [r for r in self.witness.records() if r.key.name == name]
        newest = max(records, key=lambda record: record.started_at, default=None)
        if newest is None:
            return
        deployment = self._find(name)
        if key == "resume" and deployment is not None:
            self.witness.known(deployment).resumed = True
        values = {"resume": self.cluster.now().isoformat(timespec="seconds"), "approve": "1"}
        text = values.get(key, "payments")

        def change(obj: JsonObject) -> None:
            obj["metadata"].setdefault("annotations", {})[f"rollback-sentinel.dev/{key}"] = text

        with self.witness.people():
            self.cluster.store.mutate(resource, NAMESPACE, newest.name, change, manager="kubectl")

    def alert(self, name: str, fingerprint: str, again: bool) -> None:
        """An alert on a workload fires, and Alertmanager tells it until it is answered 200."""
        self._spawn(self._post_until_taken(name, fingerprint, again), f"alertmanager {fingerprint}")

    async def _post_until_taken(self, name: str, fingerprint: str, again: bool) -> None:
        starts = self.cluster.now()
        for _ in range(2 if again else 1):
            while not await self._post(name, fingerprint, starts.isoformat()):  # noqa: ASYNC110 - as it does
                await asyncio.sleep(2.0)
            await asyncio.sleep(20.0)

    async def _post(self, name: str, fingerprint: str, starts: str) -> bool:
        url, deployment = self.rng.choice(self.pods).url, self._find(name)
        if deployment is None:
            return True
        self.witness.known(deployment).alerted |= self.strategy.images(self.cluster, name)
        if url is None:
            return False
        before = {record.name for record in self.witness.live(deployment)}
        labels = {
            "alertname": "Bad",
            "severity": "page",
            "namespace": NAMESPACE,
            self.strategy.alert_label: name,
        }
        alert = {
            "status": "firing",
            "labels": labels,
            "annotations": {},
            "startsAt": starts,
            "endsAt": "0001-01-01T00:00:00Z",
            "fingerprint": fingerprint,
        }
        payload = {"version": "4", "status": "firing", "receiver": "sentinel", "alerts": [alert]}
        try:
            async with (
                asyncio.timeout(20.0),
                aiohttp.ClientSession() as session,
                session.post(f"{url}/webhooks/alertmanager", json=payload) as response,
            ):
                status = response.status
                await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False
        if status == 200:
            self._check_recorded(name, fingerprint, before)
        elif status != 503:
            self.witness.wrong(f"the webhook answered {status}")
        return status == 200

    def _check_recorded(self, name: str, fingerprint: str, before: set[str]) -> None:
        """Answered 200: it stands in the record of every rollout that was live all the while."""
        self.alerts += 1
        deployment = self._find(name)
        for record in self.witness.live(deployment) if deployment is not None else ():
            if record.name in before and not stands_in(record, fingerprint):
                self.witness.wrong(f"{fingerprint} was answered 200 and is not in {record.name}")

    def _change(self, name: str, change: Any) -> None:
        if self._find(name) is not None:
            with self.witness.people():
                into = self.strategy.released_into(self.cluster, name)
                self.strategy.change(self.cluster, into, change)

    def _find(self, name: str) -> JsonObject | None:
        return self.strategy.find(self.cluster, name)

    # -- faults

    def kill(self, away: float) -> None:
        """SIGKILL of some replica."""
        self.witness.felt("killed")
        self.rng.choice(self.pods).kill(away)

    def kill_at_write(self, served: bool, skip: int, path: str, turns: int, away: float) -> None:
        """SIGKILL of who writes: before it is served, when its answer is under way, or some steps of its later."""

        def strike() -> None:
            when = (
                "some steps after it"
                if turns
                else "served and unanswered"
                if served
                else "before it is served"
            )
            self.witness.felt(f"killed at a write, {when}")
            writer = next((pod for pod in self.pods if pod.life is current_life()), None)
            if writer is not None:
                self._spawn(self._kill_after(writer, turns, away), "killer")

        path = self.strategy.paths.get(path, path)
        kind = FaultKind.DROP if served else FaultKind.LOST
        verbs = frozenset({"create", "update", "patch"})
        fault = InjectedFault(kind, verbs=verbs, path=path, count=1, skip=skip, then=strike)
        if turns:  # the process goes on for some steps
            fault = InjectedFault(
                FaultKind.LATENCY, verbs=verbs, path=path, count=1, skip=skip, seconds=0.001, then=strike
            )
        self.cluster.faults.add(fault)

    def kill_at_await(self, steps: int, away: float) -> None:
        """SIGKILL of some replica when this many of its awaits have ended."""
        pod = self.rng.choice(self.pods)

        def strike() -> None:
            self.witness.tell("=== killed at an await")
            self.witness.felt("killed at an await")
            pod.kill(away)

        if pod.life is not None:
            pod.life.after_steps(steps, strike)

    def count_awaits(self) -> None:
        """Note at each await of the daemon in which second and state of the world it ended."""
        life = self.pods[0].life

        def note() -> None:
            effects = self.cluster.store.revision, self.network.writes, len(self.pods[0].channel.told)
            self.awaits.append((int(asyncio.get_running_loop().time()), *effects))
            if life is not None:
                life.after_steps(1, note)

        if life is not None:
            life.after_steps(1, note)

    def pause_leader(self, seconds: float) -> None:
        """SIGSTOP of the replica that leads, and SIGCONT so much later, while all others go on."""
        leader = next((pod for pod in self.pods if pod.leads), None)
        life = leader.life if leader is not None else None
        if life is not None:
            self.witness.felt("leader paused")
            life.pause()
            asyncio.get_running_loop().call_later(seconds, life.resume)

    def spare(self) -> None:
        """Nobody is killed any more."""
        for pod in self.pods:
            if pod.life is not None:
                pod.life.after_steps(0, lambda: None)

    async def _kill_after(self, writer: Pod, turns: int, away: float) -> None:
        for _ in range(turns):
            await asyncio.sleep(0.004 if turns > 3 else 0)
        self.witness.tell("=== killed at a write")
        writer.kill(away)

    def fault(self, kind: str, lasts: float, verbs: tuple[str, ...] = (), **how: Any) -> None:
        """A fault of the API server for a while."""
        how["path"] = self.strategy.paths.get(how.get("path", ""), how.get("path", ""))
        fault = self.cluster.faults.add(InjectedFault(FaultKind(kind), verbs=frozenset(verbs), **how))
        loop = asyncio.get_running_loop()
        loop.call_later(
            lasts, lambda: fault in self.cluster.faults.rules and self.cluster.faults.remove(fault)
        )

    def partition(self, on: bool) -> None:
        """Nothing gets through between the daemon and the API server."""
        self.network.partitioned = on
        if not on:
            self.network.break_streams()

    def break_watches(self, silently: bool) -> None:
        """Every open watch breaks, or says nothing any more."""
        if silently:
            self.network.silence_streams()
        else:
            self.network.break_streams()

    def compact(self) -> None:
        """The watch cache begins anew: no older version can be watched from."""
        self.cluster.store.history.compact(self.cluster.store.revision)

    def metrics(self, status: int | None = None, delay: float = 0.0) -> None:
        """Prometheus is down, hangs or is slow; without arguments it is well."""
        self.cluster.prometheus.status, self.cluster.prometheus.delay = status, delay

    def channel(self, down: bool, hangs: bool) -> None:
        """The notifier is down or hangs."""
        for pod in self.pods:
            pod.channel.down, pod.channel.hangs = down, hangs

    def skew(self, seconds: float) -> None:
        """The daemon's wall clock is wrong by so much."""
        if seconds:
            self.witness.felt("clock jumped")
        for pod in self.pods:
            pod.clock.error = timedelta(seconds=seconds)

    def stall(self, seconds: float) -> None:
        """The machine stands still: every timer is late by so much."""
        self.witness.felt("machine stood still")
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        loop._virtual.now += seconds

    def calm(self) -> None:
        """The end of all faults."""
        self.cluster.faults.clear()
        self.partition(False)
        self.metrics()
        self.channel(False, False)
        self.skew(0.0)
        for pod in self.pods:
            if pod.life is not None and pod.life.paused:
                pod.life.resume()

    def _spawn(self, coro: Any, name: str) -> None:
        # In a context of its own: it must not belong to the life that it may end.
        task = asyncio.get_running_loop().create_task(coro, name=name, context=contextvars.Context())
        self.tasks[task] = None
        task.add_done_callback(self.tasks.pop)

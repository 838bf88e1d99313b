"""Plays schedules of faults: thousands in several processes, or single seeds with the story of what happened."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import contextvars
import functools
import gc
import logging
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn
from unittest import mock

import aiohttp
import orjson
import structlog
from aiohttp import web_app

from sentinel.adapters.kubernetes.crd import definitions
from sentinel.settings import Settings, load_settings
from sentinel.simulation import virtual_time
from sentinel.simulation.behaviour import crash_loop, image_not_found, never_ready
from sentinel.simulation.cluster import ClusterOptions, SimulatedCluster
from sentinel.simulation.faults import Fault, FaultKind
from sentinel.simulation.resources import CRDS, DEPLOYMENTS
from sentinel.simulation.traffic import Quality
from sentinel.simulation.virtual_time import VirtualTimeLoop
from tests.faults.direct import Network
from tests.faults.lives import Loop, Pod, current_life
from tests.faults.plan import FAULTS_END, SCRAPE, Plan, Service, draw, rules
from tests.faults.witness import JsonObject, Witness, image_of, is_bad, templates_of

NAMESPACE = "shop"
CONVERGE = 900.0
"""Seconds without faults after which everything must have come to its end: the deadline, and what a hold may add."""
SHOWN = 8
"""So many violations of one schedule are shown: one defect can break a thousand times what must hold."""
ROLLING = {"strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}}


@dataclass(slots=True)
class Report:
    """What a schedule came to."""

    plan: Plan
    violations: list[str]
    story: list[str] = field(default_factory=list)
    seconds: float = 0.0
    virtual: float = 0.0
    lives: int = 0
    undos: int = 0
    promotions: int = 0
    holds: int = 0
    alerts: int = 0

    def __str__(self) -> str:
        return "\n".join(
            [
                *self.violations[:SHOWN],
                *([f"and {len(self.violations) - SHOWN} more"] if len(self.violations) > SHOWN else []),
                f"replay with SENTINEL_TEST_FAULT_SEED={self.plan.seed} pytest tests/faults",
                str(self.plan),
            ]
        )


@dataclass(slots=True)
class Scene:
    """The deeds of a schedule, each a method."""

    cluster: SimulatedCluster
    witness: Witness
    pods: list[Pod]
    rng: random.Random
    network: Network
    services: dict[str, Service]
    alerts: int = 0
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    # -- people

    def deploy(self, service: Service) -> None:
        """Bring a service up for the first time."""
        with self.witness.people():
            self.cluster.deploy(
                service.name,
                f"{service.name}:1-good",
                service.replicas,
                namespace=NAMESPACE,
                labels={"policy": service.policy},
                **ROLLING,
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
        self._change(name, lambda obj: _set_image(obj, image))

    def put_back(self, name: str) -> None:
        """`kubectl rollout undo`: the template before, whatever it is."""
        deployment = self._find(name)
        if deployment is None or deployment["spec"].get("paused"):
            return
        templates = templates_of(self.cluster, deployment)
        if len(templates) > 1:
            image = image_of(templates[1])
            self._change(name, lambda obj: _set_image(obj, image))

    def pause(self, name: str, paused: bool) -> None:
        """`kubectl rollout pause` and `resume`."""
        self._change(name, lambda obj: obj["spec"].update(paused=paused))

    def scale(self, name: str, replicas: int) -> None:
        """`kubectl scale`."""
        self._change(name, lambda obj: obj["spec"].update(replicas=replicas))

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
            self.cluster.store.delete(DEPLOYMENTS, NAMESPACE, name)
        if again and self._find(name) is None:
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
        self.witness.known(deployment).alerted.add(image_of(deployment))
        if url is None:
            return False
        before = {record.name for record in self.witness.live(deployment)}
        labels = {"alertname": "Bad", "severity": "page", "namespace": NAMESPACE, "deployment": name}
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
            if record.name in before and all(entry.fingerprint != fingerprint for entry in record.alerts):
                self.witness.wrong(f"{fingerprint} was answered 200 and is not in {record.name}")

    def _change(self, name: str, change: Any) -> None:
        if self._find(name) is not None:
            with self.witness.people():
                self.cluster.change(name, change, namespace=NAMESPACE)

    def _find(self, name: str) -> JsonObject | None:
        return self.cluster.store.find(DEPLOYMENTS, NAMESPACE, name)

    # -- faults

    def kill(self, away: float) -> None:
        """SIGKILL of some replica."""
        self.rng.choice(self.pods).kill(away)

    def kill_at_write(self, served: bool, skip: int, path: str, turns: int, away: float) -> None:
        """SIGKILL of who writes: before it is served, when its answer is under way, or some steps of its later."""

        def strike() -> None:
            writer = next((pod for pod in self.pods if pod.life is current_life()), None)
            if writer is not None:
                self._spawn(self._kill_after(writer, turns, away), "killer")

        kind = FaultKind.DROP if served else FaultKind.LOST
        verbs = frozenset({"create", "update", "patch"})
        fault = Fault(kind, verbs=verbs, path=path, count=1, skip=skip, then=strike)
        if turns:  # the process goes on for some steps
            fault = Fault(
                FaultKind.LATENCY, verbs=verbs, path=path, count=1, skip=skip, seconds=0.001, then=strike
            )
        self.cluster.faults.add(fault)

    async def _kill_after(self, writer: Pod, turns: int, away: float) -> None:
        for _ in range(turns):
            await asyncio.sleep(0.004 if turns > 3 else 0)
        self.witness.tell("=== killed at a write")
        writer.kill(away)

    def fault(self, kind: str, lasts: float, verbs: tuple[str, ...] = (), **how: Any) -> None:
        """A fault of the API server for a while."""
        fault = self.cluster.faults.add(Fault(FaultKind(kind), verbs=frozenset(verbs), **how))
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
        for pod in self.pods:
            pod.clock.error = timedelta(seconds=seconds)

    def stall(self, seconds: float) -> None:
        """The machine stands still: every timer is late by so much."""
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

    def _spawn(self, coro: Any, name: str) -> None:
        # In a context of its own: it must not belong to the life that it may end.
        task = asyncio.get_running_loop().create_task(coro, name=name, context=contextvars.Context())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


def _set_image(obj: JsonObject, image: str) -> None:
    obj["spec"]["template"]["spec"]["containers"][0]["image"] = image


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """What a campaign makes the daemon log is its everyday; millions of lines tell nobody anything."""
    before, structured = logging.root.manager.disable, structlog.get_config()
    logging.disable(logging.CRITICAL)
    structlog.configure(processors=[_drop])
    try:
        yield
    finally:
        structlog.configure(**structured)
        logging.disable(before)


def _drop(*_: object) -> NoReturn:
    raise structlog.DropEvent


def run_seed(seed: int) -> Report:
    """One schedule on a loop of its own."""
    plan = draw(seed)
    began = time.process_time()
    with (
        quiet(),
        mock.patch.object(virtual_time, "_POLLS_BEFORE_FAR_JUMP", 1),  # hardly anything goes over a socket
        mock.patch.object(
            asyncio, "to_thread", _inline
        ),  # threads would make the order of things a matter of luck
        tempfile.TemporaryDirectory() as folder,
        asyncio.Runner(loop_factory=Loop) as runner,
    ):
        report = runner.run(_play(plan, Path(folder)))
    web_app._cached_build_middleware.cache_clear()  # else aiohttp keeps a thousand dead servers, and all they knew
    report.seconds = time.process_time() - began
    return report


async def _inline(function: Any, *arguments: Any) -> Any:
    return function(*arguments)


async def _play(plan: Plan, folder: Path) -> Report:
    options = ClusterOptions(seed=plan.seed, nodes=2, serve=False, events=False, scrape_interval=SCRAPE)
    async with SimulatedCluster(options=options) as cluster:
        scene = _scene(plan, cluster, folder)
        cluster.prometheus._tick()
        try:
            await _live(plan, scene)
            await _converge(scene)
        finally:
            for task in tuple(scene.tasks):
                task.cancel()
            for pod in scene.pods:
                await pod.terminate()
            scene.witness.close()
            cluster.prometheus._timer.cancel()  # type: ignore[union-attr]
    report = _report(plan, scene)
    left = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.sleep(0)
    report.violations += [f"a task is left: {task.get_name()}" for task in left if not task.done()]
    return report


def _scene(plan: Plan, cluster: SimulatedCluster, folder: Path) -> Scene:
    for definition in definitions_that_ship():
        cluster.store.create(CRDS, definition)
    network = Network(random.Random(plan.seed))
    settings = settings_of(cluster, folder)
    pods = [Pod(cluster, settings, network, plan.seed + index) for index in range(plan.replicas)]
    witness = Witness(cluster, plan.services)
    for pod in pods:
        pod.prometheus.answered = lambda: setattr(witness, "evidence_at", cluster.now())
    known = {service.name: service for service in plan.services}
    scene = Scene(cluster, witness, pods, random.Random(plan.seed), network, known)
    for service in plan.services:
        scene.deploy(service)
        if service.metered:
            cluster.offer(service.name, 60, namespace=NAMESPACE)
    return scene


@functools.cache
def definitions_that_ship() -> tuple[JsonObject, ...]:
    """The definitions of our resources, read once."""
    return tuple(definitions())


def settings_of(
    cluster: SimulatedCluster, folder: Path, more: Mapping[str, str] = MappingProxyType({})
) -> Settings:
    """The settings of a daemon in a schedule, and the rule file that they name."""
    (folder / "policy.yaml").write_text(rules())
    kubeconfig = folder / "kubeconfig"
    cluster.url = "http://127.0.0.1:1"
    kubeconfig.write_bytes(orjson.dumps(cluster.kubeconfig()))
    return load_settings(
        None,
        {
            "SENTINEL_KUBERNETES__KUBECONFIG": str(kubeconfig),
            "SENTINEL_RULES__PATHS": str(folder / "policy.yaml"),
            "SENTINEL_RULES__WATCH": "false",
            "SENTINEL_PROMETHEUS__URL": "http://127.0.0.1:1",
            "SENTINEL_PROMETHEUS__SCRAPE_INTERVAL": str(SCRAPE),
            "SENTINEL_HTTP__HOST": "127.0.0.1",
            "SENTINEL_HTTP__PORT": "0",
            **more,
        },
    )


async def _live(plan: Plan, scene: Scene) -> None:
    loop = asyncio.get_running_loop()
    await asyncio.sleep(8.0)
    for pod in scene.pods:
        pod.start()
    await asyncio.sleep(4.0)
    began = loop.time()
    for deed in plan.deeds:
        await asyncio.sleep(max(0.0, began + deed.at - loop.time()))
        scene.witness.tell(f"=== {deed}")
        getattr(scene, deed.what)(**deed.how)
    await asyncio.sleep(max(0.0, began + FAULTS_END - loop.time()))
    scene.calm()


async def _converge(scene: Scene) -> None:
    """Wait until nothing is left to be decided, and fail where that does not come about."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + CONVERGE
    await asyncio.sleep(5.0)
    while left := _left(scene):
        if loop.time() > ends:
            for sentence in left:
                scene.witness.wrong(f"not converged: {sentence}")
            return
        await asyncio.sleep(5.0)


def _left(scene: Scene) -> list[str]:
    """What keeps the schedule from being over."""
    if not all(pod.up for pod in scene.pods):
        return ["the daemon does not run"]
    kept = [what for pod in scene.pods for what in pod.kept_too_long(scene.witness.records())]
    return [*scene.witness.settled(), *kept, *(task.get_name() for task in scene.tasks)]


def _report(plan: Plan, scene: Scene) -> Report:
    witness = scene.witness
    return Report(
        plan,
        [*witness.violations, *(fault for pod in scene.pods for fault in pod.faults)],
        witness.story,
        virtual=asyncio.get_running_loop().time(),
        lives=sum(pod.lives for pod in scene.pods),
        undos=witness.undos,
        promotions=witness.promotions,
        holds=witness.holds,
        alerts=scene.alerts,
    )


def play(seeds: Iterable[int], seconds: float) -> tuple[int, int]:
    """Play seeds until the time is up; prints each that failed. Returns how many were played, and failed."""
    gc.collect()
    gc.freeze()
    gc.disable()  # a collection after each schedule is cheaper than hundreds within it
    ends = time.monotonic() + seconds
    played = failed = 0
    for seed in seeds:
        if time.monotonic() > ends:
            break
        report = run_seed(seed)
        played += 1
        if report.violations:
            failed += 1
            print(report, flush=True)
        gc.collect()
    return played, failed


def main() -> int:
    """Replay the seeds that are named, with their stories; or play many, in several processes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seeds", nargs="*", type=int, help="seeds to replay")
    parser.add_argument("--first", type=int, default=0, help="the first seed of many")
    parser.add_argument("--count", type=int, default=2000, help="how many seeds at most")
    parser.add_argument("--seconds", type=float, default=150.0, help="for how long at most")
    parser.add_argument("--workers", type=int, default=2, help="in how many processes")
    chosen = parser.parse_args()
    if os.environ.get("PYTHONHASHSEED") != "0":  # the order of sets is part of what a seed stands for
        os.execve(sys.executable, sys.orig_argv, {**os.environ, "PYTHONHASHSEED": "0"})
    if chosen.seeds:
        reports = [run_seed(seed) for seed in chosen.seeds]
        for report in reports:
            print("\n".join(report.story), report, sep="\n")
        return int(any(report.violations for report in reports))
    seeds = range(chosen.first, chosen.first + chosen.count)
    began = time.monotonic()
    with ProcessPoolExecutor(chosen.workers) as pool:
        shares = [seeds[worker :: chosen.workers] for worker in range(chosen.workers)]
        results = list(pool.map(play, shares, [chosen.seconds] * chosen.workers))
    played, failed = (sum(column) for column in zip(*results, strict=True))
    print(f"{played} schedules in {time.monotonic() - began:.0f} s, {failed} failed")
    return int(failed > 0 or not played)


if __name__ == "__main__":
    sys.exit(main())

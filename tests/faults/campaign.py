"""Plays schedules of faults: thousands in several processes, or single seeds with the story of what happened."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import logging
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import dataclass, field, replace
from itertools import islice
from math import inf
from pathlib import Path
from types import MappingProxyType
from typing import Any
from unittest import mock

import orjson
from aiohttp import web_app

from clustersim import virtual_time
from clustersim.cluster import ClusterOptions, SimulatedCluster
from clustersim.storage.resources import CRDS
from sentinel.adapters.kubernetes.custom.crd import definitions
from sentinel.settings import Settings, load_settings
from tests.faults.chosen import CHOSEN
from tests.faults.lives import Loop, Pod
from tests.faults.plan import SCRAPE, Deed, Plan, Service, draw, rules
from tests.faults.registry import STRATEGIES, rules_of, witness_of
from tests.faults.scene import Scene
from tests.faults.strategies import DEPLOYMENT, NAMESPACE
from tests.support.direct import Network

CONVERGE = 900.0
"""Seconds without faults after which everything must have come to its end: the deadline, and what a hold may add."""
SHOWN = 8
"""So many violations of one schedule are shown: one defect can break a thousand times what must hold."""
SHARE = 20
"""So many schedules a process plays in a row."""


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
    alerts: int = 0
    mattered: frozenset[str] = frozenset()
    awaits: tuple[tuple[int, ...], ...] = ()

    def __str__(self) -> str:
        return "\n".join(
            [
                *self.violations[:SHOWN],
                *([f"and {len(self.violations) - SHOWN} more"] if len(self.violations) > SHOWN else []),
                f"replay with python -m tests.faults.campaign --strategy {self.plan.strategy} {self.plan.seed}",
                str(self.plan),
            ]
        )


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """What a campaign makes the daemon log is its everyday; millions of lines tell nobody anything."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


def run_seed(seed: int, strategy: str = "deployment") -> Report:
    """The schedule of a seed, played."""
    return run_plan(draw(seed, strategy))


def run_plan(plan: Plan) -> Report:
    """One schedule on a loop of its own."""
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


def shrunk(plan: Plan) -> Plan:
    """The schedule less every deed and service without which it fails as well, one after another."""
    smaller = True
    while smaller:
        smaller = False
        for each in (*plan.deeds, *plan.services):
            deeds = tuple(deed for deed in plan.deeds if not _belongs(deed, each))
            services = tuple(service for service in plan.services if service is not each)
            tried = replace(plan, deeds=deeds, services=services)
            if services and run_plan(tried).violations:
                plan, smaller = tried, True
    return plan


def _belongs(deed: Deed, to: Deed | Service) -> bool:
    return deed.how.get("name") == to.name if isinstance(to, Service) else deed is to


async def _inline(function: Any, *arguments: Any) -> Any:
    return function(*arguments)


async def _play(plan: Plan, folder: Path) -> Report:
    options = ClusterOptions(
        seed=plan.seed,
        nodes=STRATEGIES[plan.strategy].nodes,
        serve=False,
        events=False,
        scrape_interval=SCRAPE,
    )
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
    for definition in definitions():
        cluster.store.create(CRDS, definition)
    network = Network(random.Random(plan.seed))
    strategy = STRATEGIES[plan.strategy]
    more = {**strategy.settings(), "SENTINEL_LEADERSHIP__SHARDS": str(plan.shards)}
    settings = settings_of(cluster, folder, more, policies=rules_of(strategy, plan.services))
    pods = [Pod(cluster, settings, network, plan.seed + index) for index in range(plan.replicas)]
    witness = witness_of(strategy)(cluster, plan.services, strategy=strategy)
    network.felt = witness.felt
    network.serving = witness.saw_request
    for pod in pods:
        pod.channel.felt = witness.felt
        pod.prometheus.answered = lambda: setattr(witness, "evidence_at", cluster.now())
    known = {service.name: service for service in plan.services}
    scene = Scene(cluster, witness, pods, random.Random(plan.seed), network, known, strategy)
    for service in plan.services:
        scene.deploy(service)
        if service.metered:
            cluster.offer(service.name, 60, namespace=NAMESPACE, to=strategy.load_to(service.name))
    return scene


def settings_of(
    cluster: SimulatedCluster,
    folder: Path,
    more: Mapping[str, str] = MappingProxyType({}),
    *,
    policies: str = "",
) -> Settings:
    """The settings of a daemon in a schedule, and the rule file that they name."""
    (folder / "policy.yaml").write_text(policies or rules())
    kubeconfig = folder / "kubeconfig"
    cluster.url = "http://127.0.0.1:1"
    kubeconfig.write_bytes(orjson.dumps(cluster.kubeconfig()))
    return load_settings(
        None,
        {
            "SENTINEL_KUBERNETES__KUBECONFIG": str(kubeconfig),
            "SENTINEL_KUBERNETES__KINDS": DEPLOYMENT.kind,
            "SENTINEL_RULES__PATHS": str(folder / "policy.yaml"),
            "SENTINEL_RULES__WATCH": "false",
            "SENTINEL_PROMETHEUS__URL": "http://127.0.0.1:1",
            "SENTINEL_PROMETHEUS__SCRAPE_INTERVAL": str(SCRAPE),
            "SENTINEL_HTTP__HOST": "127.0.0.1",
            "SENTINEL_HTTP__PORT": "0",
            "SENTINEL_UI__ENABLED": "false",
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
    await asyncio.sleep(max(0.0, began + plan.ends - loop.time()))
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
        alerts=scene.alerts,
        mattered=frozenset(witness.mattered),
        awaits=tuple(scene.awaits),
    )


@dataclass(slots=True)
class Sum:
    """What many schedules came to."""

    played: int = 0
    failed: int = 0
    mattered: Counter[str] = field(default_factory=Counter)
    happened: Counter[str] = field(default_factory=Counter)

    def count(self, report: Report) -> None:
        """Count a schedule."""
        self.played += 1
        self.failed += bool(report.violations)
        self.mattered.update(report.mattered)
        restarts = report.lives - report.plan.replicas
        self.happened.update(
            undos=report.undos,
            promotions=report.promotions,
            alerts=report.alerts,
            restarts=restarts,
        )

    def add(self, other: Sum) -> None:
        """Count another share."""
        self.played += other.played
        self.failed += other.failed
        self.mattered.update(other.mattered)
        self.happened.update(other.happened)

    @property
    def never(self) -> set[str]:
        """What did not happen once: without it, a campaign would find nothing."""
        return {what for what, times in self.happened.items() if not times}

    def table(self) -> str:
        """In how many schedules each fault struck the daemon while a rollout was in flight."""
        return "\n".join(f"{count:6} {name}" for name, count in sorted(self.mattered.items()))


def play(seeds: Iterable[int], strategy: str = "deployment") -> Sum:
    """Play seeds; prints each that failed, with how to replay it."""
    gc.collect()
    gc.freeze()
    gc.disable()  # a collection after each schedule is cheaper than hundreds within it
    found = Sum()
    for seed in seeds:
        report = run_seed(seed, strategy)
        found.count(report)
        if report.violations:
            print(report, flush=True)
        gc.collect()
    return found


def play_many(seeds: Sequence[int], seconds: float, workers: int, strategy: str = "deployment") -> Sum:
    """Play seeds in several processes, in order, until all are played or the time is up."""
    ends = time.monotonic() + seconds
    found = Sum()
    shares = iter([seeds[start : start + SHARE] for start in range(0, len(seeds), SHARE)])
    with ProcessPoolExecutor(workers) as pool:
        under_way = {pool.submit(play, share, strategy) for share in islice(shares, workers)}
        while under_way:
            done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
            for each in done:
                found.add(each.result())
            if time.monotonic() < ends:
                under_way |= {pool.submit(play, share, strategy) for share in islice(shares, len(done))}
    return found


def main() -> int:
    """Replay the seeds that are named, with their stories; or play many, in several processes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seeds", nargs="*", type=int, help="seeds to replay")
    parser.add_argument(
        "--strategy", choices=STRATEGIES, default="deployment", help="of which kind of workload"
    )
    parser.add_argument("--chosen", action="store_true", help="play the schedules that CI plays")
    parser.add_argument("--shrink", action="store_true", help="replay the least that still fails")
    parser.add_argument("--first", type=int, default=0, help="the first seed of many")
    parser.add_argument("--count", type=int, default=2000, help="how many seeds")
    parser.add_argument("--seconds", type=float, default=inf, help="for how long at most; without it, all")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="in how many processes")
    chosen = parser.parse_args()
    if os.environ.get("PYTHONHASHSEED") != "0":  # the order of sets is part of what a seed stands for
        os.execve(sys.executable, sys.orig_argv, {**os.environ, "PYTHONHASHSEED": "0"})
    if chosen.seeds:
        plans = [draw(seed, chosen.strategy) for seed in chosen.seeds]
        reports = [run_plan(shrunk(plan) if chosen.shrink else plan) for plan in plans]
        for report in reports:
            print("\n".join(report.story), report, sep="\n")
        return int(any(report.violations for report in reports))
    began = time.monotonic()
    some = range(chosen.first, chosen.first + chosen.count)
    seeds = CHOSEN[chosen.strategy] if chosen.chosen else some
    found = play_many(seeds, chosen.seconds, chosen.workers, chosen.strategy)
    print(found.table())
    print(
        f"{found.played} {chosen.strategy} schedules (seeds {seeds[0]} to {seeds[found.played - 1]}) "
        f"in {time.monotonic() - began:.0f} s, {found.failed} failed"
    )
    if chosen.chosen and found.never:
        print(f"never: {', '.join(sorted(found.never))}")
        return 1
    return int(found.failed > 0 or not found.played)


if __name__ == "__main__":
    sys.exit(main())

"""A day in simulated time: hundreds of workloads, thousands of pods and rollouts, and nothing may grow.

`python -m benchmarks.soak` writes docs/benchmarks/soak.md. The daemon is the real one, whole, in one process with the
simulated cluster; requests are calls (see tests/support/direct.py), since sockets would cost most of the time.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks.harness.day import HOUR, KEPT, Day, Options, Sample, grown, page
from clustersim.cluster import ClusterOptions, SimulatedCluster
from clustersim.metrics.exposition import traffic_samples
from clustersim.metrics.requests import Quality
from clustersim.node.behaviour import crash_loop, image_not_found, never_ready
from clustersim.storage.resources import CRDS
from sentinel.adapters.kubernetes.coordination.events import _Written
from sentinel.adapters.kubernetes.custom.crd import definitions
from sentinel.adapters.prometheus.answers import InstantAnswer
from sentinel.adapters.prometheus.answers import Sample as MetricSample
from sentinel.domain.evidence import Missing, Reading, Span, Subject
from sentinel.domain.policy.rules import CountQuery, HistogramQuery
from sentinel.domain.record.state import Phase
from tests.faults.campaign import quiet, settings_of
from tests.faults.lives import Loop, Pod
from tests.faults.plan import Service
from tests.faults.strategies import DEPLOYMENT
from tests.faults.witness import Witness
from tests.support.direct import Network

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks" / "soak.md"
NAMESPACE = "shop"
SCRAPE = 15.0
REMEMBERED = (
    InstantAnswer,
    MetricSample,
    Span,
    Reading,
    Subject,
    Missing,
    CountQuery,
    HistogramQuery,
    _Written,
)
"""What fills memories that have a bound: Prometheus' answers (100,000 samples) and spans (20,000), Events (1,000)."""
MIRROR = frozenset(
    {
        "sentinel.domain.record.course",
        "sentinel.domain.record.entries",
        "sentinel.domain.record.record",
        "sentinel.domain.record.state",
        "sentinel.domain.verdict",
        "sentinel.domain.workload.facts",
        "sentinel.domain.workload.pods",
        "sentinel.domain.workload.revision",
        "sentinel.adapters.kubernetes.workloads.trim",
        "sentinel.adapters.kubernetes.custom.records",
    }
)
"""Where the types are of which the daemon's copy of workloads, ReplicaSets, pods and records is made. Of the parts of
records up to 512 values of a type are known again, so that equal ones are one object."""
MAY_GROW = 0.05


def services(options: Options) -> tuple[Service, ...]:
    """The workloads, with the policy of each."""
    policies = ("bare", "steps")
    return tuple(
        Service(f"s{index}", "plain" if index < options.metered else policies[index % 2], each)
        for index, each in enumerate([options.pods // options.workloads] * options.workloads)
    )


async def play(options: Options, folder: Path, report: Callable[[Day], None]) -> Day:
    """Play the day; `report` is called each hour."""
    day = Day(options)
    nodes = options.pods // 80 + 2
    cluster_options = ClusterOptions(
        seed=options.seed, nodes=nodes, serve=False, events=False, scrape_interval=SCRAPE
    )
    began = time.monotonic()
    async with SimulatedCluster(options=cluster_options) as cluster:
        cluster.prometheus._source = lambda: traffic_samples(cluster.traffic)
        for definition in definitions():
            cluster.store.create(CRDS, definition)
        network = Network(random.Random(options.seed), slowest=0.005)
        pod = Pod(cluster, settings_of(cluster, folder, _more()), network, options.seed)
        guarded = services(options)
        witness = Witness(cluster, guarded)
        pod.prometheus.answered = lambda: setattr(witness, "evidence_at", cluster.now())
        await _bring_up(cluster, witness, guarded)
        cluster.prometheus._tick()
        pod.start()
        await asyncio.sleep(60)

        def hourly() -> None:
            day.undos, day.promotions, day.violations = (
                witness.undos,
                witness.promotions,
                list(witness.violations),
            )
            day.seconds = time.monotonic() - began
            report(day)

        await _through_the_day(day, cluster, witness, guarded, hourly)
        await asyncio.sleep(HOUR)
        before = time.process_time()
        await asyncio.sleep(HOUR)
        day.idle_cpu = time.process_time() - before
        _conclude(day, pod, witness)
        await pod.terminate()
        day.violations += pod.faults
        witness.close()
        cluster.prometheus._timer.cancel()  # type: ignore[union-attr]
    day.seconds = time.monotonic() - began
    return day


def _more() -> dict[str, str]:
    return {
        "SENTINEL_PROMETHEUS__SCRAPE_INTERVAL": str(SCRAPE),
        "SENTINEL_RECORDS__KEEP": str(KEPT),
        "SENTINEL_UNDO__BUDGET__MAX": "10000",
    }


async def _bring_up(cluster: SimulatedCluster, witness: Witness, guarded: Iterable[Service]) -> None:
    with witness.people():
        for service in guarded:
            cluster.deploy(
                service.name,
                f"{service.name}:1-good",
                service.replicas,
                namespace=NAMESPACE,
                labels={"policy": service.policy},
                revisionHistoryLimit=KEPT,
                **DEPLOYMENT.spec,
            )
            if service.metered:
                cluster.offer(service.name, 60, namespace=NAMESPACE)
    await asyncio.sleep(120)


async def _through_the_day(
    day: Day,
    cluster: SimulatedCluster,
    witness: Witness,
    guarded: tuple[Service, ...],
    hourly: Callable[[], None],
) -> None:
    """Release at even distances, and take a sample each hour."""
    rng = random.Random(day.options.seed)
    loop = asyncio.get_running_loop()
    began, cpu = loop.time(), time.process_time()
    every = day.options.hours * HOUR / day.options.rollouts
    hour = 1
    for number in range(day.options.rollouts):
        await asyncio.sleep(max(0.0, began + number * every - loop.time()))
        if loop.time() - began >= hour * HOUR:
            day.samples.append(_sample(hour, time.process_time() - cpu))
            hourly()
            witness.story.clear()
            hour, cpu = hour + 1, time.process_time()
        _release(day, cluster, witness, rng.choice(guarded), number, rng)
    day.samples.append(_sample(day.options.hours, time.process_time() - cpu))


def _release(
    day: Day,
    cluster: SimulatedCluster,
    witness: Witness,
    service: Service,
    number: int,
    rng: random.Random,
) -> None:
    bad = "errors" if service.metered else rng.choice(("crash", "pull", "unready"))
    kind = bad if rng.random() < 0.25 else "good"
    image = f"{service.name}:{number + 2}-{kind}"
    day.released["bad" if kind != "good" else "good"] += 1
    if kind == "errors":
        cluster.serve(image, Quality(errors=0.5))
    elif kind != "good":
        cluster.behave(image, {"crash": crash_loop, "pull": image_not_found, "unready": never_ready}[kind]())
    with witness.people():
        cluster.set_image(service.name, image, namespace=NAMESPACE)


def _sample(hour: float, cpu: float) -> Sample:
    gc.collect()
    objects = gc.get_objects()
    mine = (
        "sentinel.domain",
        "sentinel.engine",
        "sentinel.runtime",
        "sentinel.adapters",
        "sentinel.policies",
    )
    return Sample(
        hour,
        sum(str(type(each).__module__).startswith(mine) and not _kept(each) for each in objects),
        sum(str(type(each).__module__) in MIRROR for each in objects),
        sum(type(each) in REMEMBERED for each in objects),
        len(asyncio.all_tasks()),
        len(os.listdir("/proc/self/fd")),
        _resident(),
        cpu,
    )


def _kept(each: object) -> bool:
    """Whether an object is a part of what is kept on purpose: the cluster's mirror, and memories that have a bound."""
    return str(type(each).__module__) in MIRROR or type(each) in REMEMBERED


def _resident() -> float:
    """Resident memory in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def _conclude(day: Day, pod: Pod, witness: Witness) -> None:
    day.violations += [*witness.violations, *pod.kept_too_long(witness.records())]
    day.violations += [what for what in witness.settled() if "Promoted" not in what]
    day.undos, day.promotions = witness.undos, witness.promotions
    day.ended.update(record.state.phase.value for record in witness.records())
    held = day.ended[Phase.HELD.value]
    if held > day.options.workloads // 4:
        day.violations.append(f"{held} rollouts are held")


def _write(output: Path, day: Day) -> None:
    output.write_text(page(day))


def main() -> int:
    """Play the day and write its page; 1 where something grew or went wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    defaults = Options()
    parser.add_argument("--hours", type=float, default=defaults.hours)
    for name in ("workloads", "pods", "rollouts", "metered", "seed"):
        parser.add_argument(f"--{name}", type=int, default=getattr(defaults, name))
    parser.add_argument("--output", type=Path, default=PAGE)
    chosen = vars(parser.parse_args())
    output: Path = chosen.pop("output")
    with quiet(), tempfile.TemporaryDirectory() as folder, asyncio.Runner(loop_factory=Loop) as runner:
        day = runner.run(play(Options(**chosen), Path(folder), lambda so_far: _write(output, so_far)))
    text = page(day)
    output.write_text(text)
    print(text)
    for violation in day.violations[:20]:
        print(violation)
    grew = {name: share for name, share in grown(day).items() if share > MAY_GROW}
    return int(bool(day.violations or grew))


if __name__ == "__main__":
    sys.exit(main())

"""What the webhook does under a flood: posts answered, alerts lost, and how long the event loop stood still.

    python -m benchmarks.webhook [--seconds 5] [--rate 1000]

The simulated cluster and the daemon run in this process, the sender in another; all talk HTTP over the loopback.
First one post of 10,000 alerts, then so many posts a second for a while, each with a different alert about one of the
rollouts in flight. A post that was answered 200 must be in its record; the others must have been answered 503.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import tempfile
import time
import urllib.parse
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.harness.figures import Figures
from clustersim.faults import FaultKind, InjectedFault
from sentinel.domain.record.record import MAX_ALERTS
from sentinel.domain.record.state import Phase
from tests.support.world import NAMESPACE, ROLLING, World, world

ROLLOUTS = 20
POLICY = """
apiVersion: rollback-sentinel.dev/v1
kind: RolloutPolicy
metadata: {name: shop}
spec:
  match: {kinds: [Deployment], namespaces: [shop]}
  strategy:
    canary: {steps: [{weight: 25%, bake: 20m}]}
  rules:
    - {name: crash-loop, crashLoop: {}}
  alerts:
    - {match: ['severity="page"'], action: escalate}
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="benchmarks.webhook", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rate", type=int, default=1000, help="posts a second")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sentinel-bench-") as folder:
        asyncio.run(measure(Path(folder), arguments.seconds, arguments.rate))


async def measure(folder: Path, seconds: float, rate: int) -> None:
    """Play both floods and print what came of them."""
    limits = {"SENTINEL_HTTP__WEBHOOK__RATE": "100000", "SENTINEL_HTTP__WEBHOOK__BURST": "100000"}
    async with world(folder, POLICY, now=lambda: datetime.now(UTC), **limits) as here:
        await in_flight(here)
        writes = here.cluster.faults.add(
            InjectedFault(FaultKind.LATENCY, frozenset({"update"}), "rolloutrecords/.+/status")
        )
        async with stalls() as stalled:
            answers, took = await flooded(here, [10_000], 1)
        print(
            f"one post of 10,000 alerts: {dict(answers)} in {took:.2f} s, {writes.struck} writes, {told(stalled)}"
        )
        writes.struck = 0
        async with stalls() as stalled:
            answers, took = await flooded(here, [1] * int(seconds * rate), rate)
        total = sum(answers.values())
        print(
            f"{total} posts of one alert in {took:.1f} s ({total / took:.0f}/s): {dict(answers)}, "
            f"{writes.struck} writes, {told(stalled)}"
        )
        kept = sum(len(record.alerts) for record in here.application.store.all())  # type: ignore[union-attr]
        print(f"{kept} alerts are in {ROLLOUTS} records (each keeps its newest {MAX_ALERTS})")


async def in_flight(here: World) -> None:
    """So many rollouts in a bake."""
    for n in range(ROLLOUTS):
        here.cluster.deploy(f"web-{n}", "web:1", 4, namespace=NAMESPACE, **ROLLING)
    await here.start()
    for n in range(ROLLOUTS):
        await here.phase(Phase.BAKING, f"web-{n}")


@asynccontextmanager
async def stalls() -> AsyncIterator[list[float]]:
    """How much later than asked the event loop came back, every 5 ms."""
    late: list[float] = []

    async def watch() -> None:
        while True:
            asked = time.perf_counter()
            await asyncio.sleep(0.005)
            late.append(time.perf_counter() - asked - 0.005)

    task = asyncio.create_task(watch())
    try:
        yield late
    finally:
        task.cancel()
        await asyncio.wait({task})


def told(late: list[float]) -> str:
    """The stalls in words."""
    figures = Figures.of([seconds * 1000 for seconds in late])
    return f"the loop at most {figures.most:.0f} ms late, at p99 {figures.p99:.0f} ms"


async def flooded(here: World, sizes: list[int], rate: int) -> tuple[Counter[int], float]:
    """Have another process post, and give the statuses of the answers and the seconds that it took."""
    assert here.application is not None
    receiver, sender = multiprocessing.get_context("spawn").Pipe(duplex=False)
    arguments = (here.application.http.url, sizes, rate, here.cluster.now().isoformat(), sender)
    poster = multiprocessing.get_context("spawn").Process(target=post_all, args=arguments)
    poster.start()
    answers = await asyncio.to_thread(receiver.recv)
    await asyncio.to_thread(poster.join)
    return answers


def post_all(url: str, sizes: list[int], rate: int, now: str, sender: object) -> None:
    """The other process: post at this rate over a hundred connections."""
    sender.send(asyncio.run(_post_all(url, sizes, rate, now)))  # type: ignore[attr-defined]


async def _post_all(url: str, sizes: list[int], rate: int, now: str) -> tuple[Counter[int], float]:
    address = urllib.parse.urlsplit(url)
    bodies = iter([_request(address.netloc, n, size, now) for n, size in enumerate(sizes)])
    answers: Counter[int] = Counter()
    began = time.perf_counter()
    sent = 0

    async def one_connection() -> None:
        nonlocal sent
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        for body in bodies:
            sent += 1
            await asyncio.sleep(max(0.0, began + sent / rate - time.perf_counter()))
            writer.write(body)
            await writer.drain()
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
            await reader.readexactly(int(length.split(b":")[1]))
            answers[int(head.split()[1])] += 1
        writer.close()

    await asyncio.gather(*(one_connection() for _ in range(min(100, len(sizes)))))
    return answers, time.perf_counter() - began


def _request(host: str, n: int, size: int, now: str) -> bytes:
    alerts = [
        {
            "status": "firing",
            "labels": {
                "alertname": "HighErrorRate",
                "severity": "page",
                "namespace": NAMESPACE,
                "deployment": f"web-{(n + one) % ROLLOUTS}",
                "instance": f"{os.getpid()}-{n}-{one}",
            },
            "annotations": {"summary": "something is wrong"},
            "startsAt": now,
            "endsAt": "0001-01-01T00:00:00Z",
            "fingerprint": f"{os.getpid()}-{n}-{one}",
        }
        for one in range(size)
    ]
    body = json.dumps({"version": "4", "status": "firing", "receiver": "sentinel", "alerts": alerts}).encode()
    lines = [
        "POST /webhooks/alertmanager HTTP/1.1",
        f"Host: {host}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


if __name__ == "__main__":
    main()

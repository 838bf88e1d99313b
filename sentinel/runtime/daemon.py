"""The daemon as a whole: what runs, in which order it starts, who of several acts, and how it ends."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Protocol

from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from sentinel.domain.words import Would, standing
from sentinel.domain.workload.facts import WorkloadKey
from sentinel.metric_names import MetricName
from sentinel.ports import RecordStore, Telemetry
from sentinel.runtime.leadership import Leadership
from sentinel.runtime.queue import KeyedQueue, Turn
from sentinel.runtime.reconciling.driver import ReconcileServices
from sentinel.runtime.reconciling.reconciler import ReconcileLoop
from sentinel.runtime.supervisor import Supervisor

log = logging.getLogger(__name__)

GAUGES_EVERY = 5.0
HANDOVER_PASSES = 0.3
HANDOVER_NOTICES = 0.2
"""So many seconds a leader that ends lets its reconciles and its notices finish before another one may take over."""


class Watches(Protocol):
    """The watches behind the cluster and the record store."""

    async def start(self) -> None:
        """Begin to watch."""
        ...

    async def wait_synced(self) -> None:
        """Return when every watch has listed once."""
        ...

    def ages(self) -> Mapping[str, float]:
        """Seconds since each watch last heard from the API server, by resource."""
        ...

    async def close(self) -> None:
        """Stop watching and close every connection."""
        ...


def turn_of(key: WorkloadKey, store: RecordStore) -> Turn:
    """Whose turn a workload has when something of it, or of its records, changed.

    Nothing can be undone where no rollout is in flight: when nodes are drained, and at a start, others go first.
    """
    return Turn.URGENT if store.in_flight(key) else Turn.EVENT


class Daemon:
    """Starts watching, then judging, then telling; stops in the opposite order within the time it is given.

    Every replica watches and receives alerts. Only the leader reconciles workloads and sends notices: what the other
    replicas' watches show waits in their queues, each key once, until they lead.
    """

    def __init__(
        self,
        watches: Watches,
        services: ReconcileServices,
        reconciler: ReconcileLoop,
        queue: KeyedQueue[WorkloadKey],
        leadership: Leadership,
        extra: Mapping[str, Callable[[], Awaitable[None]]] | None = None,
    ) -> None:
        self._watches = watches
        self._services = services
        self._reconciler = reconciler
        self._queue = queue
        self._leadership = leadership
        self._leading = asyncio.Event()
        self._supervisor = Supervisor(services.clock)
        self._extra = dict(extra or {})
        self._synced = False
        self._stopping = False

    async def start(self) -> None:
        """Watch, and once all watches have synced stand for election. Raises ClusterError."""
        services = self._services
        services.cluster.subscribe(self._touched)
        services.store.subscribe(self._touched)
        services.commands.subscribe(self._queue.add)
        await self._watches.start()
        await self._watches.wait_synced()
        self._supervisor.start(
            {
                "leadership": lambda: self._leadership.run(self._lead),
                "notices": services.notifications.run,
                "events": services.announcements.run,
                "gauges": self._keep_gauges,
                **self._extra,
            }
        )
        self._synced = True
        log.info("watching %d workloads", len(list(services.cluster.keys())))

    def _touched(self, key: WorkloadKey) -> None:
        self._queue.add(key, turn_of(key, self._services.store))

    async def _lead(self) -> None:
        """Reconcile every workload and work until cancelled; state from an earlier leadership is dropped."""
        services = self._services
        self._reconciler.forget()
        ours = [record for record in services.store.all() if self._leads(record.key)]
        services.reporter.take_over(ours, services.clock.now())
        recorded = (record.key for record in services.store.all())
        for key in {*services.cluster.keys(), *recorded, *services.commands.workloads()}:
            self._touched(key)
        self._leading.set()
        try:
            await self._queue.run(self._reconcile)
        finally:
            self._leading.clear()
            await self._queue.abandon()
            services.notifications.forget()
            self._reconciler.forget()
            await services.collector.close()
            await services.gates.close()

    async def _reconcile(self, key: WorkloadKey) -> None:
        """Reconcile a workload, unless another replica does; what is taken over later is looked at then."""
        if self._leads(key):
            await self._reconciler.reconcile(key)

    def _leads(self, key: WorkloadKey) -> bool:
        return self._leadership.left(key.namespace) > 0

    @property
    def leads(self) -> bool:
        """Whether this replica acts now."""
        return self._leadership.left() > 0

    def unready(self) -> list[str]:
        """What keeps the daemon from being ready; empty when it is."""
        if self._stopping:
            return ["stopping"]
        return [] if self._synced else ["the watches have not synced yet"]

    def unhealthy(self) -> list[str]:
        """What only a restart can repair; empty while reconciles are served."""
        return self._supervisor.ended

    def wake(self, key: WorkloadKey) -> None:
        """Have a workload looked at."""
        self._queue.add(key)

    async def idle(self) -> None:
        """Wait until this replica leads and no workload waits for a reconcile."""
        await self._leading.wait()
        await self._queue.idle()

    async def stop(self, seconds: float) -> None:
        """Let reconciles and notices that are under way finish for so many seconds altogether, then end everything.

        Where a successor may wait, it is let in as soon as nothing is half done here, and it completes the rest.
        """
        self._stopping = True
        clock = self._services.clock
        ends = clock.monotonic() + seconds
        patience = HANDOVER_PASSES if self._leadership.hands_over else seconds * 0.6
        if not await self._queue.drain(max(0.0, min(patience, seconds))):
            log.warning("reconciles were interrupted; the next leader completes them")
        told = asyncio.ensure_future(
            self._services.notifications.drain(max(0.0, min(seconds * 0.3, ends - clock.monotonic())))
        )
        await asyncio.wait({told}, timeout=HANDOVER_NOTICES)
        await self._leadership.resign(max(0.0, seconds * 0.3))
        await told
        await self._services.collector.close()
        await self._services.gates.close()
        await self._supervisor.stop()
        await self._watches.close()

    async def _keep_gauges(self) -> None:
        services, counted = self._services, None
        while True:
            _gauges(services.telemetry, self._watches.ages(), len(self._queue))
            records = services.store.all()
            if records is not counted:  # a store without news gives what it gave before
                _count(services.telemetry, records)
                counted = records
            await services.clock.sleep(GAUGES_EVERY)


def _count(telemetry: Telemetry, records: Iterable[Record]) -> None:
    phases, held = {word.value: 0 for word in (*Phase, *Would)}, 0
    for record in records:
        phases[standing(record).value] += 1
        held += record.keeper_hold is not None
    telemetry.gauge(MetricName.KEEPER_HOLDS, held)
    for phase, count in phases.items():
        telemetry.gauge(MetricName.ROLLOUTS, count, phase=phase)


def _gauges(telemetry: Telemetry, ages: Mapping[str, float], depth: int) -> None:
    for resource, age in ages.items():
        telemetry.gauge(MetricName.WATCH_AGE_SECONDS, age, resource=resource)
    telemetry.gauge(MetricName.QUEUE_DEPTH, depth)

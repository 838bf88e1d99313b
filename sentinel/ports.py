"""What the runtime needs of the world outside, as protocols. Adapters and the simulation implement them."""

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from typing import Protocol

from sentinel.domain.alert import Notification, Receipt
from sentinel.domain.command import Command, CommandAction, CommandPhase
from sentinel.domain.coordination import Freeze, Lease
from sentinel.domain.decision import Change
from sentinel.domain.evidence import Past, PastCounters, Span, ValueSample
from sentinel.domain.gate import GateAnswer, JobGate, JobState, WebhookGate
from sentinel.domain.notice import Bulletin, Notice
from sentinel.domain.policy.policy import Policy
from sentinel.domain.policy.rules import CountQuery, HistogramQuery, ValueQuery
from sentinel.domain.record.entries import NoticeRef
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Json
from sentinel.domain.workload.facts import Workload, WorkloadKey
from sentinel.domain.workload.revision import Applied
from sentinel.metric_names import MetricName


class Clock(Protocol):
    """Wall clock for stored stamps, loop clock for sleeping and for intervals."""

    def now(self) -> datetime:
        """The time of day, aware, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds of a clock that never goes back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class SystemClock:
    """The machine's clock and the running event loop's."""

    def now(self) -> datetime:
        """The time of day, aware, UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """The running loop's clock."""
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        """Wait on the running loop."""
        await asyncio.sleep(seconds)

    @staticmethod
    def since_boot() -> float:
        """Seconds that also count while the machine is suspended, where it has such a clock."""
        return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Cluster(Protocol):
    """The workloads of the cluster: read from the watch's cache, changed through the API.

    Every method that writes raises `ClusterError` (see `sentinel.domain.errors`) by its named kind.
    """

    def keys(self) -> Iterable[WorkloadKey]:
        """Every workload known now."""
        ...

    def workload(self, key: WorkloadKey) -> Workload | None:
        """The snapshot of one workload, None when it is gone."""
        ...

    def owner_of_pod(self, namespace: str, pod: str) -> WorkloadKey | None:
        """Which workload a pod belongs to, as far as the watch knows."""
        ...

    def workloads_behind(self, namespace: str, service: str) -> tuple[WorkloadKey, ...]:
        """The workloads whose pods a Service of this name selects (by name where Services are not watched)."""
        ...

    def subscribe(self, listener: Callable[[WorkloadKey], None]) -> None:
        """Call the listener, synchronously and cheaply, whenever something of a workload may have changed."""
        ...

    async def apply(self, workload: Workload, change: Change, *, timeout: float = 10.0) -> str:
        """Make a change to the very workload that was judged (its uid and its candidate's digest are tested).

        Returns a sentence on what was done. A change that is in force already is done. Raises
        PreconditionError when the workload is no longer what was judged, NotFoundError when it, or the target's
        template, is gone.
        """
        ...

    async def confirm(self, workload: Workload) -> None:
        """Look up afresh whether the candidate's pods that seem unready are so.

        Raises ClusterUnavailableError, its reason `WatchDeaf`, if the watch missed something; it starts again.
        """
        ...

    async def applied(self, key: WorkloadKey) -> Applied | None:
        """Which pod template the API server has now, read afresh; None when the workload is gone."""
        ...

    def renew(self) -> None:
        """Start the watches again: one of them has missed something."""
        ...

    async def announce(self, workload: Workload, reason: str, message: str, *, warning: bool = False) -> None:
        """Write a Kubernetes Event on the workload."""
        ...


class RecordStore(Protocol):
    """The RolloutRecords: read from the watch's cache, written under optimistic concurrency."""

    def of_workload(self, key: WorkloadKey) -> tuple[Record, ...]:
        """All records of a workload, newest rollout first. Own writes are visible at once."""
        ...

    def all(self) -> Iterable[Record]:
        """Every record."""
        ...

    def live(self) -> Iterable[Record]:
        """The records of rollouts to which anything may still happen; few, where `all` grows with the history."""
        ...

    async def create(self, record: Record) -> Record:
        """Write a new record (spec and status). Raises ConflictError when the name exists already."""
        ...

    async def save(self, record: Record) -> Record:
        """Write the status. Raises ConflictError when someone else wrote since `record.version`."""
        ...

    async def save_notice(self, record: Record, notice: NoticeRef) -> None:
        """Write where the rollout's message stands, and nothing else."""
        ...

    async def fresh(self, record: Record) -> Record | None:
        """The record as the API server has it now, None when it is gone."""
        ...

    async def refreshed(self, key: WorkloadKey) -> tuple[Record, ...]:
        """All records of a workload as `of_workload` gives them, after they were read afresh."""
        ...

    async def delete(self, record: Record) -> None:
        """Remove a record; one that is gone already is fine."""
        ...

    def subscribe(self, listener: Callable[[WorkloadKey], None]) -> None:
        """Call the listener whenever a record of a workload was changed by anyone."""
        ...


class CommandStore(Protocol):
    """The RolloutCommands: read from the watch's cache, answered in their status."""

    def workloads(self) -> Iterable[WorkloadKey]:
        """Every workload that there is a command for."""
        ...

    def of_workload(self, key: WorkloadKey) -> tuple[Command, ...]:
        """All commands for a workload, oldest first. Own answers are visible at once."""
        ...

    async def answer(
        self, command: Command, phase: CommandPhase, message: str, at: datetime, refusal: str = ""
    ) -> None:
        """Write its outcome. Raises ConflictError when someone changed it since it was read."""
        ...

    async def delete(self, command: Command) -> None:
        """Remove it; one that is gone already is fine."""
        ...

    def subscribe(self, listener: Callable[[WorkloadKey], None]) -> None:
        """Call the listener whenever a command for a workload was made or changed."""
        ...


class CommandRequests(Protocol):
    """Makes RolloutCommands in the name of people who cannot make them themselves."""

    async def request(
        self,
        key: WorkloadKey,
        action: CommandAction,
        *,
        name: str,
        requested_by: str,
        record: str = "",
        step: int | None = None,
    ) -> bool:
        """Make it; False where one of this name was made already. Raises ClusterError."""
        ...


class LeaseStore(Protocol):
    """The one lease of all replicas, written under optimistic concurrency."""

    async def read(self, *, timeout: float) -> Lease | None:
        """The lease as it is now, None if it does not exist. Raises ClusterError."""
        ...

    async def write(self, lease: Lease, *, timeout: float) -> Lease:
        """Make it (its version is empty) or replace the one of this version; returns it as stored.

        Raises ConflictError when it exists already or is another one by now. One that was deleted is created again,
        or NotFoundError is raised.
        """
        ...


class FreezeStore(Protocol):
    """The cluster's kill switch."""

    async def read(self) -> Freeze | None:
        """The freeze in force, None without one. Raises ClusterError."""
        ...


class MetricSource(Protocol):
    """One metrics system. Queries arrive rendered (no variables left).

    Every method raises `SourceError` with a MissingReason when there is no usable answer at all; what is unusable
    of single subjects is said in the answer. `until - since` is one tick; an answer for the same times is the same.
    """

    @property
    def name(self) -> str:
        """By which rule files name it: `prometheus`, `datadog`."""
        ...

    @property
    def settle(self) -> float:
        """How many seconds a count needs to settle: evidence is asked for up to `now - settle`."""
        ...

    @property
    def min_interval(self) -> float:
        """The shortest tick in seconds that makes sense of it."""
        ...

    async def counts(self, query: CountQuery, since: datetime, until: datetime) -> tuple[Span, ...]:
        """Totals and errors of every pod (or version) the selectors match, at both times."""
        ...

    async def histogram(self, query: HistogramQuery, since: datetime, until: datetime) -> tuple[Span, ...]:
        """Histograms of every pod (or version) the selector matches, at both times."""
        ...

    async def value(self, query: ValueQuery, at: datetime) -> ValueSample:
        """The answer of a free query."""
        ...

    async def history(self, query: CountQuery | HistogramQuery, past: Past) -> PastCounters:
        """Cumulative counters of pods over a longer time; empty where a histogram has no bound at `past.over`."""
        ...


class PolicySource(Protocol):
    """The rule set in force."""

    def policies(self) -> tuple[Policy, ...]:
        """All policies."""
        ...

    def restore(self, document: Json) -> Policy:
        """The policy that a rollout began with, from its record.

        Raises ConfigurationError when it no longer loads.
        """
        ...


class Conditions(Protocol):
    """Evaluates the conditions of query rules (CEL)."""

    def holds(self, expression: str, values: tuple[float, ...], *, scalar: bool) -> bool:
        """Whether the condition holds for `value` / `result`.

        Raises ValueError when it cannot be evaluated.
        """
        ...


class GateCaller(Protocol):
    """Asks the webhooks among the gates of a step."""

    async def ask(self, gate: WebhookGate, record: Record) -> tuple[GateAnswer, str]:
        """Ask once; the answer and a few words on it. It raises nothing and takes no longer than `gate.timeout`."""
        ...


class Jobs(Protocol):
    """Runs the Jobs among the gates of a step, in the workload's namespace and owned by the rollout's record.

    Every method raises `ClusterError` by its named kind.
    """

    async def run(
        self, gate: JobGate, record: Record, name: str, *, made: bool, timeout: float = 10.0
    ) -> JobState:
        """Where the Job of this name stands; it is made where it was not `made` before and is not there.

        Raises a ClusterError that is not retryable, its reason `NotOurs`, where another's Job has the name.
        """
        ...

    async def remove(self, record: Record, name: str, *, timeout: float = 10.0) -> bool:
        """Delete the Job with its pods; False if this rollout does not have such a Job."""
        ...


class Notifier(Protocol):
    """Tells people. Raises NoticeError."""

    async def publish(self, notice: Notice) -> NoticeRef | None:
        """Tell; returns where the rollout's message stands, where the channel has such a place."""
        ...


class Broadcaster(Protocol):
    """Tells people news of the sentinel itself. Raises NoticeError."""

    async def broadcast(self, bulletin: Bulletin) -> None:
        """Tell it once."""
        ...


class AlertIntake(Protocol):
    """Takes webhook posts in: what the HTTP adapter calls."""

    async def receive(self, notification: Notification) -> Receipt:
        """Record what concerns us, durably, and return the outcome for each alert.

        Raises a retryable ClusterError when it could not be recorded: answer 503.
        """
        ...


class AlertRules(Protocol):
    """Knows how long an alert is pending before it fires."""

    async def pending_for(self, alertname: str) -> float | None:
        """The rule's `for:` in seconds, None if it is unknown."""
        ...


class Telemetry(Protocol):
    """Numbers about the sentinel itself; the adapter puts `sentinel_` before the names."""

    def count(self, name: MetricName, amount: float = 1, **labels: str) -> None:
        """Add to a counter."""
        ...

    def observe(self, name: MetricName, seconds: float, **labels: str) -> None:
        """Put one observation into a histogram."""
        ...

    def gauge(self, name: MetricName, value: float, **labels: str) -> None:
        """Set a gauge."""
        ...

    def info(self, name: MetricName, **labels: str) -> None:
        """Say what holds now, in place of what was said before."""
        ...


class Tracer(Protocol):
    """Measures the sentinel's work as nested spans, for a collector of traces."""

    def span(self, name: str, **attributes: str) -> AbstractContextManager[None]:
        """A span that lasts as long as its block; an error that leaves the block is noted in it."""
        ...


class NullTracer:
    """Traces nothing."""

    def span(self, name: str, **attributes: str) -> AbstractContextManager[None]:
        """Nothing."""
        return nullcontext()

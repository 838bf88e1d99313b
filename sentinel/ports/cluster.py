"""The cluster: its workloads, the sentinel's own resources in it, and the Jobs of gates."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Protocol

from sentinel.domain.command import Command, CommandAction, CommandPhase
from sentinel.domain.coordination import Freeze, Lease
from sentinel.domain.decision import Change
from sentinel.domain.gate import JobGate, JobState
from sentinel.domain.record.entries import NoticeRef
from sentinel.domain.record.record import Record
from sentinel.domain.revert import RevertRef
from sentinel.domain.workload.config import ConfigReading
from sentinel.domain.workload.facts import Workload, WorkloadKey
from sentinel.domain.workload.keeper import KeeperHold
from sentinel.domain.workload.pairing import Pairing
from sentinel.domain.workload.revision import Applied
from sentinel.reports.history import RolloutHistory


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

    def pair(self, pairings: Iterable[Pairing]) -> None:
        """From now on make one workload of the members of each pairing, wherever they are in its namespaces."""
        ...

    def pair_of(self, key: WorkloadKey) -> WorkloadKey:
        """The pair that a workload is a member of, or the workload itself."""
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

    def follow_config(self, workload: Workload, *, wanted: bool = True) -> None:
        """Have the snapshots show the content of what the candidate's template names, or no longer; cheap."""
        ...

    async def read_config(self, workload: Workload, *, keep: bool) -> ConfigReading:
        """The content of what the candidate's template names, read afresh within about a second.

        What cannot be read is not known; nothing is raised. With `keep` the reading has the data of ConfigMaps, for a
        record.
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


class Keepers(Protocol):
    """Holds and releases what deploys workloads from another place, so that an undo lasts.

    Every method raises `ClusterError` by its named kind.
    """

    async def hold(self, key: WorkloadKey, hold: KeeperHold, record: str, *, timeout: float) -> str:
        """Put the hold of the workload's record of this name in force, and read it back.

        Nothing that was begun before may still write when this returns its sentence. A hold that is in force already is
        done. Raises ConflictError when what it changes is not as `hold.original` has it, NotFoundError when what is to
        be held is gone, and ClusterUnavailableError when it is not in force within `timeout` seconds.
        """
        ...

    async def release(self, key: WorkloadKey, hold: KeeperHold, record: str, *, timeout: float) -> str:
        """Have the workload's record of this name need the hold no longer.

        Restores what the hold changed, exactly, once no other record needs it. One that is gone, or was lifted, is
        released already.
        """
        ...


class RecordStore(Protocol):
    """The RolloutRecords: read from the watch's cache, written under optimistic concurrency."""

    def of_workload(self, key: WorkloadKey) -> tuple[Record, ...]:
        """All records of a workload, newest rollout first. Own writes are visible at once."""
        ...

    def named(self, namespace: str, name: str) -> Record | None:
        """The record of this name; None where it does not exist."""
        ...

    def all(self) -> Iterable[Record]:
        """Every record."""
        ...

    def live(self) -> Iterable[Record]:
        """The records of rollouts to which anything may still happen; few, where `all` grows with the history."""
        ...

    def in_flight(self, key: WorkloadKey) -> bool:
        """Whether anything may still happen to a rollout of this workload; costs next to nothing."""
        ...

    async def create(self, record: Record) -> Record:
        """Write a new record (spec and status). Raises ConflictError when the name exists already."""
        ...

    async def save(self, record: Record) -> Record:
        """Write the status. Raises ConflictError when someone else wrote since `record.version`."""
        ...

    async def save_notice(self, record: Record, notice: NoticeRef, channel: str = "") -> None:
        """Write the place of the rollout's message, of a further channel or (without a name) of Slack; nothing else."""
        ...

    async def save_revert(self, record: Record, revert: RevertRef) -> None:
        """Write the outcome of the revert in Git, and nothing else."""
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


class HistoryStore(Protocol):
    """What the deleted records of each workload came to, written under optimistic concurrency."""

    async def read(self, key: WorkloadKey) -> RolloutHistory:
        """The history of a workload, empty where nothing was kept yet. Raises ClusterError."""
        ...

    async def all(self) -> tuple[RolloutHistory, ...]:
        """Every history; one that cannot be read is left out. Raises ClusterError."""
        ...

    async def write(self, history: RolloutHistory) -> None:
        """Make it, or replace the one of its version. Raises ConflictError when someone else wrote it since."""
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
        reason: str = "",
        source: str = "",
    ) -> bool:
        """Make it; False where one of this name was made already. Raises ClusterError.

        `source` says from where the person asked, for an audit.
        """
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


class LeaseDirectory(Protocol):
    """The leases of replicas that divide the same cluster into another number of shards."""

    async def others(self, *, timeout: float) -> Mapping[str, Lease]:
        """Those that exist, by name. Raises ClusterError."""
        ...


class FreezeStore(Protocol):
    """The cluster's kill switch."""

    async def read(self) -> Freeze | None:
        """The freeze in force, None without one. Raises ClusterError."""
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

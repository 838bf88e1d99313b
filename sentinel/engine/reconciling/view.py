"""What a reconcile may look at: the newest state of everything that is watched, read without waiting."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from sentinel.domain.command import Command
from sentinel.domain.policy.policy import Mode, Policy, UndoBudget
from sentinel.domain.record.record import Record
from sentinel.domain.workload.facts import Workload, WorkloadKey
from sentinel.engine.alerts.naming import Directory
from sentinel.engine.evidence.assessment import Holds


class View(Protocol):
    """The world as the watches show it. Nothing here waits for anything."""

    @property
    def cluster_budget(self) -> UndoBudget | None:
        """How many undos are allowed in the whole cluster."""
        ...

    @property
    def keeper_hold_for(self) -> timedelta:
        """After what time people are called because of a hold on who deploys a workload."""
        ...

    @property
    def holds(self) -> Holds:
        """Evaluates the conditions of query rules."""
        ...

    def now(self) -> datetime:
        """The time of day, aware, UTC."""
        ...

    def workload(self, key: WorkloadKey) -> Workload | None:
        """The snapshot of the workload, None when it is gone."""
        ...

    def disbanded(self, key: WorkloadKey) -> bool:
        """Whether no policy makes one workload of these objects now, though they may still exist."""
        ...

    def records(self, key: WorkloadKey) -> tuple[Record, ...]:
        """All records of the workload, newest rollout first; what was just saved is among them."""
        ...

    def all_records(self) -> Iterable[Record]:
        """The records of all workloads."""
        ...

    def guarding(self, workload: Workload) -> Policy | None:
        """The policy that guards the workload now."""
        ...

    def policy_of(self, record: Record) -> Policy | None:
        """The policy that the rollout goes on under."""
        ...

    def mode(self, policy: Policy) -> Mode:
        """The stricter of the policy's mode and the settings'."""
        ...

    def mode_of(self, record: Record) -> Mode:
        """The mode in which a rollout goes on now; the one it began in where no policy is left for it."""
        ...

    def command(self, key: WorkloadKey) -> Command | None:
        """The oldest command for the workload that waits for an answer."""
        ...

    def directory(self) -> Directory:
        """The cluster's workloads as alerts' labels are read by them."""
        ...

    def alerts_elsewhere(self, key: WorkloadKey) -> Sequence[tuple[WorkloadKey, datetime]]:
        """When alerts came in for other workloads."""
        ...

"""The world as the watches of this process show it: what a reconcile may look at."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sentinel.domain.alert import AlertStatus
from sentinel.domain.command import Command
from sentinel.domain.policy.policy import Mode, Policy, UndoBudget, pairings_of
from sentinel.domain.policy.rules import ErrorRateRule, LatencyRule
from sentinel.domain.record.record import Record
from sentinel.domain.workload.facts import Workload, WorkloadKey
from sentinel.domain.workload.kinds import PAIRED
from sentinel.engine.alerts.naming import Directory
from sentinel.engine.evidence.assessment import Holds
from sentinel.engine.rollout.situation import KEEPER_HOLD_FOR
from sentinel.ports import Clock, Cluster, Conditions, RecordStore
from sentinel.runtime.alerts.directory import directory_of
from sentinel.runtime.evidence.neighbours import Neighbour
from sentinel.runtime.policy_registry import PolicyRegistry
from sentinel.runtime.reconciling.commands import CommandHandler


class LiveView:
    """Reads the caches of the cluster, the records, the commands and the rule files; nothing waits."""

    def __init__(
        self,
        cluster: Cluster,
        store: RecordStore,
        registry: PolicyRegistry,
        commands: CommandHandler,
        conditions: Conditions,
        clock: Clock,
        cluster_budget: UndoBudget | None = None,
        keeper_hold_for: timedelta = KEEPER_HOLD_FOR,
    ) -> None:
        self._cluster = cluster
        self._store = store
        self._registry = registry
        self._commands = commands
        self._clock = clock
        self._holds: Holds = lambda text, values, scalar: conditions.holds(text, values, scalar=scalar)
        self._cluster_budget = cluster_budget
        self._keeper_hold_for = keeper_hold_for

    @property
    def keeper_hold_for(self) -> timedelta:
        """After what time people are called because of a hold on who deploys a workload."""
        return self._keeper_hold_for

    @property
    def cluster_budget(self) -> UndoBudget | None:
        """How many undos are allowed in the whole cluster."""
        return self._cluster_budget

    @property
    def holds(self) -> Holds:
        """Evaluates the conditions of query rules."""
        return self._holds

    def now(self) -> datetime:
        """The cluster's time of day."""
        return self._clock.now()

    def workload(self, key: WorkloadKey) -> Workload | None:
        """The snapshot of the workload, None when it is gone."""
        return self._cluster.workload(key)

    def disbanded(self, key: WorkloadKey) -> bool:
        """Whether no policy makes one workload of these objects now."""
        made = pairings_of(self._registry.in_force())
        return key.kind in PAIRED and not any(one.makes(key.kind, key.namespace, key.name) for one in made)

    def records(self, key: WorkloadKey) -> tuple[Record, ...]:
        """All records of the workload, newest rollout first."""
        return self._store.of_workload(key)

    def all_records(self) -> Iterable[Record]:
        """The records of all workloads."""
        return self._store.all()

    def guarding(self, workload: Workload) -> Policy | None:
        """The policy that guards the workload now."""
        return self._registry.guarding(workload)

    def policy_of(self, record: Record) -> Policy | None:
        """The policy that the rollout goes on under."""
        return self._registry.of(record)

    def mode(self, policy: Policy) -> Mode:
        """The stricter of the policy's mode and the settings'."""
        return self._registry.mode(policy)

    def mode_of(self, record: Record) -> Mode:
        """The mode in which a rollout goes on now."""
        return self._registry.mode_of(record)

    def command(self, key: WorkloadKey) -> Command | None:
        """The oldest command for the workload that waits for an answer."""
        return self._commands.next(key)

    def directory(self) -> Directory:
        """The cluster's workloads as alerts' labels are read by them."""
        return directory_of(self._cluster)

    def alerts_elsewhere(self, key: WorkloadKey) -> Sequence[tuple[WorkloadKey, datetime]]:
        """When alerts came in for other workloads: a storm is nobody's fault in particular."""
        return [
            (other.key, entry.received_at)
            for other in self._store.live()
            if other.key != key
            for entry in other.alerts
            if entry.status is AlertStatus.FIRING
        ]

    def neighbours(self, rule: ErrorRateRule | LatencyRule, workload: Workload) -> Sequence[Neighbour]:
        """The other guarded workloads at rest that have a rule of the same kind."""
        found, everyone = [], self._cluster.keys()
        for key in everyone:
            other = self._cluster.workload(key) if key != workload.key else None
            policy = self._registry.guarding(other) if other is not None and other.rolled_out else None
            if other is None or policy is None:
                continue
            same = next((r for r in policy.rules if type(r) is type(rule)), None)
            if isinstance(same, ErrorRateRule | LatencyRule):
                found.append(Neighbour(other, same))
        return found

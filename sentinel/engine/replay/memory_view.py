"""The world of a replay, as a reconcile looks at it: everything is in memory, and the time is what it is set to."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sentinel.domain.command import Command, CommandAction
from sentinel.domain.policy.policy import Mode, Policy, UndoBudget
from sentinel.domain.record.record import Record
from sentinel.domain.workload.facts import Workload, WorkloadKey
from sentinel.engine.alerts.naming import Directory
from sentinel.engine.evidence.assessment import Holds
from sentinel.engine.replay.setting import Setting
from sentinel.engine.rollout.gates import ungated
from sentinel.engine.rollout.situation import KEEPER_HOLD_FOR
from sentinel.values import replace


class MemoryView:
    """One workload, its records and what people asked for, at one moment after the other."""

    def __init__(self, setting: Setting) -> None:
        self.policy = ungated(setting.policy)
        self.kept: tuple[Record, ...] = ()
        self._setting = setting
        self._now = setting.begins
        self._workload = setting.world.at(self._now)
        assert self._workload is not None, "a replay begins with a workload"
        self.key = self._workload.key
        self._commands = _commands(setting, self.key)
        self._versions = 0

    def move_to(self, now: datetime) -> None:
        """Let it be this time; it never goes back."""
        self._now = now
        self._workload = self._setting.world.at(now)

    def keep(self, record: Record) -> Record:
        """Write a record; returns it as written."""
        self._versions += 1
        written = replace(record, version=str(self._versions))
        others = tuple(known for known in self.kept if known.name != record.name)
        self.kept = tuple(sorted((written, *others), key=lambda known: known.started_at, reverse=True))
        return written

    def answered(self, command: Command) -> None:
        """The command has its answer."""
        self._commands = [known for known in self._commands if known.uid != command.uid]

    @property
    def cluster_budget(self) -> UndoBudget | None:
        """A replay is one workload: the cluster's budget is not spent."""
        return None

    @property
    def keeper_hold_for(self) -> timedelta:
        """Nothing deploys a replayed workload."""
        return KEEPER_HOLD_FOR

    @property
    def holds(self) -> Holds:
        """Evaluates the conditions of query rules."""
        return self._setting.holds

    def now(self) -> datetime:
        """The time it was set to."""
        return self._now

    def workload(self, key: WorkloadKey) -> Workload | None:
        """The snapshot of the workload, None when it is gone."""
        return self._workload if key == self.key else None

    def disbanded(self, key: WorkloadKey) -> bool:
        """Never: the policy that is replayed stays."""
        return False

    def records(self, key: WorkloadKey) -> tuple[Record, ...]:
        """All records of the workload, newest rollout first."""
        return self.kept if key == self.key else ()

    def all_records(self) -> Iterable[Record]:
        """The records of the one workload there is."""
        return self.kept

    def guarding(self, workload: Workload) -> Policy | None:
        """The policy that is replayed."""
        return self.policy

    def policy_of(self, record: Record) -> Policy | None:
        """The policy that is replayed."""
        return self.policy

    def mode(self, policy: Policy) -> Mode:
        """The policy's own mode."""
        return policy.mode

    def mode_of(self, record: Record) -> Mode:
        """The policy's own mode."""
        return self.policy.mode

    def command(self, key: WorkloadKey) -> Command | None:
        """What people asked for by now and was not answered."""
        return next((command for command in self._commands if command.created_at <= self._now), None)

    def directory(self) -> Directory:
        """This workload is all that is known of the cluster."""
        return Directory(frozenset({self.key}), self._owner, self._behind)

    def alerts_elsewhere(self, key: WorkloadKey) -> Sequence[tuple[WorkloadKey, datetime]]:
        """When alerts came in for other workloads."""
        return [(other, at) for other, at in self._setting.script.elsewhere if at <= self._now]

    def _owner(self, namespace: str, pod: str) -> WorkloadKey | None:
        pods = self._workload.pods if self._workload is not None else ()
        known = namespace == self.key.namespace and any(one.name == pod for one in pods)
        return self.key if known else None

    def _behind(self, namespace: str, service: str) -> tuple[WorkloadKey, ...]:
        return (self.key,) if (namespace, service) == (self.key.namespace, self.key.name) else ()


def _commands(setting: Setting, key: WorkloadKey) -> list[Command]:
    """What people ask for in the script, as the commands they would make of it."""
    script = setting.script
    asked: list[tuple[datetime, CommandAction, int | None]] = [
        *((at, CommandAction.APPROVE, step) for at, step in script.approvals),
        *((at, CommandAction.RESUME, None) for at in script.resumes),
    ]
    return [
        Command(
            name=f"{action.value}-{number}",
            key=key,
            action=action,
            requested_by="script",
            created_at=at,
            uid=f"{action.value}-{number}",
            step=step,
        )
        for number, (at, action, step) in enumerate(sorted(asked, key=lambda one: one[0]))
    ]

"""What is replayed: a policy, a workload on virtual time, and what people and Alertmanager do meanwhile."""

from collections.abc import Collection, Mapping
from dataclasses import field
from datetime import datetime
from typing import Protocol

from sentinel.domain.decision import Change
from sentinel.domain.policy.policy import Policy
from sentinel.domain.record.entries import AlertEntry
from sentinel.domain.workload.facts import Workload, WorkloadKey
from sentinel.engine.evidence.assessment import Holds
from sentinel.engine.evidence.schedule import SourceTiming
from sentinel.values import dataclass


class World(Protocol):
    """A workload on virtual time. `at` is called with times that never go back."""

    def at(self, now: datetime) -> Workload | None:
        """The workload as the watch would show it now, None when it is gone."""
        ...

    def apply(self, change: Change, now: datetime) -> None:
        """Make a change; a record of the past may ignore it."""
        ...

    def next_change(self, after: datetime) -> datetime | None:
        """When the workload next changes by itself."""
        ...


@dataclass(frozen=True, slots=True)
class Script:
    """What people and Alertmanager do meanwhile.

    `alerts` come in at their `received_at` (a repeat of one fingerprint with status resolved resolves it);
    `elsewhere` are alerts of other workloads. `approvals` are steps, from 1, with the time of the approval; `resumes`
    end holds. `others_over` counts the neighbours that are over their limits whenever that is asked.
    """

    alerts: tuple[AlertEntry, ...] = ()
    elsewhere: tuple[tuple[WorkloadKey, datetime], ...] = ()
    approvals: tuple[tuple[datetime, int], ...] = ()
    resumes: tuple[datetime, ...] = ()
    others_over: int = 0

    def next_event(self, after: datetime) -> datetime | None:
        """When something of it happens next."""
        times = (*(a.received_at for a in self.alerts), *(at for at, _ in self.approvals), *self.resumes)
        return min((at for at in times if at > after), default=None)


@dataclass(frozen=True, slots=True)
class Setting:
    """What is replayed: a policy on a world, from the first sight of the rollout until `ends` at the latest.

    `stable` is the digest of the revision that was at rest before, None where that is not known. `holds` evaluates
    conditions of query rules; `timings` say how each metrics source wants to be asked. `seen_at` are the times at which
    verdicts are looked at: between them, ticks that can change none are judged together, as the daemon judges them.
    None: at any time, so that each tick is judged at its own.
    """

    policy: Policy
    world: World
    begins: datetime
    ends: datetime
    holds: Holds
    stable: str | None = None
    script: Script = Script()
    timings: Mapping[str, SourceTiming] = field(default_factory=dict)
    seen_at: Collection[datetime] | None = None

"""DORA's four figures of software delivery: of each workload, each namespace, and all together."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from datetime import datetime

from sentinel.domain.record.record import Record
from sentinel.domain.workload.facts import WorkloadKey
from sentinel.reports.history import DayOfChanges, Days, RolloutHistory, whole_history, within
from sentinel.values import dataclass

WINDOWS = (7, 30, 90)
"""The lengths in days of the times that are reported."""


@dataclass(frozen=True, slots=True)
class DoraTargets:
    """What a team aims at: deployments a day, median lead time in seconds, share of changes that fail, and median time
    to restore in seconds."""

    deployments_per_day: float = 1.0
    lead_time: float = 3600.0
    change_failure_rate: float = 0.05
    time_to_restore: float = 900.0


@dataclass(frozen=True, slots=True)
class DoraFigures:
    """The four figures over so many days; None where there was nothing to measure."""

    days: int
    total: DayOfChanges

    @property
    def deployments_per_day(self) -> float:
        """How many changes were promoted in a day, on average."""
        return self.total.deployments / self.days

    @property
    def lead_time(self) -> float | None:
        """The median time from commit to promotion, in seconds."""
        return self.total.lead.median

    @property
    def change_failure_rate(self) -> float | None:
        """The share of changes that were undone, put back by hand, or found bad and replaced."""
        return self.total.failed / self.total.changes if self.total.changes else None

    @property
    def time_to_restore(self) -> float | None:
        """The median time from the first sign of a fault until the old revision was back, in seconds."""
        return self.total.restore.median

    def met(self, targets: DoraTargets) -> dict[str, bool | None]:
        """Whether each figure is as good as its target, by its name; None where it is not known."""
        lead, failure, restore = self.lead_time, self.change_failure_rate, self.time_to_restore
        return {
            "deployments_per_day": self.deployments_per_day >= targets.deployments_per_day,
            "lead_time": None if lead is None else lead < targets.lead_time,
            "change_failure_rate": None if failure is None else failure < targets.change_failure_rate,
            "time_to_restore": None if restore is None else restore < targets.time_to_restore,
        }


@dataclass(frozen=True, slots=True)
class DoraScope:
    """The figures of one workload, of a namespace (`workload` is None) or of all (`namespace` is empty), by window."""

    namespace: str
    workload: WorkloadKey | None
    figures: Sequence[DoraFigures] = field(default_factory=tuple)


def dora(
    records: Iterable[Record],
    histories: Sequence[RolloutHistory],
    now: datetime,
    windows: Sequence[int] = WINDOWS,
) -> tuple[DoraScope, ...]:
    """The figures of all together, then of each namespace with its workloads, by name.

    A window is whole days in UTC, today included. Workloads without a change in the longest window are left out.
    """
    every = whole_history(records, histories)
    known = {key: days for key, days in every.items() if within(days, now.date(), max(windows)).changes}

    def scope(namespace: str, workload: WorkloadKey | None, days: Sequence[Days]) -> DoraScope:
        totals = (sum((within(one, now.date(), w) for one in days), DayOfChanges()) for w in windows)
        return DoraScope(
            namespace,
            workload,
            tuple(DoraFigures(w, total) for w, total in zip(windows, totals, strict=True)),
        )

    found = [scope("", None, tuple(known.values()))]
    for namespace in sorted({key.namespace for key in known}):
        mine = {key: days for key, days in known.items() if key.namespace == namespace}
        found.append(scope(namespace, None, tuple(mine.values())))
        found += [
            scope(namespace, key, (days,)) for key, days in sorted(mine.items(), key=lambda one: str(one[0]))
        ]
    return tuple(found)


def dora_document(scopes: Iterable[DoraScope], targets: DoraTargets) -> dict[str, object]:
    """The figures as plain values: times in seconds, shares between 0 and 1, null where there is nothing to measure."""
    return {
        "targets": _camel(targets_of(targets)),
        "scopes": [
            {
                "namespace": scope.namespace,
                "kind": scope.workload.kind.value if scope.workload else "",
                "workload": scope.workload.name if scope.workload else "",
                "windows": [_window(figures, targets) for figures in scope.figures],
            }
            for scope in scopes
        ],
    }


def targets_of(targets: DoraTargets) -> dict[str, float]:
    """The targets by the names of the figures."""
    return {
        "deployments_per_day": targets.deployments_per_day,
        "lead_time": targets.lead_time,
        "change_failure_rate": targets.change_failure_rate,
        "time_to_restore": targets.time_to_restore,
    }


def _window(figures: DoraFigures, targets: DoraTargets) -> dict[str, object]:
    total = figures.total
    return {
        "days": figures.days,
        "changes": total.changes,
        "deployments": total.deployments,
        "failed": total.failed,
        "deploymentsPerDay": figures.deployments_per_day,
        "leadTime": figures.lead_time,
        "leadTimes": total.lead.count,
        "leadTimesByImage": total.by_image,
        "changeFailureRate": figures.change_failure_rate,
        "timeToRestore": figures.time_to_restore,
        "timesToRestore": total.restore.count,
        "met": _camel(figures.met(targets)),
    }


def _camel(values: Mapping[str, object]) -> dict[str, object]:
    heads = ((name.partition("_"), value) for name, value in values.items())
    return {head + rest.title().replace("_", ""): value for (head, _, rest), value in heads}

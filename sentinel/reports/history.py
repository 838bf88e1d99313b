"""The history of a workload that outlives its records: what its changes came to, day by day."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from datetime import date, datetime, timedelta

from sentinel.domain.record.record import Record
from sentinel.domain.workload.facts import WorkloadKey
from sentinel.domain.workload.revision import OriginKind
from sentinel.reports.changes import ProductionChange, change_of
from sentinel.reports.durations import Durations
from sentinel.values import dataclass

KEPT = timedelta(days=92)
"""So many days are kept: the longest time that is reported, with what a clock may be off."""


@dataclass(frozen=True, slots=True)
class DayOfChanges:
    """The changes of one day in UTC. `by_image` counts the lead times that are from the making of an image."""

    changes: int = 0
    deployments: int = 0
    failed: int = 0
    lead: Durations = field(default_factory=Durations)
    by_image: int = 0
    restore: Durations = field(default_factory=Durations)

    @classmethod
    def of(cls, change: ProductionChange) -> "DayOfChanges":
        """A day with this one change."""
        return cls(
            1,
            int(change.deployed),
            int(change.failed),
            Durations.of([] if change.lead is None else [change.lead]),
            int(change.lead_from is OriginKind.IMAGE),
            Durations.of([] if change.restore is None else [change.restore]),
        )

    def __add__(self, other: "DayOfChanges") -> "DayOfChanges":
        return DayOfChanges(
            self.changes + other.changes,
            self.deployments + other.deployments,
            self.failed + other.failed,
            self.lead + other.lead,
            self.by_image + other.by_image,
            self.restore + other.restore,
        )


Days = Mapping[str, DayOfChanges]
"""By the day in UTC, as `2026-11-29`."""


@dataclass(frozen=True, slots=True)
class RolloutHistory:
    """What the records of a workload that were deleted came to.

    `folded` are the uids of records that are in it already and may still be there, so that none counts twice. `version`
    is the resourceVersion, empty when new.
    """

    key: WorkloadKey
    days: Days = field(default_factory=dict)
    folded: frozenset[str] = frozenset()
    version: str = ""

    def with_records(
        self, leaving: Iterable[Record], there: Iterable[Record], now: datetime
    ) -> "RolloutHistory":
        """The history with records that are about to be deleted; `there` are all that still exist."""
        left = tuple(leaving)
        known = self.folded & {one.uid for one in there}
        days = days_of([one for one in left if one.uid not in known], self.days)
        oldest = (now - KEPT).date().isoformat()
        kept = {day: changes for day, changes in days.items() if day >= oldest}
        return replace(self, days=kept, folded=known | {one.uid for one in left})


def days_of(records: Iterable[Record], days: Days | None = None) -> dict[str, DayOfChanges]:
    """The changes of these records by day, on top of `days`."""
    found = dict(days or {})
    for change in filter(None, map(change_of, records)):
        day = change.at.date().isoformat()
        found[day] = found.get(day, DayOfChanges()) + DayOfChanges.of(change)
    return found


def whole_history(
    records: Iterable[Record], histories: Sequence[RolloutHistory]
) -> dict[WorkloadKey, dict[str, DayOfChanges]]:
    """Each workload's days: what its history has, and its records that are not in there."""
    folded = {history.key: history.folded for history in histories}
    days = {history.key: dict(history.days) for history in histories}
    for record in records:
        if record.uid not in folded.get(record.key, frozenset()):
            days[record.key] = days_of([record], days.get(record.key))
    return days


def within(days: Days, today: date, length: int) -> DayOfChanges:
    """The changes of so many days, today included."""
    first = (today - timedelta(days=length - 1)).isoformat()
    last = today.isoformat()
    total = DayOfChanges()
    for day, changes in days.items():
        if first <= day <= last:
            total = total + changes
    return total

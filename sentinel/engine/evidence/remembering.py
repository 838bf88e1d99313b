"""What earlier rollouts of a workload taught: read from their records when the rollout begins, not at each tick.

Records of rollouts that are over are kept as bytes, twenty of a workload.
"""

from collections.abc import Collection, Mapping, Sequence

from sentinel.domain.policy.policy import Policy
from sentinel.domain.record.record import Record
from sentinel.engine.evidence.history import learns, remembered
from sentinel.engine.evidence.starting import remembered_start
from sentinel.engine.statistics.calibration import Calibration
from sentinel.engine.statistics.starts import StartProfile
from sentinel.values import dataclass


@dataclass(frozen=True, slots=True)
class Lessons:
    """By rule what the last rollout learnt, None where none did, and how the revision promoted last started."""

    calibrations: Mapping[str, Calibration | None]
    starts: Mapping[str, StartProfile]

    @classmethod
    def of(cls, policy: Policy, record: Record, records: Sequence[Record]) -> "Lessons":
        """What `records`, the workload's own, newest first, say for the rollout of one of them."""
        names = [rule.name for rule in policy.rules if learns(rule)]
        starts = {name: remembered_start(name, record, records) for name in names}
        return cls(
            {name: remembered(name, record, records) for name in names},
            {name: profile for name, profile in starts.items() if profile is not None},
        )


class LessonReader:
    """Reads the lessons of a rollout again only where the policy or a record before it is another."""

    def __init__(self) -> None:
        self._read: dict[str, tuple[Policy, tuple[Record, ...], Lessons]] = {}

    def lessons(self, policy: Policy, record: Record, records: Sequence[Record]) -> Lessons:
        """As `Lessons.of`."""
        before = tuple([one for one in records if one.name != record.name])
        known = self._read.get(record.name)
        if known is not None and known[0] is policy and _same(known[1], before):
            return known[2]
        lessons = Lessons.of(policy, record, before)
        self._read[record.name] = (policy, before, lessons)
        return lessons

    def forget(self, name: str) -> None:
        """The rollout of the record of this name is over."""
        self._read.pop(name, None)

    def keep_only(self, live: Collection[str]) -> None:
        """Forget all rollouts but those of the records of these names."""
        for name in self._read.keys() - live:
            del self._read[name]


def _same(one: Sequence[Record], other: Sequence[Record]) -> bool:
    return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))

"""What earlier rollouts of a workload taught: read from their records when the rollout begins, not at each tick.

Records of rollouts that are over are kept as bytes, twenty of a workload.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

from sentinel.bounded import BoundedDict
from sentinel.domain.policy.policy import Policy
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from sentinel.domain.workload.facts import WorkloadKey
from sentinel.engine.evidence.history import learns, remembered
from sentinel.engine.evidence.starting import remembered_start, starts_flagrantly
from sentinel.engine.statistics.calibration import Calibration
from sentinel.engine.statistics.starts import StartProfile
from sentinel.values import dataclass

REMEMBERED = 200
"""Rules of policies whose workloads' starts are known."""


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


class FlagrantStarts:
    """Whether workloads of a policy are known to start with most of their requests failing.

    Asked as a candidate fails flagrantly, when thousands of records cannot be read: of each workload the one that
    was promoted last is read, once.
    """

    def __init__(self) -> None:
        self._known: BoundedDict[tuple[str, str], Mapping[str, bool]] = BoundedDict(REMEMBERED)

    def any(self, policy: str, records: Iterable[Record], rule: str) -> bool:
        """Whether any of these records of a policy says so of a rule."""
        newest: dict[WorkloadKey, Record] = {}
        for one in records:
            if one.policy != policy or one.state.phase is not Phase.PROMOTED:
                continue
            if one.key not in newest or one.started_at > newest[one.key].started_at:
                newest[one.key] = one
        before = self._known.get((policy, rule), {})
        known = {
            one.name: before[one.name] if one.name in before else starts_flagrantly(one, rule)
            for one in newest.values()
        }
        self._known[policy, rule] = known
        return any(known.values())


def _same(one: Sequence[Record], other: Sequence[Record]) -> bool:
    return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))

"""How a replayed rollout went."""

from datetime import datetime

from sentinel.domain.record.entries import DecisionEntry
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from sentinel.domain.verdict import RuleVerdict
from sentinel.values import dataclass


@dataclass(frozen=True, slots=True)
class Look:
    """One pass: the verdicts it came to, and the decision it entered, if any."""

    at: datetime
    phase: Phase
    step: int
    verdicts: tuple[RuleVerdict, ...] = ()
    entry: DecisionEntry | None = None


@dataclass(frozen=True, slots=True)
class ReplayedRollout:
    """How it went: every reconcile in order, and the last record (None: no rollout was seen)."""

    looks: tuple[Look, ...]
    record: Record | None

    @property
    def decisions(self) -> tuple[DecisionEntry, ...]:
        """All decisions in order."""
        return tuple(look.entry for look in self.looks if look.entry is not None)

    def verdict(self, rule: str, at: datetime) -> RuleVerdict | None:
        """What a rule said last, at this time or before."""
        for look in reversed(self.looks):
            found = next((v for v in look.verdicts if v.rule == rule), None) if look.at <= at else None
            if found is not None:
                return found
        return None

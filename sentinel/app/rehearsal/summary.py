"""The result of all rehearsals together."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from sentinel.app.rehearsal.model import Rehearsed, RehearsedVerdict, RevisionFate
from sentinel.domain.figures import amount, duration, rfc3339
from sentinel.values import dataclass


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts of rollouts. `undone` are those that the rules would have undone.

    Of these `confirmed` were rolled back by people, and `suspected_false` are still running or ran for a day.
    `missed` were rolled back by people and not by the rules. `saved` are seconds, of the confirmed ones, that the
    rules were sooner.
    """

    rollouts: int
    undone: int
    confirmed: int
    suspected_false: int
    unclear: int
    missed: int
    promoted: int
    held: int
    undecided: int
    unguarded: int
    failed: int
    saved_total: float
    saved_median: float | None


def summary_of(results: Sequence[Rehearsed]) -> Summary:
    """Count them."""
    by = {verdict: [one for one in results if one.verdict is verdict] for verdict in RehearsedVerdict}
    undone = by[RehearsedVerdict.UNDO]
    saved = [one.saved.total_seconds() for one in undone if one.saved is not None]
    return Summary(
        rollouts=len(results),
        undone=len(undone),
        confirmed=sum(one.rollout.fate is RevisionFate.ROLLED_BACK for one in undone),
        suspected_false=sum(one.suspected_false for one in undone),
        unclear=sum(one.rollout.fate is RevisionFate.REPLACED for one in undone),
        missed=sum(one.missed for one in results),
        promoted=len(by[RehearsedVerdict.PROMOTE]),
        held=len(by[RehearsedVerdict.HOLD]),
        undecided=len(by[RehearsedVerdict.UNDECIDED]),
        unguarded=len(by[RehearsedVerdict.UNGUARDED]),
        failed=len(by[RehearsedVerdict.FAILED]),
        saved_total=sum(saved),
        saved_median=median(saved) if saved else None,
    )


@dataclass(frozen=True, slots=True)
class RehearsalReport:
    """Everything that a report shows. `notes` are sentences on what could not be rehearsed."""

    prometheus: str
    since: datetime
    until: datetime
    rules: str
    results: tuple[Rehearsed, ...]
    notes: tuple[str, ...] = ()

    @property
    def summary(self) -> Summary:
        """The counts."""
        return summary_of(self.results)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "prometheus": self.prometheus,
            "since": rfc3339(self.since),
            "until": rfc3339(self.until),
            "rules": self.rules,
            "summary": asdict(self.summary),
            "notes": list(self.notes),
            "rollouts": [one.as_json() for one in self.results],
        }


def sentences(summary: Summary) -> list[str]:
    """The counts in words."""
    found = [
        f"{amount(summary.rollouts, 'rollout')}: the rules would have undone {summary.undone}, promoted "
        f"{summary.promoted} and held {summary.held}; {summary.undecided} ended before a decision",
    ]
    if summary.undone:
        found.append(
            f"of the {summary.undone} undone, people also rolled back {summary.confirmed}, kept "
            f"{summary.suspected_false} (suspected false) and soon replaced {summary.unclear}"
        )
    if summary.missed:
        found.append(f"people rolled back {summary.missed} that the rules would not have undone")
    if summary.saved_median is not None:
        found.append(
            f"the rules would have been {duration(timedelta(seconds=summary.saved_median))} faster in the median, "
            f"{duration(timedelta(seconds=summary.saved_total))} in total"
        )
    if summary.unguarded or summary.failed:
        found.append(f"no policy guards {summary.unguarded}, and {summary.failed} could not be rehearsed")
    return found

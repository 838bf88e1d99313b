"""Results of rehearsals for the tests of what is made of them."""

from datetime import UTC, datetime, timedelta

from sentinel.app.rehearsal.model import (
    Curve,
    MeasuredPoint,
    PastRollout,
    Rehearsed,
    RehearsedVerdict,
    RevisionFate,
    Told,
)
from sentinel.app.rehearsal.summary import RehearsalReport

T0 = datetime(2026, 11, 1, 12, tzinfo=UTC)


def rollout(
    fate: RevisionFate = RevisionFate.KEPT, *, name: str = "web", minutes: float | None = None
) -> PastRollout:
    """A rollout that ended after so many minutes."""
    ended = T0 + timedelta(minutes=minutes) if minutes is not None else None
    return PastRollout(
        "shop", name, "new1", "old1", T0, ended or T0 + timedelta(hours=2), fate, ended, ("new1", "old1")
    )


def result(
    verdict: RehearsedVerdict,
    fate: RevisionFate = RevisionFate.KEPT,
    *,
    name: str = "web",
    minutes: float | None = None,
    after: float = 2.0,
    message: str = "20 % of 100 requests failed",
) -> Rehearsed:
    """A result that was decided so many minutes after the rollout began."""
    at = T0 + timedelta(minutes=after)
    told = Told(at, verdict.value, "ErrorRate", message, "error-rate", {"errors": 20})
    points = tuple(
        MeasuredPoint(
            T0 + timedelta(seconds=15 * index), 0.2 if index != 3 else None, 0.01 if index < 6 else None
        )
        for index in range(12)
    )
    decided = verdict in (RehearsedVerdict.UNDO, RehearsedVerdict.PROMOTE, RehearsedVerdict.HOLD)
    return Rehearsed(
        rollout(fate, name=name, minutes=minutes),
        verdict,
        policy="shop",
        decisive=told if decided else None,
        decisions=(told,) if decided else (),
        curves=(Curve("error-rate", "share", 0.05, points),),
    )


def report(*results: Rehearsed) -> RehearsalReport:
    """A report of these results."""
    return RehearsalReport(
        "http://prometheus:9090", T0 - timedelta(days=1), T0 + timedelta(days=1), "a" * 64, results
    )

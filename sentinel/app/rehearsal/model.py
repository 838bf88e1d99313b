"""Past rollouts, and what the rules would have made of them; all of it goes through JSON and back."""

from collections.abc import Mapping
from dataclasses import asdict, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sentinel.domain.figures import rfc3339
from sentinel.domain.verdict import Number
from sentinel.values import dataclass


class RevisionFate(StrEnum):
    """The real fate of a revision: people rolled it back, replaced it soon, or kept it."""

    ROLLED_BACK = "rolled back"
    REPLACED = "replaced"
    KEPT = "kept"


class RehearsedVerdict(StrEnum):
    """What the rules would have come to. `UNGUARDED`: no policy matched; `FAILED`: it could not be rehearsed."""

    UNDO = "undo"
    PROMOTE = "promote"
    HOLD = "hold"
    UNDECIDED = "undecided"
    UNGUARDED = "unguarded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class PastRollout:
    """One revision that replaced another, as the recorded series show it.

    Revisions are pod template hashes. `began` is exact to the step of the series. `ended` is when the next rollout of
    the workload began, None when none did; `until` is up to when there is data. `revisions` are all that had pods.
    """

    namespace: str
    workload: str
    candidate: str
    stable: str
    began: datetime
    until: datetime
    fate: RevisionFate
    ended: datetime | None = None
    revisions: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Names it for people and in a resume file."""
        return f"{self.namespace}/{self.workload} {self.candidate} {self.began.isoformat()}"


@dataclass(frozen=True, slots=True)
class MeasuredPoint:
    """What one measurement showed of both arms, None where it showed nothing."""

    at: datetime
    candidate: float | None
    baseline: float | None


@dataclass(frozen=True, slots=True)
class Curve:
    """A rule's measurements, for a plot. `unit` is `share`, `seconds` or empty; `limit` None without one."""

    rule: str
    unit: str
    limit: float | None
    points: tuple[MeasuredPoint, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """One decision that would have been made."""

    at: datetime
    action: str
    reason: str
    message: str
    rule: str = ""
    numbers: Mapping[str, Number] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What the rules would have made of one rollout. `decisive` is the decision that the verdict is about."""

    rollout: PastRollout
    verdict: RehearsedVerdict
    policy: str = ""
    decisive: Told | None = None
    decisions: tuple[Told, ...] = ()
    curves: tuple[Curve, ...] = ()
    problem: str = ""

    @property
    def saved(self) -> timedelta | None:
        """How much sooner than people the rules would have gone back; negative when later."""
        if self.verdict is not RehearsedVerdict.UNDO or self.rollout.fate is not RevisionFate.ROLLED_BACK:
            return None
        if self.decisive is None or self.rollout.ended is None:
            return None
        return self.rollout.ended - self.decisive.at

    @property
    def suspected_false(self) -> bool:
        """Whether the rules would have undone what people were content with."""
        return self.verdict is RehearsedVerdict.UNDO and self.rollout.fate is RevisionFate.KEPT

    @property
    def missed(self) -> bool:
        """Whether people went back from what the rules would have let pass."""
        return self.rollout.fate is RevisionFate.ROLLED_BACK and self.verdict is not RehearsedVerdict.UNDO

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        plain: dict[str, Any] = _plain(asdict(self))
        plain["saved_seconds"] = self.saved.total_seconds() if self.saved is not None else None
        plain["suspected_false"] = self.suspected_false
        return plain


def rehearsed_of(plain: Mapping[str, Any]) -> Rehearsed:
    """What `as_json` gave. Raises KeyError, TypeError or ValueError for anything else."""
    rollout = plain["rollout"]
    return Rehearsed(
        rollout=PastRollout(
            **{
                **rollout,
                "began": datetime.fromisoformat(rollout["began"]),
                "until": datetime.fromisoformat(rollout["until"]),
                "ended": datetime.fromisoformat(rollout["ended"]) if rollout["ended"] else None,
                "fate": RevisionFate(rollout["fate"]),
                "revisions": tuple(rollout["revisions"]),
            }
        ),
        verdict=RehearsedVerdict(plain["verdict"]),
        policy=plain["policy"],
        decisive=_told(plain["decisive"]) if plain["decisive"] else None,
        decisions=tuple(map(_told, plain["decisions"])),
        curves=tuple(map(_curve, plain["curves"])),
        problem=plain["problem"],
    )


def _told(plain: Mapping[str, Any]) -> Told:
    return Told(**{**plain, "at": datetime.fromisoformat(plain["at"])})


def _curve(plain: Mapping[str, Any]) -> Curve:
    points = (
        MeasuredPoint(**{**point, "at": datetime.fromisoformat(point["at"])}) for point in plain["points"]
    )
    return Curve(plain["rule"], plain["unit"], plain["limit"], tuple(points))


def _plain(value: Any) -> Any:
    """Datetimes as ISO text, tuples as lists."""
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return rfc3339(value) if isinstance(value, datetime) else value

"""What a rollout was to production: a deployment, a change that failed, and how long both took."""

from datetime import datetime, timedelta

from sentinel.domain.record.entries import Action, OutcomeKind
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from sentinel.domain.verdict import VerdictKind
from sentinel.domain.workload.revision import ChangeOrigin, OriginKind
from sentinel.engine.rollout.lifecycle import ROLLED_BACK
from sentinel.values import dataclass

CLOCKS_APART = timedelta(minutes=10)
"""By so much a clock may be ahead. A commit cannot be later than its promotion by more."""
OLDEST = timedelta(days=5 * 366)
"""Nor can it be older: reproducible builds say 1970 or 1980."""
_UNDONE = frozenset({Phase.UNDOING, Phase.UNDONE})
_REFUSED = frozenset({OutcomeKind.REFUSED, OutcomeKind.FAILED})


@dataclass(frozen=True, slots=True)
class ProductionChange:
    """One change that reached users, at least some of them.

    `at` is when it was promoted, or when it failed without that. `lead` is the time in seconds from its commit (or the
    making of its image, by `lead_from`) to its promotion. `restore` is the time from the first sign of its fault until
    the old revision was fully back. Both are None where they are not known.
    """

    at: datetime
    deployed: bool
    failed: bool
    lead: float | None = None
    lead_from: OriginKind | None = None
    restore: float | None = None


def change_of(record: Record) -> ProductionChange | None:
    """The change that this rollout was; None if it did not reach users, or is not over."""
    state = record.state
    promoted_at = state.ending.promoted_at
    failed = state.phase in _UNDONE or state.reason == ROLLED_BACK or _fixed_forward(record)
    deployed = promoted_at is not None or _reached_everyone(record)
    at = promoted_at or _over_at(record)
    if at is None or not (deployed or failed):
        return None
    origin = _credible(_own_origin(record), at) if promoted_at else None
    return ProductionChange(
        at,
        deployed,
        failed,
        lead=max(0.0, (at - origin.at).total_seconds()) if origin is not None else None,
        lead_from=origin.kind if origin is not None else None,
        restore=_restore(record) if failed else None,
    )


def _reached_everyone(record: Record) -> bool:
    """Whether it was replaced when all pods were of it, though nobody promoted it: judged in observe mode, or held."""
    return record.state.phase is Phase.SUPERSEDED and record.state.weight >= 1 and _replaced(record)


def _own_origin(record: Record) -> ChangeOrigin | None:
    """Where the candidate comes from; nothing where only config changed, so that the commit is that of the stable."""
    origin = record.candidate.origin
    return None if record.stable is not None and record.stable.origin == origin else origin


def _credible(origin: ChangeOrigin | None, at: datetime) -> ChangeOrigin | None:
    """The origin if its time can be one: else the lead time is not known, rather than 0 or half a century."""
    return origin if origin is not None and -CLOCKS_APART <= at - origin.at <= OLDEST else None


def _over_at(record: Record) -> datetime | None:
    undo = record.state.undo
    return undo.decided_at if undo is not None else record.state.ending.ended_at


def _fixed_forward(record: Record) -> bool:
    """Whether a newer revision replaced the candidate when it had been found bad and could not be undone.

    What was found in observe mode, or while frozen, is an opinion: there it fails only if people put it back.
    """
    undos = [
        entry.outcome.kind for entry in record.decisions if entry.action is Action.UNDO and entry.outcome
    ]
    found_bad = record.state.verdict == VerdictKind.FAIL or _REFUSED.intersection(undos)
    return bool(found_bad) and OutcomeKind.OBSERVED not in undos and _replaced(record)


def _replaced(record: Record) -> bool:
    ends = (Action.SUPERSEDE, Action.CLOSE)
    return any(entry.reason == "NewerRevision" and entry.action in ends for entry in record.decisions)


def _restore(record: Record) -> float | None:
    """From the first sign of the fault until the old revision was back, by the sentinel or by hand."""
    undo = record.state.undo
    if undo is not None and undo.restored_at is not None:
        return max(0.0, (undo.restored_at - (undo.fault_at or undo.decided_at)).total_seconds())
    ended = record.state.ending.ended_at
    if record.state.reason != ROLLED_BACK or ended is None:
        return None
    signs = [entry.at for entry in record.decisions if entry.action is Action.UNDO]
    signs += [alert.starts_at for alert in record.alerts if alert.starts_at >= record.started_at]
    return max(0.0, (ended - min(signs)).total_seconds()) if signs else None

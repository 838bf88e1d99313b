"""Which rollout a workload is in: the meeting of what the cluster shows with what the records tell.

Events are hints: every reconcile works this out again from the snapshot and the records alone, so that a restart, a
missed event or a change by hand needs no special code.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sentinel.domain.policy.policy import UndoPolicy
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase, RevisionRef, UndoState
from sentinel.domain.workload.facts import Workload
from sentinel.domain.workload.revision import Revision
from sentinel.engine.exposure.steering import dormant
from sentinel.engine.exposure.switching import serving as beside_candidate
from sentinel.engine.rollout.badness import known_bad
from sentinel.values import dataclass, replace

REAPPLIED_WITHIN = timedelta(minutes=10)
"""An undone template that comes back this soon was restored by someone who may not know: never undone twice."""


@dataclass(frozen=True, slots=True)
class Idle:
    """Nothing is rolled out, and nothing is guarded."""


@dataclass(frozen=True, slots=True)
class Continue:
    """The record's rollout goes on: judged, held, restored or guarded."""

    record: Record


@dataclass(frozen=True, slots=True)
class RolledBack:
    """A human put the record's stable template back: the rollout is over, and nothing new began."""

    record: Record


@dataclass(frozen=True, slots=True)
class Begin:
    """A rollout that has no record yet, or one without its first decision.

    `stable` is None on a first deployment. `closes` is the rollout that this one ends. `unjudged`: it was over
    before any sentinel looked. `undone` is the record of the same revision undone before, where it still counts;
    `reapplied` says that it came back right after that undo. `begun` is the record that was made for it already: its
    first decision could not be written into it, or it was held because the workload's own controller was down.
    """

    stable: RevisionRef | None
    attempt: int = 1
    closes: Record | None = None
    unjudged: bool = False
    undone: Record | None = None
    reapplied: bool = False
    begun: Record | None = None


Sighting = Idle | Continue | RolledBack | Begin

ROLLED_BACK = "RolledBackByHand"
"""The reason of a rollout that ended because a human put the stable template back."""


def recognise(
    workload: Workload, records: Sequence[Record], settled: str | None, undo: UndoPolicy, now: datetime
) -> Sighting:
    """What the workload is doing.

    `records` are this very workload's (by uid), newest first. `settled` is the digest of the revision that this
    process last saw fully rolled out, None when it has not watched the workload at rest yet.
    """
    latest = records[0] if records else None
    if latest is None:
        return _begin(workload, records, settled, undo, now)
    digest = workload.candidate.digest
    if _taken_up(latest, workload):
        begin = _begin(workload, records[1:], settled, undo, now)
        return replace(begin, begun=latest, stable=_still_known(workload, latest.stable))
    if latest.candidate.digest == digest and _never_begun(latest):
        if _replaced_meanwhile(latest, workload):
            return _begin(workload, records, settled, undo, now)
        return replace(_begin(workload, records[1:], settled, undo, now), begun=latest)
    if latest.candidate.digest == digest:
        known = _same_revision(latest, workload)
    elif latest.state.undo is not None and latest.state.undo.target.digest == digest:
        known = _undo_target(latest)
    elif latest.stable is not None and latest.stable.digest == digest:
        known = _stable_again(latest)
    else:
        known = None
    return known or _begin(workload, records, settled, undo, now)


def _taken_up(latest: Record, workload: Workload) -> bool:
    """Whether the record's candidate was known by its template alone, and its controller has named it by now."""
    awaited = latest.live and latest.state.phase is not Phase.UNDOING and not latest.candidate.hash
    same = latest.candidate.digest == workload.essence and not workload.nameless
    nothing_new = latest.stable is not None and latest.stable.digest == workload.candidate.digest
    return awaited and same and not nothing_new


def _never_begun(latest: Record) -> bool:
    """Whether the record was made and its first decision could not be written: that write brings the state with it."""
    return latest.live and not latest.decisions and latest.state.progress.began_at is None


def _replaced_meanwhile(latest: Record, workload: Workload) -> bool:
    """Whether another revision was in force since this record was made, unseen by us, and its candidate put back.

    What alerts the record took in that time are the other revision's: the rollout that goes on now is a new one.
    """
    recorded, now = latest.candidate.order, workload.candidate.order
    created = (revision.created_at for revision in workload.others)
    return 0 < recorded < now or any(at is not None and at > latest.started_at for at in created)


def _same_revision(latest: Record, workload: Workload) -> Sighting | None:
    """The newest record is of the revision that is in the spec now; None if the rollout begins again."""
    state = latest.state
    if state.phase is Phase.UNDOING:
        came_back = state.undo is not None and (state.undo.target_seen or _put_back(state.undo, workload))
        return None if came_back else Continue(latest)
    if state.phase in (Phase.SUPERSEDED, Phase.UNDONE, Phase.FAILED):
        return None
    return Continue(latest) if latest.live else Idle()


def _put_back(undo: UndoState, workload: Workload) -> bool:
    """Whether the target was rolled out since the undo was decided, and the candidate after it, unseen by us.

    The order of the revisions tells, which a process that was away, or blind, can still read.
    """
    target = workload.revision(undo.target.digest)
    return target is not None and 0 < undo.target.order < target.order < workload.candidate.order


def _undo_target(latest: Record) -> Sighting | None:
    """The newest record's undo leads, or led, to the revision that is in the spec now."""
    return Continue(latest) if latest.state.phase is Phase.UNDOING else Idle()


def _stable_again(latest: Record) -> Sighting | None:
    """What the newest record's rollout was replacing is in the spec; of a rollout long over that is a new one.

    A pause of ours that an interrupted reconcile left behind is lifted by the same decision once more.
    """
    if latest.live:
        return RolledBack(latest)
    if latest.state.reason != ROLLED_BACK:
        return None
    return RolledBack(latest) if latest.pending is not None else Idle()


def _begin(
    workload: Workload, records: Sequence[Record], settled: str | None, undo: UndoPolicy, now: datetime
) -> Begin:
    digest = workload.candidate.digest
    latest = records[0] if records else None
    same = [record for record in records if record.candidate.digest == digest]
    bad = known_bad(records, digest)
    if bad is not None and now - bad.at > undo.known_bad_for:
        bad = None
    return Begin(
        stable=_stable(workload, latest, settled),
        attempt=1 + max((record.attempt for record in same), default=0),
        closes=latest if latest is not None and latest.live else None,
        unjudged=_over_unseen(workload, latest, settled),
        undone=bad.record if bad is not None else None,
        reapplied=bad is not None and now - bad.at <= REAPPLIED_WITHIN,
    )


def _over_unseen(workload: Workload, latest: Record | None, settled: str | None) -> bool:
    """Whether the revision was fully rolled out before this process looked.

    Without pods nothing rolls out: a revision applied while the workload was scaled to zero is judged once it has pods.
    One beside the stable that had neither pods nor requests when the first sentinel came is not started by it.
    """
    if latest is None and settled is None and dormant(workload):
        return True
    came_at_zero = workload.exposure.wanted == 0 and latest is not None
    return workload.rolled_out and not came_at_zero and settled in (None, workload.candidate.digest)


def _stable(workload: Workload, latest: Record | None, settled: str | None) -> RevisionRef | None:
    """The revision that was fully available when this rollout began.

    In this order: what serves while the candidate stands by; what a rollout that is cut short was replacing (or its
    undo restoring), unless its candidate had taken over in full and was not held; what this process saw at rest; what
    serves now; what the records say was there before.
    """
    beside = beside_candidate(workload)
    if beside is not None:
        return RevisionRef.of(beside)
    digest = workload.candidate.digest
    before = _recorded(latest) if latest is not None else None
    if latest is not None and before is not None and _cut_short(latest, settled):
        return _still_known(workload, before)
    seen = workload.revision(settled) if settled else None
    if seen is not None and seen.digest != digest:
        return RevisionRef.of(seen)
    serving = _serving(workload)
    if serving is not None:
        return RevisionRef.of(serving)
    return _still_known(workload, before)


def _cut_short(latest: Record, settled: str | None) -> bool:
    """Whether the newest rollout ends before its candidate can be called good, or even fully available."""
    if latest.state.phase in (Phase.PROGRESSING, Phase.BAKING):
        return settled != latest.candidate.digest
    return latest.state.phase in (Phase.HELD, Phase.UNDOING)


def _serving(workload: Workload) -> Revision | None:
    """Of the other revisions the one with the most available pods, the newest of equals."""
    return max(
        (revision for revision in workload.others if revision.available > 0),
        key=lambda revision: (revision.available, revision.order),
        default=None,
    )


def _recorded(latest: Record) -> RevisionRef | None:
    if latest.state.phase in (Phase.UNDONE, Phase.UNDOING) and latest.state.undo is not None:
        return latest.state.undo.target
    if latest.state.phase in (Phase.PROMOTED, Phase.UNJUDGED):
        return latest.candidate
    return latest.stable


def _still_known(workload: Workload, reference: RevisionRef | None) -> RevisionRef | None:
    """The reference brought up to date by what the cluster shows now; None for the candidate itself."""
    if reference is None or reference.digest == workload.candidate.digest:
        return None
    seen = workload.revision(reference.digest)
    return RevisionRef.of(seen) if seen is not None else reference

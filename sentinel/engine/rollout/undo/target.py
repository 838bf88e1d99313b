"""Which revision an undo goes back to, or why it cannot go back."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sentinel.domain.figures import duration, moment
from sentinel.domain.record.holds import HoldReason
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase, RevisionRef
from sentinel.domain.workload.facts import Ability, Workload
from sentinel.domain.workload.revision import Revision
from sentinel.engine.rollout.badness import known_bad
from sentinel.values import dataclass


@dataclass(frozen=True, slots=True)
class UndoTarget:
    """The revision to restore, brought up to date by what the cluster shows of it."""

    revision: RevisionRef


@dataclass(frozen=True, slots=True)
class NoTarget:
    """Why nothing can be restored, with the end of a sentence for people."""

    reason: HoldReason
    message: str


def choose_target(
    record: Record, records: Sequence[Record], workload: Workload, max_target_age: timedelta, now: datetime
) -> UndoTarget | NoTarget:
    """Where to go back to: the stable this rollout began with, else the newest promoted revision that is fit.

    Where others changed what serves beside the candidate, that is what is left. `records` are all of the workload;
    `max_target_age` is how long ago a revision other than the stable may have been promoted. Never the candidate, a
    revision recorded undone, one whose template is no longer in the cluster, nor one on the other side of a revision
    that was marked irreversible.
    """
    if workload.candidate.digest != record.candidate.digest:
        return NoTarget(
            HoldReason.SUPERSEDED,
            f"the current template is {workload.candidate}, not the one that was judged",
        )
    if (why_not := workload.abilities.why_not.get(Ability.ROLLING)) is not None:
        return NoTarget(HoldReason.CANNOT_ROLL, why_not)
    refusal = NoTarget(HoldReason.FIRST_DEPLOYMENT, "there is no earlier revision")
    if record.stable is not None:
        changed = stable_changed(record, records, workload)
        chosen = _fit(changed.digest if changed is not None else record.stable.digest, records, workload)
        # Behind a stable that must not be crossed nothing else may be reached either.
        if isinstance(chosen, UndoTarget) or chosen.reason is HoldReason.IRREVERSIBLE:
            return chosen
        refusal = chosen
    too_old = 0
    for digest, promoted_at in _promotions(records):
        if digest == record.candidate.digest:
            continue
        chosen = _fit(digest, records, workload)
        if isinstance(chosen, NoTarget):
            continue
        if now - promoted_at <= max_target_age:
            return chosen
        too_old += 1
    if too_old:
        age = duration(max_target_age)
        message = f"{refusal.message}, and every other good revision was promoted more than {age} ago"
        return NoTarget(HoldReason.TOO_OLD, message)
    return refusal


def stable_changed(record: Record, records: Sequence[Record], workload: Workload) -> Revision | None:
    """What others put beside the candidate since the rollout began; None where that is as it was, or of our doing.

    A rollout that this one superseded may have left its own candidate there.
    """
    traffic = workload.exposure.traffic
    if traffic is None or record.stable is None or not traffic.beside:
        return None
    left = {one.candidate.digest for one in records if one.state.phase is Phase.SUPERSEDED}
    if traffic.beside in {record.stable.digest, workload.candidate.digest} | left:
        return None
    return workload.revision(traffic.beside) or Revision(traffic.beside)


def numbered_target(
    number: int, record: Record, records: Sequence[Record], workload: Workload
) -> UndoTarget | NoTarget:
    """The revision of this number, chosen by a human; what makes a revision unfit binds them as well."""
    if workload.candidate.digest != record.candidate.digest:
        return NoTarget(
            HoldReason.SUPERSEDED, f"the current template is {workload.candidate}, not this rollout's"
        )
    if (why_not := workload.abilities.why_not.get(Ability.ROLLING)) is not None:
        return NoTarget(HoldReason.CANNOT_ROLL, why_not)
    chosen = next((revision for revision in workload.others if revision.number == number), None)
    if chosen is None:
        return NoTarget(HoldReason.TEMPLATE_GONE, f"there is no other revision {number}")
    return _fit(chosen.digest, records, workload)


def _promotions(records: Iterable[Record]) -> list[tuple[str, datetime]]:
    """Each promoted template with the time of its last promotion, newest first."""
    latest: dict[str, datetime] = {}
    for record in records:
        if (promoted := record.state.ending.promoted_at) is not None:
            digest = record.candidate.digest
            latest[digest] = max(promoted, latest.get(digest, promoted))
    return sorted(latest.items(), key=lambda item: (item[1], item[0]), reverse=True)


def _fit(digest: str, records: Iterable[Record], workload: Workload) -> UndoTarget | NoTarget:
    """The target with this template, or why it is unfit."""
    revision = workload.revision(digest)
    bad = known_bad(records, digest)
    if bad is not None:
        name = revision or f"revision {digest[:8]}"
        return NoTarget(HoldReason.KNOWN_BAD, f"{name} was itself undone at {moment(bad.at)}")
    if revision is None or revision.stored_in is None:
        return NoTarget(
            HoldReason.TEMPLATE_GONE, f"the template of revision {digest[:8]} is no longer in the cluster"
        )
    barrier = _barrier(revision, workload)
    if barrier is not None:
        why = f"{barrier} is marked irreversible: {barrier.irreversible}"
        return NoTarget(HoldReason.IRREVERSIBLE, f"{why}; {revision} cannot be restored across it")
    return UndoTarget(RevisionRef.of(revision))


def _barrier(target: Revision, workload: Workload) -> Revision | None:
    """A revision on the way back from the candidate to the target whose mark the target does not carry.

    One of which it is not known that it is older than the target may lie between.
    """
    between = (other for other in workload.others if not 0 < other.order <= target.order)
    return next(
        (
            r
            for r in (workload.candidate, *between)
            if r.irreversible and r.irreversible != target.irreversible
        ),
        None,
    )

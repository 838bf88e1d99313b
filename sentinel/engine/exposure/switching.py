"""Blue-green: the candidate's pods stand by beside those that serve, and then take over all requests at once.

Who serves is what the cluster says now. Requests move to pods that are ready, all of them; only on the way back, where
fewer serve, to as many as there are.
"""

from sentinel.domain.decision import Adopt, Change, Prepare, Release
from sentinel.domain.record.state import RevisionRef
from sentinel.domain.workload.facts import Standby, Workload
from sentinel.domain.workload.revision import Revision


def steer(weight: float | None, workload: Workload) -> Change | None:
    """The change that brings the candidate's pods up, and with weight None has them take over once all are ready."""
    standby = _candidate_at_standby(workload)
    if standby is None:
        return None
    candidate = RevisionRef.of(workload.candidate)
    if not standby.prepared:
        return Prepare(candidate)
    return Adopt(candidate) if weight is None and _full(standby, workload) else None


def reached(workload: Workload) -> bool:
    """Whether the candidate could take over now; or serves already, in full."""
    standby = _candidate_at_standby(workload)
    if standby is None:
        return workload.rolled_out
    return standby.prepared and _full(standby, workload)


def brought_back(workload: Workload, target: RevisionRef) -> Change | None:
    """What comes before an undo's switch: the target's pods, where they stand by and cannot take over yet.

    Where what serves was changed in place, it is put back there.
    """
    standby = workload.exposure.standby
    if standby is None or standby.digest != target.digest or standby.in_place or _better(standby, workload):
        return None
    return Prepare(target)


def left_over(workload: Workload) -> Change | None:
    """What lets the pods go that were replaced; None where none are left, or they are not of a rollout of ours.

    Pods with the template of what serves have nothing to take over for, as after a release that was put back by hand.
    """
    standby = workload.exposure.standby
    if standby is None or not standby.noted or standby.pods == 0:
        return None
    return Release() if standby.beside == standby.digest or not stands_by(workload) else None


def stands_by(workload: Workload) -> bool:
    """Whether other pods than the candidate's serve."""
    return _candidate_at_standby(workload) is not None


def serves_alone(workload: Workload) -> bool:
    """Whether all requests go to the candidate, though other pods stand by: these are not a baseline."""
    return workload.exposure.standby is not None and not stands_by(workload)


def serving(workload: Workload) -> Revision | None:
    """The revision that serves while the candidate's pods stand by."""
    standby = _candidate_at_standby(workload)
    return workload.revision(standby.beside) if standby is not None else None


def _candidate_at_standby(workload: Workload) -> Standby | None:
    """The pods that stand by, where they are the candidate's."""
    standby = workload.exposure.standby
    return standby if standby is not None and standby.digest == workload.candidate.digest else None


def _full(standby: Standby, workload: Workload) -> bool:
    return standby.ready >= max(standby.pods, workload.exposure.wanted) > 0


def _better(standby: Standby, workload: Workload) -> bool:
    """Whether requests are at least as well off with the pods that stand by as with those that serve."""
    return _full(standby, workload) or 0 < standby.ready >= workload.exposure.available

"""What gives everything to the candidate at once is never merely steered: it is in the record before it is made."""

from datetime import datetime, timedelta

from sentinel.domain.decision import Adopt, Change
from sentinel.domain.record.entries import Outcome, OutcomeKind
from sentinel.domain.record.record import Record
from sentinel.domain.workload.facts import Workload

RETRY_FIRST = timedelta(seconds=15)
RETRY_MOST = timedelta(minutes=5)
_CAME_TO_NOTHING = (OutcomeKind.FAILED, OutcomeKind.REFUSED)


def undecided(change: Change, workload: Workload) -> bool:
    """Whether the change gives everything to the candidate: a switch, or its template for the stable.

    Decisions that are open are completed first, so nothing in the record stands for it. Where the stable has the
    template already, only our pause of it ends.
    """
    traffic = workload.exposure.traffic
    return isinstance(change, Adopt) and not (traffic is not None and traffic.adopted)


def next_try(record: Record) -> tuple[datetime | None, str]:
    """When to decide it again and what kept it from being made, after decisions that came to nothing; else nothing.

    The wait doubles with each of them: what the API server refuses now, it will most likely refuse in a moment.
    """
    failed: list[Outcome] = []
    for entry in reversed(record.decisions):
        if entry.outcome is None or entry.outcome.kind not in _CAME_TO_NOTHING:
            break
        failed.append(entry.outcome)
    if not failed:
        return None, ""
    wait = min(RETRY_MOST, RETRY_FIRST * 2 ** min(len(failed) - 1, 8))
    return failed[0].at + wait, failed[0].detail

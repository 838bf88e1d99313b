"""Which revisions are known to be bad: undone, and neither promoted nor forgiven since.

An undo never goes back to such a revision, however old it is; applied again it is treated as `onKnownBad` says, for
as long as `knownBadFor`. In observe mode nothing is undone, and nothing counts.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from sentinel.values import dataclass

_BAD_ENDS = frozenset({Phase.UNDOING, Phase.UNDONE})


@dataclass(frozen=True, slots=True)
class KnownBad:
    """The rollout in which a revision was undone last, and when: restored, or as far as its undo has come."""

    record: Record
    at: datetime


def known_bad(records: Iterable[Record], digest: str) -> KnownBad | None:
    """Why the revision with this template is known bad; None if it is not, or no longer."""
    of_template = [record for record in records if record.candidate.digest == digest]
    undone = [
        KnownBad(record, _undone_at(record)) for record in of_template if record.state.phase in _BAD_ENDS
    ]
    last = max(undone, key=lambda bad: bad.at, default=None)
    endings = (record.state.ending for record in of_template)
    cleared = (at for ending in endings for at in (ending.promoted_at, ending.forgiven_at))
    return None if last is None or any(at is not None and at > last.at for at in cleared) else last


def forgivable(records: Sequence[Record], *, name: str = "", number: int | None = None) -> Record | None:
    """The undone rollout that `forgive` means: of the record's or the revision number's revision, else the newest.

    `records` are the workload's, newest first.
    """
    for record in records:
        meant = name in ("", record.name) and number in (None, record.candidate.number)
        bad = known_bad(records, record.candidate.digest) if meant else None
        if bad is not None and bad.record.state.phase is Phase.UNDONE:
            return bad.record
    return None


def _undone_at(record: Record) -> datetime:
    undo = record.state.undo
    if undo is None:
        return record.state.ending.ended_at or record.started_at
    return undo.restored_at or undo.patched_at or undo.decided_at

"""Statuses of records as earlier releases wrote them, read as the present schema has them; the next save writes that.

The definition keeps a place for the former fields: without it the API server would drop them from records of rollouts
in flight as soon as the definition is upgraded, before any daemon could read them.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sentinel.adapters.kubernetes.api.raw import RawObject, mapping, stamp

FORMER_FIELDS: Mapping[str, Mapping[str, str]] = {
    "progress": {"step": "step", "stepSince": "beganAt", "reachedAt": "reachedAt", "baked": "baked"},
    "waits": {
        "waited": "stood",
        "stoppedSince": "stoppedSince",
        "waitingSince": "approvalSince",
        "missingSince": "missingSince",
    },
    "gating": {"gatesSince": "askedSince", "gates": "results"},
    "brake": {
        "pauseSeen": "seenGeneration",
        "resumedFrom": "releasedGeneration",
        "released": "releasedByPerson",
    },
    "ending": {"promotedAt": "promotedAt", "endedAt": "endedAt", "forgivenAt": "forgivenAt"},
}
"""For each part of the present state the fields that stood flat in the status, and their present names."""
_MOVED = frozenset(name for names in FORMER_FIELDS.values() for name in names)
_CAUSES = {"fingerprint": "alert", "job": "job", "first_bad_at": "firstBadAt", "resumed_at": "resumedAt"}
"""What decisions depended on stood among their numbers."""
_TIMES = frozenset({"firstBadAt", "resumedAt"})


def present_form(status: RawObject) -> RawObject:
    """The status in the present form. One that has it already, and that of a record never saved, stay as they are.

    Raises ValueError for a time that cannot be read.
    """
    if "progress" in status or "step" not in status:
        return status
    present = {name: value for name, value in status.items() if name not in _MOVED}
    for part, names in FORMER_FIELDS.items():
        present[part] = {now: status[then] for then, now in names.items() if then in status}
    # The oldest records count their steps from 0, except in the printed number.
    behind = int(status["step"] != status.get("stepNumber"))
    present["progress"] = step_moved(present["progress"], behind)
    decisions = status.get("decisions")
    if isinstance(decisions, list):
        present["decisions"] = [_with_cause(step_moved(entry, behind)) for entry in decisions]
    return present


def step_moved(part: Any, by: int) -> Any:
    """The part of a status with its step, if it has one, counted from another number."""
    step = mapping(part).get("step")
    return {**part, "step": step + by} if isinstance(step, int) else part


def _with_cause(entry: Any) -> Any:
    """The decision with its cause taken out of its numbers."""
    numbers = mapping(mapping(entry).get("numbers"))
    found = {_CAUSES[name]: value for name, value in numbers.items() if name in _CAUSES}
    if not found:
        return entry
    cause = {name: _moment(value) if name in _TIMES else value for name, value in found.items()}
    kept = {name: value for name, value in numbers.items() if name not in _CAUSES}
    return {**entry, "numbers": kept, "cause": cause}


def _moment(value: object) -> str:
    """The time as objects write it; the former schema wrote it as Python does."""
    return stamp(datetime.fromisoformat(str(value)))

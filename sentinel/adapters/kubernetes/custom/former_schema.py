"""Records of releases up to 0.0, read once: the next save writes them in the present form.

What decisions depend on stood among their numbers, which are for people.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sentinel.adapters.kubernetes.api.raw import RawObject, mapping, stamp

_CAUSES = {"fingerprint": "alert", "job": "job", "first_bad_at": "firstBadAt", "resumed_at": "resumedAt"}
_TIMES = frozenset({"firstBadAt", "resumedAt"})


def present_form(status: RawObject) -> RawObject:
    """The status of a record as the present schema has it; one that has this form already stays as it is."""
    decisions = status.get("decisions")
    if not isinstance(decisions, list):
        return status
    return {**status, "decisions": [_with_cause(entry) for entry in decisions]}


def _with_cause(entry: Any) -> Any:
    """The decision with its cause taken out of its numbers."""
    if not isinstance(entry, Mapping) or "cause" in entry:
        return entry
    numbers = mapping(entry.get("numbers"))
    found = {_CAUSES[name]: value for name, value in numbers.items() if name in _CAUSES}
    cause = {name: _moment(value) if name in _TIMES else value for name, value in found.items()}
    kept = {name: value for name, value in numbers.items() if name not in _CAUSES}
    return {**entry, "numbers": kept, "cause": cause} if cause else entry


def _moment(value: object) -> str:
    """The time as objects write it; the former schema wrote it as Python does."""
    return stamp(datetime.fromisoformat(str(value)))

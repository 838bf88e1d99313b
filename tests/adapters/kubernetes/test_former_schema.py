"""Records that an older release wrote: read as they were meant."""

from typing import Any

import pytest

from sentinel.adapters.kubernetes.custom.record_objects import object_of, record_of
from sentinel.domain.record.entries import Action, DecisionEntry
from sentinel.domain.verdict import NO_CAUSE, DecisionCause
from tests.adapters.kubernetes.worlds import NOW, record


def read_with(numbers: dict[str, Any]) -> DecisionEntry:
    """The decision of a record whose decision had these numbers."""
    raw = object_of(record())
    entry = DecisionEntry("d-1", NOW, Action.HOLD, "R", "m", "d" * 64, 0)
    raw["status"]["decisions"] = [
        {"id": entry.id, "at": "2026-01-01T00:00:00Z", "action": "hold", "reason": "R", "message": "m"}
        | {"revision": "d", "step": 1, "numbers": numbers}
    ]
    (read,) = record_of(raw).decisions
    return read


@pytest.mark.parametrize(
    ("numbers", "cause"),
    [
        ({"fingerprint": "f-1"}, DecisionCause(alert="f-1")),
        ({"job": "web-gate-1", "tries": 1}, DecisionCause(job="web-gate-1")),
        ({"first_bad_at": NOW.isoformat(), "limit": 0.05}, DecisionCause(first_bad_at=NOW)),
        ({"resumed_at": str(NOW)}, DecisionCause(resumed_at=NOW)),
        ({"limit": 0.05}, NO_CAUSE),
    ],
)
def test_a_cause_is_taken_out_of_the_numbers(numbers: dict[str, Any], cause: DecisionCause) -> None:
    """What older releases kept among the numbers is the cause, and the numbers are what is left."""
    read = read_with(numbers)
    assert read.cause == cause
    assert read.numbers == {name: value for name, value in numbers.items() if name in ("tries", "limit")}

"""Records that an older release wrote: read as they were meant."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from sentinel.adapters.kubernetes.api.raw import stamp, time
from sentinel.adapters.kubernetes.custom.record_objects import object_of, record_of
from sentinel.domain.record.entries import DecisionEntry
from sentinel.domain.record.state import RolloutState
from sentinel.domain.verdict import NO_CAUSE, DecisionCause
from tests.adapters.kubernetes.worlds import NOW, record

RECORDED = Path(__file__).parents[2] / "stories" / "recorded"


def former(commit: str, moment: str) -> Any:
    """A record as that commit wrote it."""
    return orjson.loads((RECORDED / f"records-{commit}.json").read_bytes())[moment]


@pytest.mark.parametrize("commit", ["58e7ef3", "c03d83e"])
def test_what_stood_flat_is_read_into_its_part(commit: str) -> None:
    """The second step, counted from 0 by the older release, bakes under a brake of ours."""
    raw = former(commit, "baking")
    state = record_of(raw).state
    progress, brake = state.progress, state.brake
    assert (progress.step, progress.baked, state.weight) == (1, 0.0, 0.5)
    assert progress.began_at == time(raw["status"]["stepSince"])
    assert progress.reached_at == time(raw["status"]["reachedAt"])
    assert (brake.seen_generation, brake.released_generation, brake.released_by_person) == (7, 5, False)
    assert [entry.step for entry in record_of(raw).decisions] == [0, 1]


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("waited", lambda state: state.waits.stood),
        ("stoppedSince", lambda state: state.waits.stopped_since),
        ("waitingSince", lambda state: state.waits.approval_since),
        ("missingSince", lambda state: state.waits.missing_since),
        ("gatesSince", lambda state: state.gating.asked_since),
        ("gates", lambda state: [result.name for result in state.gating.results]),
        ("released", lambda state: state.brake.released_by_person),
        ("promotedAt", lambda state: state.ending.promoted_at),
        ("endedAt", lambda state: state.ending.ended_at),
        ("forgivenAt", lambda state: state.ending.forgiven_at),
    ],
)
def test_each_former_field_has_its_place(name: str, read: Callable[[RolloutState], object]) -> None:
    """Times, seconds, gates and people's wishes."""
    kept: dict[str, Any] = {"waited": 12.5, "gates": [{"name": "smoke"}], "released": True}
    meant = {"waited": 12.5, "gates": ["smoke"], "released": True}
    raw = former("c03d83e", "baking")
    raw["status"][name] = kept.get(name, stamp(NOW))
    assert read(record_of(raw).state) == meant.get(name, NOW)


def test_a_record_in_the_present_form_stays_as_it_is() -> None:
    """What an older daemon may have left beside it does not count."""
    raw = object_of(record())
    assert record_of({**raw, "status": {**raw["status"], "step": 7, "stepNumber": 7}}) == record_of(raw)


def read_with(numbers: dict[str, Any]) -> DecisionEntry:
    """The decision of a record whose decision had these numbers."""
    raw = former("c03d83e", "progressing")
    (entry,) = raw["status"]["decisions"]
    entry["numbers"] = numbers
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

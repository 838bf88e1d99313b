"""What earlier rollouts of a workload taught is read from their records once per rollout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sentinel.domain.policy.rules import CountQuery, ErrorRateRule
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from sentinel.engine.evidence.history import CALIBRATION
from sentinel.engine.evidence.remembering import FlagrantStarts, LessonReader, Lessons
from sentinel.engine.evidence.starting import START
from sentinel.engine.statistics.calibration import Calibration
from tests.engine.builders import PLAIN, in_state
from tests.engine.statistics.test_starts import profile_of

ERRORS = ErrorRateRule("errors", CountQuery("prometheus", "t", "e"), 0.05)
POLICY = replace(PLAIN, rules=(ERRORS,))
NOW = replace(in_state(Phase.BAKING), name="now")


class Counted(dict[str, Any]):
    """States of rules that count how often they are read."""

    reads = 0

    def get(self, name: str, default: Any = None) -> Any:
        """As a dictionary does."""
        self.reads += 1
        return super().get(name, default)


def before(name: str, dispersion: float = 2.0, pods: int = 7) -> tuple[Record, Counted]:
    """A promoted rollout that learnt this, and the states that its record keeps."""
    learnt: Mapping[str, Any] = {
        CALIBRATION: Calibration(dispersion, 0.0, 240).as_json(),
        START: profile_of(2, pods=pods).as_json(),
    }
    states = Counted({"errors": learnt})
    return replace(in_state(Phase.PROMOTED, analysis=states), name=name), states


def told(lessons: Lessons) -> tuple[float, int]:
    """The dispersion that was learnt, and of how many pods the start is."""
    calibration = lessons.calibrations["errors"]
    assert calibration is not None
    return calibration.dispersion, lessons.starts["errors"].pods


def test_records_are_read_once_for_a_rollout() -> None:
    """However often it is judged, and though its own record is another each time."""
    reader, (older, states) = LessonReader(), before("older")
    first = reader.lessons(POLICY, NOW, (NOW, older))
    read = states.reads
    later = replace(NOW, version="9")
    assert reader.lessons(POLICY, later, (later, older)) is first
    assert told(first) == (2.0, 7)
    assert states.reads == read > 0


def test_another_record_or_policy_is_read() -> None:
    """A record that was written since, one that is gone, and a policy that has another rule."""
    reader, (older, _), (newer, _) = LessonReader(), before("older"), before("newer", 3.0, 9)
    assert told(reader.lessons(POLICY, NOW, (NOW, older))) == (2.0, 7)
    assert told(reader.lessons(POLICY, NOW, (NOW, newer, older))) == (3.0, 9)
    assert reader.lessons(POLICY, NOW, (NOW,)) == Lessons({"errors": None}, {})
    assert reader.lessons(PLAIN, NOW, (NOW, older)) == Lessons.of(PLAIN, NOW, (NOW, older))


def test_nothing_is_kept_of_rollouts_that_are_over() -> None:
    """Those that were ended here, and those that ended elsewhere."""
    reader, (older, states) = LessonReader(), before("older")
    for forget in (lambda: reader.forget("now"), lambda: reader.keep_only({"another"})):
        reader.lessons(POLICY, NOW, (NOW, older))
        read = states.reads
        forget()
        reader.lessons(POLICY, NOW, (NOW, older))
        assert states.reads > read


def started(name: str, errors: int, *, workload: str = "web", hours: int = 0, policy: str = "p") -> Record:
    """A promoted rollout whose pods failed so many of their first hundred requests."""
    states = Counted({"errors": {START: profile_of(errors).as_json()}})
    record = replace(in_state(Phase.PROMOTED, analysis=states), name=name, policy=policy)
    key, began = record.key._replace(name=workload), record.started_at + timedelta(hours=hours)
    return replace(record, key=key, started_at=began)


def test_a_policy_is_known_to_start_flagrantly_by_the_workloads_promoted_last() -> None:
    """An older start of the same workload, other policies and rollouts that were undone do not count."""
    older, newer = started("older", 90), started("newer", 2, hours=1)
    other = started("other", 90, workload="api", policy="another")
    undone = replace(started("undone", 90, workload="cart"), state=in_state(Phase.UNDONE).state)

    assert not FlagrantStarts().any("p", (newer, older, other, undone), "errors")
    assert FlagrantStarts().any("p", (newer, older, started("cart-1", 90, workload="cart")), "errors")


def test_how_workloads_start_is_read_once() -> None:
    """Not each time that a candidate fails: many may at once."""
    known, record = FlagrantStarts(), started("web-1", 90)
    states = record.state.analysis
    assert isinstance(states, Counted)
    assert known.any("p", (record,), "errors")
    read = states.reads

    assert known.any("p", (record,), "errors")
    assert states.reads == read > 0

"""The API server's time of day, carried on by our own monotonic clock."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.adapters.kubernetes.api.servertime import ServerClock

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Machine:
    """A machine whose time of day may be wrong by `error` seconds, and whose monotonic clock is right."""

    def __init__(self, error: float = 0.0) -> None:
        self.error = error
        self.passed = 0.0

    def now(self) -> datetime:
        """The time of day as it has it."""
        return self.true + timedelta(seconds=self.error)

    @property
    def true(self) -> datetime:
        """The time of day."""
        return NOON + timedelta(seconds=self.passed)

    def monotonic(self) -> float:
        """Seconds since it was started."""
        return self.passed

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        self.passed += seconds


def date(at: datetime) -> str:
    """As an answer carries it: whole seconds."""
    return format_datetime(at, usegmt=True)


def test_before_any_answer_it_is_the_machines() -> None:
    """Nothing else is known."""
    assert ServerClock(Machine(-7)).now() == NOON - timedelta(seconds=7)


def test_a_machine_that_jumps_changes_nothing() -> None:
    """The time goes on with the monotonic clock."""
    machine = Machine()
    clock = ServerClock(machine)
    clock.now()
    machine.error, machine.passed = 3600, 10
    assert clock.now() == NOON + timedelta(seconds=10)


@given(
    error=st.floats(-1e7, 1e7),
    answers=st.lists(st.tuples(st.floats(0, 100), st.floats(0, 10), st.floats(0, 1)), min_size=1),
)
def test_it_is_as_near_as_the_answers_tell(error: float, answers: list[tuple[float, float, float]]) -> None:
    """Off by no more than a second and what the answer took, whatever the machine's clock says."""
    machine = Machine(error)
    clock = ServerClock(machine)
    for pause, took, stamped_after in answers:
        machine.passed += pause
        stamped = machine.true + timedelta(seconds=took * stamped_after)
        machine.passed += took
        clock.heard(date(stamped), took)
        off = abs((clock.now() - machine.true).total_seconds())
        assert off <= 1.0 + took + 1e-3


def test_a_right_clock_is_left_alone() -> None:
    """Within the second that a Date names nothing is corrected: time does not jitter."""
    machine = Machine()
    clock = ServerClock(machine)
    machine.passed = 0.8
    clock.now()
    clock.heard(date(machine.true), 0.01)
    assert clock.now() == machine.true


@pytest.mark.parametrize("text", ["", "yesterday", "Sun, 99 Mar 2026 12:00:00 GMT"])
def test_a_date_that_is_none_says_nothing(text: str) -> None:
    """Whatever a proxy writes there."""
    clock = ServerClock(Machine())
    clock.heard(text, 0.0)
    assert clock.now() == NOON

"""What was measured of rules since a rollout was judged last."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sentinel.domain.evidence import Tick
from sentinel.domain.record.record import Record
from sentinel.values import dataclass, replace


@dataclass(frozen=True, slots=True)
class Measured:
    """What one measurement of a metric rule brought: a tick that ends at `until`, or with `look` a part of one.

    `waited`: it could change no verdict, so that it waited to be judged with later ones, in the segment of its time.
    """

    rule: str
    until: datetime
    tick: Tick
    look: bool = False
    waited: bool = False


def whole_until(measured: Iterable[Measured]) -> dict[str, datetime]:
    """Up to when each rule was measured by whole ticks."""
    return {one.rule: one.until for one in measured if not one.look}


def measured_by(record: Record, measured: Sequence[Measured]) -> Record:
    """The record as it is once this evidence was taken in, as far as that says how old the newest of a rule is."""
    until = {**record.state.measured_until, **whole_until(measured)}
    return record.with_state(replace(record.state, measured_until=until)) if measured else record

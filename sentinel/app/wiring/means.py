"""Time, chance and telemetry: what nearly every part of the daemon is given."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from sentinel.adapters.http.metrics import PrometheusTelemetry
from sentinel.ports import Clock, NullTracer, Tracer


@dataclass(frozen=True, slots=True)
class Means:
    """Time, chance and telemetry, which everything needs. `elapsed` is the clock that a lease is reckoned by."""

    clock: Clock
    rng: random.Random
    telemetry: PrometheusTelemetry
    elapsed: Callable[[], float] | None = None
    tracer: Tracer = field(default_factory=NullTracer)

"""How the metrics sources want to be asked, as they say it now: a settle may be learnt while they are asked."""

from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache

from sentinel.engine.evidence.schedule import AT_ONCE, SourceTiming
from sentinel.ports import MetricSource


def timing_of(source: MetricSource | None, every: float = 0.0) -> SourceTiming:
    """The timing of one source; of none, nothing is known.

    `every`: the seconds between two samples of what is measured, where that is rarer than the source's most frequent.
    """
    if source is None:
        return AT_ONCE
    return _timing(max(source.min_interval, every), source.settle, source.extents is not None)


@lru_cache(maxsize=64)
def _timing(min_interval: float, settle: float, told: bool) -> SourceTiming:
    return SourceTiming(timedelta(seconds=min_interval), timedelta(seconds=settle), told=told)


def timings_of(sources: Mapping[str, MetricSource]) -> dict[str, SourceTiming]:
    """The timing of each source by its name."""
    return {name: timing_of(source) for name, source in sources.items()}

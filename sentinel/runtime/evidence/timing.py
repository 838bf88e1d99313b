"""How the metrics sources want to be asked, as they say it now: a settle may be learnt while they are asked."""

from collections.abc import Mapping
from datetime import timedelta

from sentinel.engine.evidence.schedule import AT_ONCE, SourceTiming
from sentinel.ports import MetricSource


def timing_of(source: MetricSource | None) -> SourceTiming:
    """The timing of one source; of none, nothing is known."""
    if source is None:
        return AT_ONCE
    least, settle = timedelta(seconds=source.min_interval), timedelta(seconds=source.settle)
    return SourceTiming(least, settle, told=source.extents is not None)


def timings_of(sources: Mapping[str, MetricSource]) -> dict[str, SourceTiming]:
    """The timing of each source by its name."""
    return {name: timing_of(source) for name, source in sources.items()}

"""Which series of a histogram count the requests slower than a limit, in whichever form it is kept."""

from collections.abc import Mapping, Sequence
from math import inf

from sentinel.adapters.prometheus.series import selectors
from sentinel.adapters.prometheus.spans.buckets import HistogramSeries
from sentinel.adapters.prometheus.spans.histograms import as_number, range_of
from sentinel.engine.arms.variables import alternation
from sentinel.engine.statistics.histograms import limit_edge
from sentinel.values import dataclass


@dataclass(frozen=True, slots=True)
class SlowRequests:
    """What counts them: values of the label `le` of all requests and of those within the limit, values of `vmrange` of
    those over it, or the `limit` of native histograms, in their unit.

    Equal ones can be asked for together.
    """

    every: tuple[str, ...] = ()
    within: tuple[str, ...] = ()
    above: tuple[str, ...] = ()
    limit: float = inf

    @staticmethod
    def bounded(buckets: Sequence[Mapping[str, str]]) -> bool:
        """Whether any of these labels of buckets is of one that is its own series."""
        return bool(_spellings(buckets) or _ranges(buckets))

    @classmethod
    def of(cls, buckets: Sequence[Mapping[str, str]], limit: float, *, native: bool) -> "SlowRequests | None":
        """What counts those over a limit, by the labels of all buckets; None where no bound does.

        They are counted at the first bound from there on; of native histograms within a bucket as PromQL has it.
        Raises ValueError where a `vmrange` is malformed.
        """
        bounds = _spellings(buckets)
        if bounds:
            edge = limit_edge(sorted(bounds), limit)
            return cls(bounds[max(bounds)], bounds[edge]) if edge is not None else None
        ranges = _ranges(buckets)
        if ranges:
            slow = [text for text in ranges if range_of(text)[0] >= limit * (1 - 1e-9)]
            return cls(above=tuple(slow or ("none",)))
        return cls(limit=limit) if native else None

    def queries(self, series: HistogramSeries, by: str) -> tuple[str, str]:
        """The queries, by these labels, of all requests and of the slow ones."""
        if self.every:
            every, within = (_up_to(series.bucket, each, by) for each in (self.every, self.within))
            return every, f"{every} - {within}"
        if self.above:
            every = selectors.narrowed(series.bucket, ("vmrange", "!=", ""))
            above = selectors.narrowed(series.bucket, ("vmrange", "=~", alternation(self.above)))
            return f"sum by ({by}) ({every})", f"sum by ({by}) ({above})"
        whole = f"sum by ({by}) ({series.native})"
        every = f"histogram_count({whole})"
        return every, f"round({every} * (1 - histogram_fraction(-Inf, {self.limit:.12g}, {whole})))"


def _up_to(bucket: str, spellings: tuple[str, ...], by: str) -> str:
    inside = selectors.narrowed(bucket, ("le", "=~", alternation(spellings)))
    return f"max by ({by}) (sum by ({by}, le) ({inside}))"


def _spellings(buckets: Sequence[Mapping[str, str]]) -> dict[float, tuple[str, ...]]:
    """Each bound with all the texts that it is written as."""
    found: dict[float, tuple[str, ...]] = {}
    for text in sorted({labels.get("le", "") for labels in buckets}):
        number = as_number(text)
        if number is not None:
            found[number] = (*found.get(number, ()), text)
    return found


def _ranges(buckets: Sequence[Mapping[str, str]]) -> list[str]:
    return sorted({text for labels in buckets if (text := labels.get("vmrange"))})

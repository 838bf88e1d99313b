"""Asks for histograms, whichever form the server keeps them in: by bound, by `vmrange`, or as native ones."""

from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import datetime, timedelta

from sentinel.adapters.prometheus.answers import InstantAnswer, Sample
from sentinel.adapters.prometheus.backend import MetricsBackend
from sentinel.adapters.prometheus.series import selectors
from sentinel.adapters.prometheus.series.strays import Asking
from sentinel.adapters.prometheus.spans.assembly import subjects_of
from sentinel.adapters.prometheus.spans.histograms import (
    HistogramAnswer,
    newest_spelling,
    spelt_twice,
)
from sentinel.adapters.prometheus.spans.layouts import Layouts
from sentinel.blocking import Together, side_by_side
from sentinel.domain.evidence import Subject
from sentinel.domain.policy.rules import HistogramQuery
from sentinel.engine.arms.selector import label_name
from sentinel.values import dataclass, replace

NONE = InstantAnswer(())


@dataclass(frozen=True, slots=True)
class HistogramSeries:
    """The series of one histogram by what they count; `native` is that of a histogram that is a single series.

    Raises ValueError where the selector names no histogram.
    """

    bucket: str
    sum: str
    count: str
    native: str

    @classmethod
    def of(cls, selector: str) -> "HistogramSeries":
        """The series that a selector with or without `_bucket` names."""
        suffixes = (selectors.BUCKET, selectors.SUM, selectors.COUNT, "")
        return cls(*(selectors.histogram_series(selector, suffix) for suffix in suffixes))


@dataclass(frozen=True, slots=True)
class HistogramAsking:
    """Asks one server for one histogram, that is scraped at an interval. Everything raises SourceError."""

    query: HistogramQuery
    series: HistogramSeries
    backend: MetricsBackend
    ask: Asking
    interval: timedelta
    together: Together = side_by_side
    layouts: Layouts = field(default_factory=Layouts)

    def fresh(self, at: datetime) -> "HistogramAsking":
        """The same of the query's pods, so that series which are new as of a time are found."""
        series, query, fresh = self.series, self.query, self.backend.fresh
        texts = (
            fresh(selectors.of_pods(each, query.arms.pod_label, query.pods), at)
            for each in (series.bucket, series.sum, series.count, series.native)
        )
        return replace(self, series=HistogramSeries(*texts))

    async def at(self, at: datetime) -> HistogramAnswer:
        """Each pod's buckets at one time. Raises ValueError where a `vmrange` is malformed."""
        groups, series = self._groups(), self.series
        buckets, native = await self.together(
            self.ask(f"sum by ({groups}, le, vmrange) ({series.bucket})", at),
            self._native(f"sum by ({groups}) ({series.native})", at),
        )
        if spelt_twice(buckets, self._whose):
            stamps = self.backend.stamps(series.bucket)
            times = await self.ask(f"max by ({groups}, le) ({stamps})", at)
            within = self.interval.total_seconds()
            buckets = newest_spelling(buckets, times, self._whose, within)
        whole = await self.layouts.common(
            self.query, series.bucket, groups, buckets, self._whose, self.ask, at
        )
        return HistogramAnswer.of(whole, native, self._whose)

    async def bounds_by(self, labels: str, at: datetime) -> Sequence[Mapping[str, str]]:
        """Which bounds, or ranges, the buckets of each value of these labels have."""
        known = await self.ask(f"count by ({labels}, le, vmrange) ({self.series.bucket})", at)
        return [sample.labels for sample in known.samples]

    async def native_by(self, labels: str, at: datetime) -> Sequence[Mapping[str, str]]:
        """Of which values of these labels there are native histograms."""
        found = await self._native(f"sum by ({labels}) ({self.series.native})", at)
        return [sample.labels for sample in found.samples]

    async def _native(self, query: str, at: datetime) -> InstantAnswer:
        """The native histograms among an answer; MetricsQL has no such type."""
        if self.backend.metricsql:
            return NONE
        found = await self.ask(query, at)
        return replace(found, samples=tuple(sample for sample in found.samples if sample.buckets is not None))

    def _groups(self) -> str:
        arms = self.query.arms
        return ", ".join(map(label_name, (arms.namespace_label, arms.subject_label)))

    def _whose(self, samples: Sequence[Sample]) -> Sequence[Subject]:
        return subjects_of(samples, self.query.arms)

"""Prometheus as a source of evidence: counters of each pod at explicit times, all workloads in one query."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from sentinel.adapters.prometheus import selectors
from sentinel.adapters.prometheus.answers import Answer, Sample
from sentinel.adapters.prometheus.client import PrometheusClient
from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import Missing, MissingReason, Reading, Span, Subject, ValueSample
from sentinel.domain.policy import Arms, CountQuery, HistogramQuery, ValueQuery

STALE_AFTER_INTERVALS = 2.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """Every subject's counters at one time, and what is wrong with those of some."""

    readings: Mapping[Subject, Reading]
    missing: Mapping[Subject, Missing]


class PrometheusSource:
    """Implements `ports.MetricSource`.

    `scrape_interval` in seconds: a pod whose oldest sample is older than two of them is stale. `settle`: seconds
    to stay behind the clock, for a Prometheus that is filled with a delay (remote write).
    """

    name = "prometheus"

    def __init__(
        self, client: PrometheusClient, *, scrape_interval: float = 15.0, settle: float = 0.0
    ) -> None:
        self._client = client
        self._stale_after = timedelta(seconds=STALE_AFTER_INTERVALS * scrape_interval)
        self._settle = settle
        self._min_interval = scrape_interval

    @property
    def settle(self) -> float:
        """Seconds that evidence stays behind the clock."""
        return self._settle

    @property
    def min_interval(self) -> float:
        """A tick shorter than a scrape interval would see nothing new."""
        return self._min_interval

    async def counts(self, query: CountQuery, since: datetime, until: datetime) -> tuple[Span, ...]:
        """Totals and errors of every pod or version, at both times. Raises SourceError."""
        _checked(lambda: [selectors.check(query.total), selectors.check(query.errors)])
        before, after = await asyncio.gather(
            self._counts_at(query, since, None), self._counts_at(query, until, self._stale_after)
        )
        return _spans(before, after)

    async def histogram(self, query: HistogramQuery, since: datetime, until: datetime) -> tuple[Span, ...]:
        """Cumulative buckets, sum and count of every pod or version, at both times. Raises SourceError."""
        before, after = await asyncio.gather(
            self._histogram_at(query, since, None), self._histogram_at(query, until, self._stale_after)
        )
        return _spans(before, after)

    async def value(self, query: ValueQuery, at: datetime) -> ValueSample:
        """The numbers of a free query; a NaN or an infinity among them makes it missing. Raises SourceError."""
        answer = await self._client.instant(query.expression, at)
        values = tuple(sample.value for sample in answer.samples)
        odd = next((sample for sample in answer.samples if not sample.usable), None)
        if odd is not None:
            missing = Missing(MissingReason.NOT_A_NUMBER, detail=f"the query gives {odd.value}")
            return ValueSample(at, missing=missing, scalar=answer.scalar)
        return ValueSample(at, values, scalar=answer.scalar)

    async def ready(self, at: datetime) -> str | None:
        """None when Prometheus answers, else a sentence on what is wrong."""
        try:
            await self._client.get("/api/v1/query", {"query": "vector(1)", "time": f"{at.timestamp():.3f}"})
        except SourceError as error:
            return str(error)
        return None

    async def _counts_at(self, query: CountQuery, at: datetime, stale_after: timedelta | None) -> _Snapshot:
        groups = _groups(query.arms)
        # Errors before totals: a scrape that lands in between then makes too few errors for one tick, which the
        # next one makes good, and never more errors than requests.
        errors = await self._client.instant(f"sum by ({groups}) ({query.errors})", at)
        totals, context = await asyncio.gather(
            self._client.instant(f"sum by ({groups}) ({query.total})", at),
            self._context(query.total, query.arms, at),
        )
        _require_label(totals, query.total, query.arms)
        builder = _Builder(query.arms, context)
        builder.add(totals, lambda _: "total")
        builder.add(errors, lambda _: "errors")
        return builder.build(at, stale_after, required="total", default={"errors": 0.0})

    async def _histogram_at(
        self, query: HistogramQuery, at: datetime, stale_after: timedelta | None
    ) -> _Snapshot:
        groups = _groups(query.arms)
        bucket, total, count = _checked(
            lambda: [
                selectors.histogram_series(query.histogram, suffix)
                for suffix in (selectors.BUCKET, selectors.SUM, selectors.COUNT)
            ]
        )
        buckets, sums, counts, context = await asyncio.gather(
            self._client.instant(f"sum by ({groups}, le) ({bucket})", at),
            self._client.instant(f"sum by ({groups}) ({total})", at),
            self._client.instant(f"sum by ({groups}) ({count})", at),
            self._context(count, query.arms, at),
        )
        _require_label(buckets, bucket, query.arms)
        builder = _Builder(query.arms, context)
        _checked(lambda: [_bound(sample, query.unit) for sample in buckets.samples])
        builder.add(buckets, lambda sample: _bound(sample, query.unit))
        builder.add(sums, lambda _: "sum", scale=query.unit)
        builder.add(counts, lambda _: "count")
        return builder.build(at, stale_after, required="+Inf", default={})

    async def _context(self, selector: str, arms: Arms, at: datetime) -> "_Context":
        """When each subject was scraped, and which pods are seen through more than one job."""
        groups = _groups(arms)
        by_job = dict.fromkeys(["namespace", *_names(arms), arms.pod_label, "job"])
        oldest, jobs = await asyncio.gather(
            self._client.instant(f"min by ({groups}) (timestamp({selector}))", at),
            self._client.instant(f"count by ({', '.join(by_job)}) ({selector})", at),
        )
        scraped = {_subject(sample, arms): sample.value for sample in oldest.samples if sample.usable}
        return _Context(scraped, _seen_twice(jobs.samples, arms))


@dataclass(frozen=True, slots=True)
class _Context:
    scraped: Mapping[Subject, float]
    duplicated: Mapping[Subject, str]


class _Builder:
    """Gathers samples of several answers by subject."""

    def __init__(self, arms: Arms, context: _Context) -> None:
        self._arms = arms
        self._context = context
        self._values: dict[Subject, dict[str, float]] = {}
        self._missing: dict[Subject, Missing] = {
            subject: Missing(MissingReason.DUPLICATE_SERIES, str(subject), f"scraped by the jobs {jobs}")
            for subject, jobs in context.duplicated.items()
        }

    def add(self, answer: Answer, key: Callable[[Sample], str], *, scale: float = 1.0) -> None:
        """Take in one answer; `key` says what a sample counts."""
        for sample in answer.samples:
            subject = _subject(sample, self._arms)
            values = self._values.setdefault(subject, {})
            name = key(sample)
            if not sample.usable:
                self._note(subject, MissingReason.NOT_A_NUMBER, f"{name} is {sample.value}")
            elif name in values:
                self._note(subject, MissingReason.DUPLICATE_SERIES, f"two series count {name}")
            else:
                values[name] = sample.value * scale

    def build(
        self, at: datetime, stale_after: timedelta | None, *, required: str, default: Mapping[str, float]
    ) -> _Snapshot:
        """The readings, with `default` for what a subject lacks; one that lacks `required` has none.

        `stale_after` None is for the beginning of a span: there an old number is still one that was true, and
        a series that was not there yet is no fault.
        """
        readings: dict[Subject, Reading] = {}
        for subject, values in self._values.items():
            scraped = self._context.scraped.get(subject)
            if required not in values or scraped is None:
                if stale_after is not None:
                    self._note(subject, MissingReason.NO_DATA, f"no series of {required}")
                continue
            observed = datetime.fromtimestamp(scraped, UTC)
            if stale_after is not None and at - observed > stale_after:
                age = (at - observed).total_seconds()
                self._note(subject, MissingReason.STALE, f"the last sample is {age:.0f} s old")
            if subject not in self._missing:
                readings[subject] = Reading(observed, {**default, **values})
        return _Snapshot(readings, self._missing)

    def _note(self, subject: Subject, reason: MissingReason, detail: str) -> None:
        self._missing.setdefault(subject, Missing(reason, str(subject), detail))


def _spans(before: _Snapshot, after: _Snapshot) -> tuple[Span, ...]:
    """Both times side by side, in the order of the subjects' names."""
    spans = []
    subjects = {**after.readings, **after.missing, **before.readings}
    for subject in sorted(subjects, key=lambda s: (s.namespace, s.pod, s.version)):
        missing = after.missing.get(subject) or before.missing.get(subject)
        gone = Missing(MissingReason.NO_DATA, str(subject), "the series ended")
        after_reading = after.readings.get(subject)
        if missing is None and after_reading is None:
            missing = gone
        spans.append(Span(subject, before.readings.get(subject), after_reading, missing))
    return tuple(spans)


def _names(arms: Arms) -> tuple[str, ...]:
    return (arms.version_label,) if arms.version_label else (arms.pod_label,)


def _groups(arms: Arms) -> str:
    return ", ".join(["namespace", *_names(arms)])


def _subject(sample: Sample, arms: Arms) -> Subject:
    namespace = sample.labels.get("namespace", "")
    if arms.version_label:
        return Subject(namespace, version=sample.labels.get(arms.version_label, ""))
    return Subject(namespace, pod=sample.labels.get(arms.pod_label, ""))


def _seen_twice(samples: Iterable[Sample], arms: Arms) -> dict[Subject, str]:
    """Subjects with a pod that several jobs scrape, with these jobs. Series of no pod cannot tell."""
    jobs: dict[tuple[Subject, str], list[str]] = {}
    for sample in samples:
        pod = sample.labels.get(arms.pod_label, "")
        if pod:
            jobs.setdefault((_subject(sample, arms), pod), []).append(sample.labels.get("job", ""))
    return {subject: " and ".join(sorted(seen)) for (subject, _), seen in jobs.items() if len(seen) > 1}


def _require_label(answer: Answer, selector: str, arms: Arms) -> None:
    """Refuse an answer none of whose series says which pod or version it is of: the label's name is wrong."""
    label = _names(arms)[0]
    if answer.samples and not any(sample.labels.get(label) for sample in answer.samples):
        setting = "arms.label" if arms.version_label else "podLabel"
        raise SourceError(
            f"None of the series of {selector!r} has the label {label!r}: set {setting} to the label that names "
            f"the {'version' if arms.version_label else 'pod'}.",
            reason=MissingReason.BAD_QUERY,
        )


def _bound(sample: Sample, unit: float) -> str:
    """A bucket's upper bound in seconds, written in one way whatever the exporter's. Raises ValueError."""
    try:
        bound = float(sample.labels.get("le", "")) * unit
    except ValueError:
        raise ValueError(
            f"the series {dict(sample.labels)} is no bucket: its label le is no number"
        ) from None
    return "+Inf" if bound == float("inf") else f"{bound:.12g}"


def _checked(read: Callable[[], list[T]]) -> list[T]:
    """Run a selector check; its ValueError becomes a SourceError."""
    try:
        return read()
    except ValueError as error:
        raise SourceError(f"{error}.", reason=MissingReason.BAD_QUERY) from error

"""What was measured: readings of counters, what happened between two of them, and why a number is missing."""

from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import datetime, timedelta
from enum import StrEnum
from math import inf, isfinite

from sentinel.values import dataclass


class MissingReason(StrEnum):
    """Why there is no number. Missing evidence never becomes a pass and never a fail."""

    NO_DATA = "NoData"
    LABELS_DIFFER = "LabelsDiffer"
    FIRST_SAMPLE = "FirstSample"
    STALE = "Stale"
    NOT_A_NUMBER = "NotANumber"
    WENT_BACKWARDS = "WentBackwards"
    ERRORS_OVER_TOTAL = "ErrorsOverTotal"
    DUPLICATE_SERIES = "DuplicateSeries"
    MIXED_FORMS = "MixedForms"
    NOT_SETTLED = "NotSettled"
    SOURCE_UNREACHABLE = "SourceUnreachable"
    SOURCE_TIMEOUT = "SourceTimeout"
    NOT_ASKED = "NotAsked"
    SOURCE_REFUSED = "SourceRefused"
    BAD_QUERY = "BadQuery"
    RATE_LIMITED = "RateLimited"
    OVER_LIMIT = "OverLimit"
    PARTIAL_ANSWER = "PartialAnswer"


@dataclass(frozen=True, slots=True)
class Missing:
    """A number that is missing: why, for which pod or arm (empty: for all), and details, often the source's words."""

    reason: MissingReason
    subject: str = ""
    detail: str = ""

    def __str__(self) -> str:
        what = f"{self.reason} for {self.subject}" if self.subject else self.reason.value
        return f"{what}: {self.detail}" if self.detail else what


@dataclass(frozen=True, slots=True)
class Reading:
    """The counters of one pod (or one version) at one time, as its source holds them.

    `values` are cumulative counts: `total` and `errors` for a count query; for a histogram the upper bounds in
    seconds as text (`"0.5"`, `"+Inf"`) plus `sum` in seconds and `count` where the source has them. `observed_at`
    is when the newest sample in it was scraped. `form`: in which form the source keeps the histogram; readings in two
    forms have different bounds, so that nothing can be concluded from their difference.
    """

    observed_at: datetime
    values: Mapping[str, float]
    form: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose counters: a pod of a namespace, or a version label's value (then `version` is set, `pod` empty).

    Its hash is worked out once: each sample of an answer is put with its subject.
    """

    namespace: str
    pod: str = ""
    version: str = ""
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash((self.namespace, self.pod, self.version)))

    def __hash__(self) -> int:
        return self._hash

    def __str__(self) -> str:
        return self.pod or self.version


@dataclass(frozen=True, slots=True)
class Span:
    """What a source measured for one subject between two times.

    Either two cumulative readings (`before` may be absent: the series was not there yet), or, from sources that
    count by interval, only `after` with `cumulative=False`: then its values are the increments themselves. A counter
    that has no series is not among the values. `every`: the seconds between two of its samples; 0 where unknown.
    """

    subject: Subject
    before: Reading | None
    after: Reading | None
    missing: Missing | None = None
    cumulative: bool = True
    every: float = field(default=0.0, compare=False)

    @property
    def stray(self) -> bool:
        """Whether it counts errors (or the like) of a subject that has no total: they may be anyone's.

        Its `after` holds what is counted, its subject what the series name, which may be nobody.
        """
        return self.missing is not None and self.missing.reason is MissingReason.LABELS_DIFFER


@dataclass(frozen=True, slots=True)
class Extent:
    """Up to when all samples of a question are there, and from when on more of them can be.

    `until` may lie ahead of the clock: until the next scrape is due, there is no sample to come.
    """

    until: datetime
    again: datetime

    def behind(self, now: datetime) -> timedelta:
        """How far behind the clock all samples are there."""
        return max(timedelta(0), now - self.until)


@dataclass(frozen=True, slots=True)
class Past:
    """A question for the counters of some pods of one namespace at `since`, `since + step`, …, `until`.

    `over`: of a histogram, the latency in seconds beyond which a request counts as an error.
    """

    namespace: str
    pods: tuple[str, ...]
    since: datetime
    until: datetime
    step: timedelta
    over: float = 0.0

    @property
    def length(self) -> int:
        """How many times it asks for."""
        return (self.until - self.since) // self.step + 1


PastCounters = Mapping[str, Sequence[tuple[float, float] | None]]
"""Of each pod its cumulative (requests, errors) at the times of a `Past`; None where it had no sample."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Whole requests and whole errors of one arm."""

    total: int = 0
    errors: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.total + other.total, self.errors + other.errors)

    def __sub__(self, part: "Counts") -> "Counts":
        return Counts(self.total - part.total, self.errors - part.errors)

    @property
    def rate(self) -> float | None:
        """The share of errors, None without requests."""
        return self.errors / self.total if self.total else None


@dataclass(frozen=True, slots=True)
class Histogram:
    """Latencies of one arm: per upper bound in seconds (ascending, last infinity) the count in that bucket
    alone (not cumulative); `seconds` is the sum of all latencies where known."""

    bounds: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()
    seconds: float | None = None

    @property
    def total(self) -> int:
        """All observations."""
        return sum(self.counts)

    @property
    def mean(self) -> float | None:
        """The plain mean in seconds, None where the sum is unknown or nothing was observed."""
        return self.seconds / self.total if self.seconds is not None and self.total else None

    def over(self, bound: float) -> int:
        """How many observations lie above this bucket bound."""
        return sum(n for upper, n in zip(self.bounds, self.counts, strict=True) if upper > bound)

    def __add__(self, other: "Histogram") -> "Histogram":
        """The sum of two histograms; of different bounds, the common ones are kept (counts move up)."""
        if not self.bounds:
            return other
        if not other.bounds:
            return self
        bounds, ours, theirs = self.bounds, self.counts, other.counts
        if bounds != other.bounds:
            bounds = tuple(sorted(set(bounds) & set(other.bounds)))
            ours, theirs = _rebin(self, bounds), _rebin(other, bounds)
        counts = tuple(a + b for a, b in zip(ours, theirs, strict=True))
        known = self.seconds is not None and other.seconds is not None
        return Histogram(bounds, counts, (self.seconds or 0.0) + (other.seconds or 0.0) if known else None)

    def __sub__(self, part: "Histogram") -> "Histogram":
        """What is left of a sum without one of its parts."""
        if not part.bounds:
            return self
        counts = tuple(a - b for a, b in zip(self.counts, _rebin(part, self.bounds), strict=True))
        seconds = None if self.seconds is None else self.seconds - (part.seconds or 0.0)
        return Histogram(self.bounds, counts, seconds)


def _rebin(histogram: Histogram, bounds: tuple[float, ...]) -> tuple[int, ...]:
    """The counts of a histogram over fewer bounds (a subset of its bounds with the same last one)."""
    counts = [0] * len(bounds)
    for upper, n in zip(histogram.bounds, histogram.counts, strict=True):
        index = next(i for i, bound in enumerate(bounds) if bound >= upper)
        counts[index] += n
    return tuple(counts)


@dataclass(frozen=True, slots=True)
class PodStart:
    """What one young pod of the candidate did in a tick, from `since` to `until` in seconds since it was ready.

    `cold`: it is within the warm-up, so that no arm counts it.
    """

    pod: str
    since: float
    until: float
    seen: Histogram
    cold: bool


ERRORS_OVER = 0.0
"""Counts as a histogram: what lies over this bound are the errors."""


def as_histogram(counts: Counts) -> Histogram:
    """Counts of two kinds, good ones and errors, so that starts are kept in one form."""
    return Histogram((ERRORS_OVER, inf), (counts.total - counts.errors, counts.errors))


@dataclass(frozen=True, slots=True)
class CountTick:
    """What both arms counted between two times; `baseline` is None once stable pods no longer serve.

    `starts` is what the candidate's young pods did, within their arm or not.
    """

    since: datetime
    until: datetime
    candidate: Counts
    baseline: Counts | None
    pods: Mapping[str, Counts]
    missing: tuple[Missing, ...] = ()
    starts: tuple[PodStart, ...] = ()


@dataclass(frozen=True, slots=True)
class HistogramTick:
    """Both arms' latencies between two times; `starts` as in a `CountTick`."""

    since: datetime
    until: datetime
    candidate: Histogram
    baseline: Histogram | None
    missing: tuple[Missing, ...] = ()
    starts: tuple[PodStart, ...] = ()


@dataclass(frozen=True, slots=True)
class ValueSample:
    """The answer of a free query at one time: its numbers, or why they are missing."""

    at: datetime
    values: tuple[float, ...] = ()
    missing: Missing | None = None
    scalar: bool = False

    @classmethod
    def of(cls, at: datetime, found: Sequence[float | None], *, scalar: bool) -> "ValueSample":
        """The numbers that were found; missing if one is not there or not finite, as nothing compares with that."""
        numbers = tuple(value for value in found if value is not None and isfinite(value))
        if len(numbers) == len(found):
            return cls(at, numbers, scalar=scalar)
        odd = next(value for value in found if value is None or not isfinite(value))
        detail = f"the query returns {'null' if odd is None else odd}"
        return cls(at, missing=Missing(MissingReason.NOT_A_NUMBER, detail=detail), scalar=scalar)


Tick = CountTick | HistogramTick | ValueSample

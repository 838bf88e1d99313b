"""Histograms in every form that servers keep them in, as counts up to bounds that all of an answer's pods have.

Classic ones have a series for each bound. Native ones (with exponential or custom buckets) and those by `vmrange` tell
only the buckets that hold something. Any bound that splits none of those is exact, so the edges of all pods' buckets
are what is compared at, and bounds above all of them.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate
from math import inf, log2

from sentinel.adapters.prometheus.answers import InstantAnswer, Sample, SparseBuckets
from sentinel.domain.evidence import Subject
from sentinel.values import dataclass

CLASSIC, NATIVE, VMRANGE = "classic", "native", "vmrange"

MOST_EDGES = 200
"""With more edges than this, those of native schemas over 3 are left out (they are 9 % apart in schema 3)."""
_ABOVE = tuple(n * 10.0**power for power in range(-3, 4) for n in (1.0, 2.5, 5.0))
_TOLERANCE = 1e-9
_ROUND_OFF = 1e-6

Of = Callable[[Sequence[Sample]], Sequence[Subject]]
"""Whose samples they are, one by one."""


@dataclass(frozen=True, slots=True)
class HistogramAnswer:
    """One time's buckets: `classic` by bound, `sparse` one sample a pod, nobody has both; and who has which form."""

    classic: InstantAnswer
    sparse: InstantAnswer
    forms: Mapping[Subject, str]

    @classmethod
    def of(cls, buckets: InstantAnswer, native: InstantAnswer, whose: Of) -> "HistogramAnswer":
        """Each pod's buckets by bound where it has them: they are the exporter's own. Raises ValueError."""
        classic = [sample for sample in buckets.samples if sample.labels.get("le")]
        forms = dict.fromkeys(whose(classic), CLASSIC)
        if len(classic) == len(buckets.samples) and not native.samples:  # as nearly all servers answer
            return cls(buckets, native, forms)
        ranges = [sample for sample in buckets.samples if sample.labels.get("vmrange")]
        neither = [s for s in buckets.samples if not s.labels.get("le") and not s.labels.get("vmrange")]
        sparse = []
        for form, samples in (
            (VMRANGE, _gathered(ranges, whose)),
            (NATIVE, [sample for sample in native.samples if sample.buckets is not None]),
        ):
            sparse += [
                sample
                for subject, sample in zip(whose(samples), samples, strict=True)
                if forms.setdefault(subject, form) == form
            ]
        return cls(InstantAnswer((*classic, *neither)), InstantAnswer(tuple(sparse)), forms)

    def selectors(self, classic: str, native: str) -> list[str]:
        """The series whose times tell how old this is."""
        native_only = set(self.forms.values()) == {NATIVE}
        found = [] if native_only else [classic]
        return [*found, native] if NATIVE in self.forms.values() else found


def common_edges(answers: Iterable[HistogramAnswer], unit: float) -> tuple[float, ...]:
    """The bounds, in seconds, at which the sparse histograms of all these answers are exact."""
    ranges = {
        (lower * unit, upper * unit)
        for answer in answers
        for sample in answer.sparse.samples
        if sample.buckets is not None
        for lower, upper, _ in sample.buckets.ranges
    }
    edges = {edge for bucket in ranges for edge in bucket if _ROUND_OFF < edge < inf}
    exact = [edge for edge in sorted(edges) if not any(_splits(edge, bucket) for bucket in ranges)]
    if len(exact) > MOST_EDGES:
        exact = [edge for edge in exact if abs(8 * log2(edge / unit) - round(8 * log2(edge / unit))) < 1e-3]
    highest = max((lower if upper == inf else upper for lower, upper in ranges), default=0.0)
    return (*exact, *(bound for bound in _ABOVE if bound > highest * (1 + _TOLERANCE)))


def counted_at(edges: Sequence[float], buckets: SparseBuckets, unit: float) -> Iterable[tuple[str, float]]:
    """The counts up to each edge as a classic histogram has them, with sum and count where they are known."""
    ordered = sorted((upper * unit, count) for _, upper, count in buckets.ranges)
    uppers = [upper for upper, _ in ordered]
    below = [0.0, *accumulate(count for _, count in ordered)]
    for edge in edges:
        yield f"{edge:.12g}", below[bisect_right(uppers, edge * (1 + _TOLERANCE))]
    yield "+Inf", below[-1]
    if buckets.sum is not None:
        yield "sum", buckets.sum * unit
        yield "count", below[-1]


def spelt_twice(buckets: InstantAnswer, whose: Of) -> bool:
    """Whether a pod has series of one bound in two spellings: `le="1"` became `"1.0"` as Prometheus 3 took over."""
    spellings = {sample.labels.get("le", "") for sample in buckets.samples}
    bounds = {text: bound for text in spellings if (bound := as_number(text)) is not None}
    if len(set(bounds.values())) == len(bounds):  # nobody spells a bound in two ways
        return False
    seen: set[tuple[Subject, float]] = set()
    for subject, sample in zip(whose(buckets.samples), buckets.samples, strict=True):
        bound = bounds.get(sample.labels.get("le", ""))
        if bound is None:
            continue
        key = subject, bound
        if key in seen:
            return True
        seen.add(key)
    return False


def newest_spelling(buckets: InstantAnswer, stamps: InstantAnswer, whose: Of, within: float) -> InstantAnswer:
    """The buckets less those series that stopped more than `within` seconds before another spelling of the bound."""
    stamped = zip(whose(stamps.samples), stamps.samples, strict=True)
    times = {(subject, one.labels.get("le", "")): one.value for subject, one in stamped}
    newest: dict[tuple[Subject, float | None], float] = {}
    for (subject, text), time in times.items():
        key = subject, as_number(text)
        newest[key] = max(time, newest.get(key, time))
    kept = []
    for subject, sample in zip(whose(buckets.samples), buckets.samples, strict=True):
        text = sample.labels.get("le", "")
        time = times.get((subject, text), inf)
        if time + within >= newest.get((subject, as_number(text)), -inf):
            kept.append(sample)
    return InstantAnswer(tuple(kept))


def as_number(text: str) -> float | None:
    """The number that a bound is, None where it is not a number."""
    try:
        return float(text)
    except ValueError:
        return None


def range_of(text: str) -> tuple[float, float]:
    """Both ends of a `vmrange` such as `1.000e-01...1.136e-01`. Raises ValueError."""
    lower, dots, upper = text.partition("...")
    if not dots:
        raise ValueError(f"the label vmrange is not a range: {text!r}")
    return float(lower), float(upper)


def _gathered(ranges: Sequence[Sample], whose: Of) -> list[Sample]:
    """The series of each pod as one sample. Raises ValueError."""
    found: dict[Subject, tuple[Sample, list[tuple[float, float, float]]]] = {}
    for subject, sample in zip(whose(ranges), ranges, strict=True):
        bucket = (*range_of(sample.labels["vmrange"]), sample.value)
        found.setdefault(subject, (sample, []))[1].append(bucket)
    return [
        Sample(first.labels, sum(count for *_, count in own), SparseBuckets(tuple(own)))
        for first, own in found.values()
    ]


def _splits(edge: float, bucket: tuple[float, float]) -> bool:
    lower, upper = bucket
    return lower < edge * (1 - _TOLERANCE) and edge * (1 + _TOLERANCE) < upper

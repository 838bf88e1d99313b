"""What Prometheus answers, as values: the samples of an instant query."""

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from sys import intern
from typing import NamedTuple
from weakref import WeakValueDictionary

from msgspec import DecodeError, Raw
from msgspec.json import Decoder

from sentinel.adapters.prometheus.elements import Element, Series, pairs
from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import MissingReason
from sentinel.values import dataclass


@dataclass(frozen=True, slots=True)
class SparseBuckets:
    """A histogram's buckets that hold something: lower and upper end and how many; and the sum, where it is known."""

    ranges: tuple[tuple[float, float, float], ...]
    sum: float | None = None


class Sample(NamedTuple):
    """One element of an instant vector. `value` may be NaN or infinite; of a native histogram it is the count.

    A tuple, as it is made in a third of the time: 5,000 pods have 100,000 of them.
    """

    labels: Mapping[str, str]
    value: float
    buckets: SparseBuckets | None = None

    @property
    def usable(self) -> bool:
        """Whether the value is a number one can count with."""
        return math.isfinite(self.value)


@dataclass(frozen=True, slots=True)
class InstantAnswer:
    """An instant vector, or a scalar (then its one sample has no labels)."""

    samples: tuple[Sample, ...]
    scalar: bool = False

    @property
    def weight(self) -> int:
        """How much memory it takes, in samples."""
        buckets = [each for _, _, each in self.samples if each is not None]
        return 1 + len(self.samples) + sum([len(each.ranges) for each in buckets])


@dataclass(frozen=True, slots=True)
class Track:
    """One element of a range vector: its values by time (Unix seconds), without those that are not numbers."""

    labels: Mapping[str, str]
    values: Mapping[float, float]


def parse_range(result: object, query: str) -> tuple[Track, ...]:
    """The `data.result` of a range query. Raises SourceError(SOURCE_REFUSED) for anything else."""
    if not isinstance(result, list):
        raise _strange(query)
    return tuple(_track(element, query) for element in result)


def _track(element: object, query: str) -> Track:
    try:
        if isinstance(element, Series):
            labels, sent = _sent(element.metric, query), pairs(element.values)
        else:
            labels, sent = dict(element["metric"]), element["values"]  # type: ignore[index]
        values = ((float(at), float(value)) for at, value in sent)
        return Track(labels, {at: value for at, value in values if math.isfinite(value)})
    except (TypeError, KeyError, ValueError) as error:
        raise _strange(query) from error


def parse(result: object, query: str) -> InstantAnswer:
    """The `data.result` of an instant query.

    Raises SourceError(BAD_QUERY) for a range vector or a string, SourceError(SOURCE_REFUSED) for anything that
    Prometheus does not answer.
    """
    if not isinstance(result, list):
        raise _strange(query)
    if result and isinstance(result[0], Element):
        try:
            return InstantAnswer(
                tuple([Sample(_sent(one.metric, query), float(one.value[1])) for one in result])
            )
        except ValueError:
            return InstantAnswer(
                tuple([Sample(_sent(one.metric, query), _as_number(one.value[1], query)) for one in result])
            )
    if result and isinstance(result[0], Series):
        raise _range_vector(query)
    if result and not isinstance(result[0], Mapping):
        return InstantAnswer((Sample({}, _number(result, query)),), scalar=True)
    return InstantAnswer(tuple([_sample(element, query) for element in result]))


def of_numbers(answer: InstantAnswer, query: str) -> InstantAnswer:
    """The answer. Raises SourceError(BAD_QUERY) for native histograms: which of their numbers is meant?"""
    if any(sample.buckets is not None for sample in answer.samples):
        raise SourceError(
            f"The query {query!r} gives native histograms; a rule needs numbers: put histogram_quantile, "
            "histogram_count, histogram_sum or histogram_avg around it.",
            reason=MissingReason.BAD_QUERY,
        )
    return answer


def joined(answers: Iterable[InstantAnswer]) -> InstantAnswer:
    """The samples of several answers as those of one."""
    return InstantAnswer(tuple(sample for answer in answers for sample in answer.samples))


def summed(answer: InstantAnswer, labels: Sequence[str]) -> InstantAnswer:
    """What `sum by` these labels makes of an answer; the only sample of a sum keeps its other labels."""
    keys = [tuple([sample.labels.get(label) for label in labels]) for sample in answer.samples]
    if len(set(keys)) == len(keys):
        return answer
    groups: dict[tuple[str | None, ...], list[Sample]] = {}
    for key, sample in zip(keys, answer.samples, strict=True):
        groups.setdefault(key, []).append(sample)
    return InstantAnswer(tuple(_sum(group, labels) for group in groups.values()))


def _sum(group: Sequence[Sample], labels: Sequence[str]) -> Sample:
    if len(group) == 1:
        return group[0]
    first = group[0].labels
    return Sample(
        {label: first[label] for label in labels if label in first}, sum(sample.value for sample in group)
    )


def _sample(element: object, query: str) -> Sample:
    if not isinstance(element, dict) or not isinstance(element.get("metric"), dict):
        raise _strange(query)
    if "values" in element:
        raise _range_vector(query)
    try:
        labels = _labels(element["metric"])
    except TypeError as error:
        raise _strange(query) from error
    if "histogram" in element:
        return _native(labels, element["histogram"], query)
    return Sample(labels, _number(element.get("value"), query))


class _Labels(dict[str, str]):
    """The labels of a series, which can be known as long as an answer has them."""

    __slots__ = ("__weakref__",)


_METRIC = Decoder(dict[str, str])
_known: WeakValueDictionary[Hashable, _Labels] = WeakValueDictionary()
"""The same series come with every answer, and many answers are remembered: the labels of each are kept once."""


def _labels(metric: Mapping[object, object]) -> Mapping[str, str]:
    """The labels of a series. Raises TypeError for values that are not text."""
    known = _known.get((*metric, *metric.values()))
    if known is None:
        known = _Labels({intern(str(name)): intern(str(value)) for name, value in metric.items()})
        _known[*known, *known.values()] = known
    return known


def _sent(metric: Raw, query: str) -> Mapping[str, str]:
    """The labels of a series in the form in which they were sent."""
    text = bytes(metric)
    known = _known.get(text)
    if known is None:
        try:
            labels = _METRIC.decode(text)
        except DecodeError as error:
            raise _strange(query) from error
        known = _known[text] = _Labels({intern(name): intern(value) for name, value in labels.items()})
    return known


def _native(labels: Mapping[str, str], pair: object, query: str) -> Sample:
    try:
        histogram = pair[1]  # type: ignore[index]
        ranges = [(float(low), float(high), float(n)) for _, low, high, n in histogram.get("buckets") or ()]
        buckets = SparseBuckets(tuple(ranges), float(histogram["sum"]))
        return Sample(labels, float(histogram["count"]), buckets)
    except (TypeError, KeyError, ValueError, IndexError, AttributeError) as error:
        raise _strange(query) from error


def _number(pair: object, query: str) -> float:
    if not isinstance(pair, list) or len(pair) != 2:
        raise _strange(query)
    return _as_number(pair[1], query)


def _as_number(value: object, query: str) -> float:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise SourceError(
            f"The query {query!r} gives the text {value!r}, not a number.", reason=MissingReason.BAD_QUERY
        ) from error


def _range_vector(query: str) -> SourceError:
    return SourceError(
        f"The query {query!r} gives a range vector; a rule needs an instant vector or a scalar.",
        reason=MissingReason.BAD_QUERY,
    )


def _strange(query: str) -> SourceError:
    return SourceError(
        f"The answer to {query!r} is not in the format of Prometheus' API.",
        reason=MissingReason.SOURCE_REFUSED,
    )

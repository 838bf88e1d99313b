"""The counters of pods over a longer time: which queries tell them, and what the answers come to.

Several workloads can be asked about in one query. Its answer is the same for each pod as in a query about that pod's
workload alone: a sum by pod has the same series in it, and a value at one time does not depend on which other times
are asked for.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from sentinel.adapters.prometheus.answers import Track
from sentinel.adapters.prometheus.refusing import checked, read
from sentinel.adapters.prometheus.series import selectors
from sentinel.adapters.prometheus.spans.buckets import HistogramAsking, HistogramSeries
from sentinel.adapters.prometheus.spans.slow import SlowRequests
from sentinel.domain.evidence import Past, PastCounters
from sentinel.domain.policy.rules import Arms, CountQuery, HistogramQuery
from sentinel.engine.arms.selector import label_name
from sentinel.engine.arms.variables import alternation, quote_regex
from sentinel.values import dataclass, replace

Asking = Callable[[HistogramQuery], Awaitable[HistogramAsking]]
Place = tuple[str, str]
"""A pod by its namespace and its name."""


@dataclass(frozen=True, slots=True)
class Pasts:
    """Questions with the same step and the same limit, on one grid of times, as one."""

    arms: Arms
    parts: tuple[Past, ...]

    @property
    def since(self) -> datetime:
        """The first time."""
        return min(part.since for part in self.parts)

    @property
    def until(self) -> datetime:
        """The last time."""
        return max(part.until for part in self.parts)

    @property
    def step(self) -> timedelta:
        """Between two times."""
        return self.parts[0].step

    @property
    def by(self) -> str:
        """The labels that tell the pods apart: names may be the same in two namespaces."""
        labels = (self.arms.namespace_label, self.arms.pod_label)
        return ", ".join(map(label_name, labels if self._namespaces[1:] else labels[1:]))

    def narrowed(self, selector: str) -> str:
        """The selector of these pods alone. Raises ValueError."""
        pods = alternation(tuple(dict.fromkeys(pod for part in self.parts for pod in part.pods)))
        first, *others = self._namespaces
        inside = ("=~", alternation(self._namespaces)) if others else ("=", first)
        return selectors.narrowed(
            selector, (self.arms.pod_label, "=~", pods), (self.arms.namespace_label, *inside)
        )

    def place(self, labels: Mapping[str, str]) -> Place:
        """Whose series has these labels."""
        first, *others = self._namespaces
        return labels.get(self.arms.namespace_label, "") if others else first, labels.get(
            self.arms.pod_label, ""
        )

    def counted(self, total: Sequence[Track], errors: Sequence[Track]) -> tuple[PastCounters, ...]:
        """Requests and errors of each part's pods; 0 errors without a series of errors.

        Pure, to run in a thread.
        """
        all_of, failed = ({self.place(track.labels): track for track in tracks} for tracks in (total, errors))
        times: dict[tuple[datetime, int], list[float]] = {}
        found = []
        for part in self.parts:
            key = part.since, part.length
            if key not in times:
                times[key] = [(part.since + n * part.step).timestamp() for n in range(part.length)]
            places = [(part.namespace, pod) for pod in part.pods]
            found.append(
                {
                    place[1]: _pairs(times[key], all_of[place], failed.get(place))
                    for place in places
                    if place in all_of
                }
            )
        return tuple(found)

    @property
    def _namespaces(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(part.namespace for part in self.parts))


def fitting(arms: Arms, parts: Sequence[Past], longest: int) -> Iterator[Pasts]:
    """The questions in as few as name their pods in so many characters; one alone may take more."""
    batch: list[Past] = []
    length = 0
    for part in parts:
        more = sum(len(quote_regex(name)) + 1 for name in (part.namespace, *part.pods))
        if batch and length + more > longest:
            yield Pasts(arms, tuple(batch))
            batch, length = [], 0
        batch.append(part)
        length += more
    yield Pasts(arms, tuple(batch))


def counted_by(query: CountQuery | HistogramQuery) -> str:
    """The series whose samples tell how often a query's are scraped. Raises ValueError for what is not a selector."""
    if isinstance(query, CountQuery):
        return str(selectors.check(query.total))
    return HistogramSeries.of(query.histogram).count


async def questions_of(
    query: CountQuery | HistogramQuery, pasts: Pasts, asking: Asking
) -> list[tuple[Pasts, str, str]]:
    """The queries of all requests and of the bad ones, each pair with those whom it tells about.

    A histogram has one pair for each layout of its bounds, and none for parts without a bound near the limit.
    Raises SourceError.
    """
    if isinstance(query, CountQuery):
        texts = checked(lambda: [pasts.narrowed(text) for text in (query.total, query.errors)])
        total, errors = (f"sum by ({pasts.by}) ({text})" for text in texts)
        return [(pasts, total, errors)]
    alike: dict[SlowRequests, list[Past]] = {}
    for until in dict.fromkeys(part.until for part in pasts.parts):
        ending = Pasts(pasts.arms, tuple(part for part in pasts.parts if part.until == until))
        for part, slow in (await _slow(query, ending, asking)).items():
            alike.setdefault(slow, []).append(part)
    found = []
    for slow, parts in alike.items():
        together = Pasts(pasts.arms, tuple(parts))
        series = (await _narrowed(query, together, asking)).series
        found.append((together, *slow.queries(series, together.by)))
    return found


async def _slow(query: HistogramQuery, pasts: Pasts, asking: Asking) -> dict[Past, SlowRequests]:
    """How to find the slow requests of each part, where a bound tells; all parts end at the same time."""
    histogram = await _narrowed(query, pasts, asking)
    over, until = pasts.parts[0].over, pasts.until
    known = await read(histogram.bounds_by(pasts.by, until))
    found: dict[Place, list[Mapping[str, str]]] = {}
    for labels in known:
        found.setdefault(pasts.place(labels), []).append(labels)
    bounds = {
        part: [one for pod in part.pods for one in found.get((part.namespace, pod), ())]
        for part in pasts.parts
    }
    native: set[Place] = set()
    if not all(SlowRequests.bounded(each) for each in bounds.values()):
        native = {pasts.place(labels) for labels in await histogram.native_by(pasts.by, until)}
    told = {
        part: SlowRequests.of(
            labels, over / query.unit, native=any((part.namespace, pod) in native for pod in part.pods)
        )
        for part, labels in bounds.items()
    }
    return {part: slow for part, slow in told.items() if slow is not None}


async def _narrowed(query: HistogramQuery, pasts: Pasts, asking: Asking) -> HistogramAsking:
    return await asking(replace(query, histogram=checked(lambda: pasts.narrowed(query.histogram))))


def _pairs(times: Sequence[float], every: Track, bad: Track | None) -> tuple[tuple[float, float] | None, ...]:
    """Requests and bad ones at each time that was asked for; without a number of bad ones there are 0."""
    all_of, bad_of = every.values, bad.values if bad is not None else {}
    return tuple(
        [(one, bad_of.get(at, 0.0)) if (one := all_of.get(at)) is not None else None for at in times]
    )

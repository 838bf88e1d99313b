"""The counters of pods over a longer time: which queries tell them, and what the answers come to."""

from collections.abc import Awaitable, Callable, Sequence

from sentinel.adapters.prometheus.answers import Track
from sentinel.adapters.prometheus.refusing import checked, read
from sentinel.adapters.prometheus.series import selectors
from sentinel.adapters.prometheus.spans.buckets import HistogramAsking, HistogramSeries
from sentinel.domain.evidence import Past, PastCounters
from sentinel.domain.policy.rules import Arms, CountQuery, HistogramQuery
from sentinel.engine.arms.selector import label_name
from sentinel.engine.arms.variables import alternation
from sentinel.values import replace


def counted_by(query: CountQuery | HistogramQuery) -> str:
    """The series whose samples tell how often a query's are scraped. Raises ValueError for what is not a selector."""
    if isinstance(query, CountQuery):
        return str(selectors.check(query.total))
    return HistogramSeries.of(query.histogram).count


async def queries_of(
    query: CountQuery | HistogramQuery,
    past: Past,
    asking: Callable[[HistogramQuery], Awaitable[HistogramAsking]],
) -> tuple[str, str] | None:
    """The queries of all requests and of the bad ones of these pods, None where no bound tells the slow ones.

    Raises SourceError.
    """
    if isinstance(query, CountQuery):
        total, errors = checked(
            lambda: [_of_pods(text, query.arms, past) for text in (query.total, query.errors)]
        )
        by = label_name(query.arms.pod_label)
        return f"sum by ({by}) ({total})", f"sum by ({by}) ({errors})"
    narrowed = checked(lambda: _of_pods(query.histogram, query.arms, past))
    histogram = await asking(replace(query, histogram=narrowed))
    return await read(histogram.totals_and_slow(past.over, past.until))


def _of_pods(selector: str, arms: Arms, past: Past) -> str:
    """The selector of these pods alone, in the namespace as far as the selector names it or the series do."""
    return selectors.narrowed(
        selector,
        (arms.pod_label, "=~", alternation(past.pods)),
        (arms.namespace_label, "=", past.namespace),
    )


def counted(past: Past, label: str, total: Sequence[Track], errors: Sequence[Track]) -> PastCounters:
    """Requests and errors of each pod; without a series of errors there were no errors. Pure, to run in a thread."""
    failed = {track.labels.get(label, ""): track for track in errors}
    times = [(past.since + number * past.step).timestamp() for number in range(past.length)]
    return {
        pod: _pairs(times, track, failed.get(pod), missing=0.0)
        for track in total
        if (pod := track.labels.get(label, ""))
    }


def _pairs(
    times: Sequence[float], first: Track, second: Track | None, *, missing: float | None = None
) -> tuple[tuple[float, float] | None, ...]:
    """Both series at each time that was asked for; `missing` stands for what the second lacks."""
    pairs: list[tuple[float, float] | None] = []
    for at in times:
        one = first.values.get(at)
        other = second.values.get(at, missing) if second is not None else missing
        pairs.append(None if one is None or other is None else (one, other))
    return tuple(pairs)

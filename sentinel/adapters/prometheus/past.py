"""From answers to range queries to each pod's counters of a longer time: pure, so that it can run in a thread."""

from collections.abc import Sequence

from sentinel.adapters.prometheus.answers import InstantAnswer, Track
from sentinel.domain.evidence import Past, PastCounters
from sentinel.engine.statistics.histograms import limit_edge

Bounds = tuple[str, str]
"""The bucket bound that is compared at and the last one, as the exporter writes them."""


def counted(past: Past, label: str, total: Sequence[Track], errors: Sequence[Track]) -> PastCounters:
    """Requests and errors of each pod; without a series of errors there were no errors."""
    failed = {track.labels.get(label, ""): track for track in errors}
    return {
        pod: _pairs(past, track, failed.get(pod), missing=0.0)
        for track in total
        if (pod := track.labels.get(label, ""))
    }


def buckets_of(known: InstantAnswer, over: float, unit: float) -> Bounds | None:
    """The bounds to ask for, `over` in seconds; None where all that is slower falls into the last bucket."""
    by_bound = {
        float(text) * unit: text
        for sample in known.samples
        if _is_number(text := sample.labels.get("le", ""))
    }
    ordered = sorted(by_bound)
    edge = limit_edge(ordered, over)
    return None if edge is None else (by_bound[edge], by_bound[ordered[-1]])


def slower(past: Past, label: str, tracks: Sequence[Track], bounds: Bounds) -> PastCounters:
    """All requests of each pod, and those over the bound."""
    edge, last = bounds
    series = {(track.labels.get(label, ""), track.labels.get("le", "")): track for track in tracks}
    found = {}
    for (pod, bound), track in series.items():
        within = series.get((pod, edge))
        if pod and bound == last and within is not None:
            pairs = _pairs(past, track, within)
            found[pod] = tuple((pair[0], pair[0] - pair[1]) if pair else None for pair in pairs)
    return found


def _pairs(
    past: Past, first: Track, second: Track | None, *, missing: float | None = None
) -> tuple[tuple[float, float] | None, ...]:
    """Both series at each time that was asked for; `missing` stands for what the second lacks."""
    pairs: list[tuple[float, float] | None] = []
    for number in range(past.length):
        at = (past.since + number * past.step).timestamp()
        one = first.values.get(at)
        other = second.values.get(at, missing) if second is not None else missing
        pairs.append(None if one is None or other is None else (one, other))
    return tuple(pairs)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True

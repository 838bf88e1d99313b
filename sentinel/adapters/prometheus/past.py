"""From answers to range queries to each pod's counters of a longer time: pure, so that it can run in a thread."""

from collections.abc import Sequence

from sentinel.adapters.prometheus.answers import Track
from sentinel.domain.evidence import Past, PastCounters


def counted(past: Past, label: str, total: Sequence[Track], errors: Sequence[Track]) -> PastCounters:
    """Requests and errors of each pod; without a series of errors there were no errors."""
    failed = {track.labels.get(label, ""): track for track in errors}
    return {
        pod: _pairs(past, track, failed.get(pod), missing=0.0)
        for track in total
        if (pod := track.labels.get(label, ""))
    }


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

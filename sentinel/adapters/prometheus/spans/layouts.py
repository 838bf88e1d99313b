"""Pods whose histograms have several sets of bounds at once: a handler may have separate buckets.

A sum by `le` then counts some requests at one bound and others at the next, so that fast ones look slow. What all
series of a pod count up to, a sum tells exactly: bounds that only some of them have are left out.
"""

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime, timedelta

from sentinel.adapters.prometheus.answers import InstantAnswer
from sentinel.adapters.prometheus.series import selectors
from sentinel.adapters.prometheus.series.strays import Asking
from sentinel.adapters.prometheus.spans.histograms import Of
from sentinel.bounded import BoundedDict
from sentinel.domain.evidence import Subject
from sentinel.domain.policy.rules import HistogramQuery
from sentinel.values import dataclass, replace

LOOKED_EVERY = timedelta(minutes=5)
REMEMBERED = 200


@dataclass(frozen=True, slots=True)
class _Looked:
    """When the pods were looked at, the bounds that there were, and whether some pod has several sets of them."""

    at: datetime
    bounds: frozenset[str]
    several: bool


@dataclass(slots=True)
class Layouts:
    """Looks for such pods where bounds are new, and every five minutes. Raises what `ask` raises."""

    _known: BoundedDict[HistogramQuery, _Looked] = field(default_factory=lambda: BoundedDict(REMEMBERED))

    async def common(
        self,
        query: HistogramQuery,
        selector: str,
        groups: str,
        buckets: InstantAnswer,
        whose: Of,
        ask: Asking,
        at: datetime,
    ) -> InstantAnswer:
        """The buckets, summed `by (groups, le)` as of a time, less those that only some of a pod's series have."""
        bounds = frozenset({labels.get("le", "") for labels, _, _ in buckets.samples}) - {""}
        if len(bounds) < 2:
            return buckets
        counted = f"count by ({groups}, le) ({selectors.narrowed(selector, ('le', '!=', ''))})"
        known = self._known.get(query)
        if known is None or not bounds <= known.bounds or abs(at - known.at) >= LOOKED_EVERY:
            uneven = await ask(f"max by ({groups}) ({counted}) > min by ({groups}) ({counted})", at)
            known = self._known[query] = _Looked(at, bounds, bool(uneven.samples))
        if not known.several:
            return buckets
        return _of_all_series(buckets, await ask(counted, at), whose)


def _of_all_series(buckets: InstantAnswer, counted: InstantAnswer, whose: Of) -> InstantAnswer:
    series: Mapping[tuple[Subject, str], float] = {
        (subject, one.labels.get("le", "")): one.value
        for subject, one in zip(whose(counted.samples), counted.samples, strict=True)
    }
    most: dict[Subject, float] = {}
    for (subject, _), number in series.items():
        most[subject] = max(number, most.get(subject, 0.0))

    def whole(subject: Subject, bound: str) -> bool:
        return not bound or series.get((subject, bound), 0.0) == most.get(subject, 0.0)

    kept = [
        sample
        for subject, sample in zip(whose(buckets.samples), buckets.samples, strict=True)
        if whole(subject, sample.labels.get("le", ""))
    ]
    return replace(buckets, samples=tuple(kept))

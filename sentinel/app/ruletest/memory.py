"""Metrics systems whose data are a test's input series; asked through the adapters of the real ones."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sentinel.adapters.datadog.client import TaggedSeries
from sentinel.adapters.prometheus.answers import InstantAnswer, Sample, Track
from sentinel.adapters.prometheus.backend import PROMETHEUS, MetricsBackend
from sentinel.app.ruletest.series import counted_by_minute
from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import MissingReason
from sentinel.minutes import MINUTE
from sentinel.policies.ruletest.cases import Case
from sentinel.promql.evaluation import Evaluator, parse
from sentinel.promql.series import NAME, SeriesStore
from sentinel.promql.vectors import PromqlError, PromqlExecutionError, VectorSample

_COUNTS = re.compile(
    r"sum:(?P<metric>[A-Za-z][\w.]*)\{(?P<scope>[^{}]*)\} by \{(?P<by>[\w.,]+)\}\.as_count\(\)\.rollup\(sum, 60\)"
)


class MemoryPrometheus:
    """Implements the `PrometheusQueries` of the Prometheus adapter over series in memory."""

    def __init__(self, store: SeriesStore) -> None:
        self._evaluator = Evaluator(store)
        self._known: dict[tuple[str, int], InstantAnswer] = {}

    async def backend(self) -> MetricsBackend:
        """A test's series are as Prometheus has them."""
        return PROMETHEUS

    async def instant(self, query: str, at: datetime) -> InstantAnswer:
        """The answer at one time. Raises SourceError for PromQL beyond what is evaluated here."""
        key = (query, round(at.timestamp() * 1000))
        if key not in self._known:
            self._known[key] = self._answer(*key)
        return self._known[key]

    async def range(self, query: str, since: datetime, until: datetime, step: timedelta) -> tuple[Track, ...]:
        """There is no hour before: a test's series begin with its rollout."""
        raise SourceError("A test has no data from before its rollout.", reason=MissingReason.NO_DATA)

    async def get(self, path: str, params: Mapping[str, str]) -> object:
        """Nothing but queries can be asked."""
        raise SourceError(f"{path} is not part of a test.", reason=MissingReason.BAD_QUERY)

    def _answer(self, query: str, time: int) -> InstantAnswer:
        try:
            value = self._evaluator.evaluate(_parsed(query), time)
        except (PromqlError, PromqlExecutionError) as error:
            message = (
                f"{query!r} cannot be evaluated in a test ({error}): write the rule's `answers` instead."
            )
            raise SourceError(message, reason=MissingReason.BAD_QUERY) from error
        if isinstance(value, list):
            found = [Sample(_unnamed(p.labels), p.value) for p in value if isinstance(p, VectorSample)]
            return InstantAnswer(tuple(found))
        if isinstance(value, float):
            return InstantAnswer((Sample({}, value),), scalar=True)
        raise SourceError(f"{query!r} returns text, not a number.", reason=MissingReason.BAD_QUERY)


class MemoryDatadog:
    """Answers the count queries of the Datadog adapter; a sample is what was counted in the interval before it."""

    def __init__(self, case: Case, began: datetime) -> None:
        self._series = counted_by_minute(case, began)

    async def query(self, query: str, since: int, until: int) -> tuple[TaggedSeries, ...]:
        """The series of a counting query, by the minute. Raises SourceError for any other query."""
        found: list[TaggedSeries] = []
        end = 0
        for number, match in enumerate(_COUNTS.finditer(query)):
            if match.start() not in (0, end + 1):
                break
            end = match.end()
            found.extend(self._counted(number, match, since, until))
        if end != len(query):
            message = f"{query!r} cannot be evaluated in a test: write the rule's `answers` instead."
            raise SourceError(message, reason=MissingReason.BAD_QUERY)
        return tuple(found)

    def _counted(self, number: int, match: re.Match[str], since: int, until: int) -> list[TaggedSeries]:
        scope = [part.split(":", 1) for part in match["scope"].split(",") if ":" in part]
        groups: dict[tuple[str, ...], dict[int, float]] = {}
        for name, labels, counted in self._series:
            if name != match["metric"] or any(labels.get(tag) != value for tag, value in scope):
                continue
            minutes = groups.setdefault(tuple(labels.get(tag, "") for tag in match["by"].split(",")), {})
            for minute in range(-(-since // MINUTE) * MINUTE, until, MINUTE):
                if minute in counted:
                    minutes[minute] = minutes.get(minute, 0.0) + counted[minute]
        tags = match["by"].split(",")
        return [
            TaggedSeries(number, dict(zip(tags, key, strict=True)), tuple(sorted(minutes.items())), MINUTE)
            for key, minutes in groups.items()
            if minutes
        ]


@lru_cache(maxsize=1024)
def _parsed(query: str) -> Any:
    return parse(query)


def _unnamed(labels: Mapping[str, str]) -> Mapping[str, str]:
    return labels if NAME not in labels else {name: value for name, value in labels.items() if name != NAME}

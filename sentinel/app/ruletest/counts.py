"""New Relic and CloudWatch in a test: counts of the input series that a query's conditions select."""

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import NoReturn

from sentinel.app.ruletest.series import counted_by_minute
from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import MissingReason, Past, Span, ValueSample
from sentinel.domain.policy.rules import CountQuery, HistogramQuery, ValueQuery
from sentinel.minutes import MINUTE, Counted, spans_of, whole_minutes
from sentinel.policies.ruletest.cases import Case

SETTLE = 120.0
"""Seconds that both take by default until a minute's counts are complete."""
_QUERY = re.compile(
    r"\s*SELECT\s+\w+\s*\(\s*(?P<what>[^()]+?)\s*\)\s+FROM\s+(?:SCHEMA\s*\([^()]*\)|(?P<event>\S+))\s+WHERE\s+(?P<conditions>.*)",
    re.IGNORECASE | re.DOTALL,
)
_CONDITION = re.compile(
    r"[`\"]?(?P<label>[\w.]+)[`\"]?\s*"
    r"(?:=\s*'(?P<text>[^']*)'|(?:=|IS)\s*(?P<truth>TRUE|FALSE)|>\s*(?P<least>[\d.]+))\s*",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"\d+(\.\d+)?")


class MemoryCounts:
    """Implements `ports.MetricSource` for `errorRate` rules; a sample is what was counted in the interval before it.

    A series is named after the metric, or the event of `count(*)`. A dot in a label's name is an underscore here.
    """

    min_interval = 0.0
    extents = None
    settle = SETTLE

    def __init__(self, name: str, case: Case, began: datetime) -> None:
        self.name = name
        self._series = counted_by_minute(case, began)

    async def counts(self, query: CountQuery, since: datetime, until: datetime) -> tuple[Span, ...]:
        """What every pod or version counted. Raises SourceError for a condition that only the real one understands."""
        begin, end = whole_minutes(since, until, self.name)
        return spans_of(self._counted(query, begin, end), query.arms, begin, end)

    async def histogram(self, query: HistogramQuery, since: datetime, until: datetime) -> NoReturn:
        """Raises SourceError."""
        self._refuse(query.histogram)

    async def value(self, query: ValueQuery, at: datetime) -> ValueSample:
        """Raises SourceError."""
        self._refuse(query.expression, "write the rule's `answers` instead")

    async def histories(self, query: CountQuery | HistogramQuery, pasts: Sequence[Past]) -> NoReturn:
        """Raises SourceError: a test's series begin with its rollout."""
        raise SourceError("A test has no data from before its rollout.", reason=MissingReason.NO_DATA)

    def _counted(self, query: CountQuery, begin: int, end: int) -> Iterator[Counted]:
        member = _plain(query.arms.subject_label)
        for failed, text in ((False, query.total), (True, query.errors)):
            name, wanted = self._read(text)
            for metric, labels, minutes in self._series:
                if metric != name or not all(fits(labels.get(label, "")) for label, fits in wanted):
                    continue
                # A series is there also in a minute in which it counts nothing.
                for minute in range(begin, end, MINUTE) if minutes else ():
                    counted = minutes.get(minute, 0.0)
                    yield Counted(query.namespace, labels.get(member, ""), failed, minute, counted)

    def _read(self, text: str) -> tuple[str, list[tuple[str, Callable[[str], bool]]]]:
        """The name of a query's series, and what their labels must be. Raises SourceError."""
        query = _QUERY.fullmatch(text)
        if query is None:
            self._refuse(text)
        wanted = []
        for part in re.split(r"\s+AND\s+", query["conditions"], flags=re.IGNORECASE):
            condition = _CONDITION.fullmatch(part)
            if condition is None:
                self._refuse(part)
            wanted.append((_plain(condition["label"]), _fitting(condition)))
        return query["event"] if query["what"] == "*" else query["what"].strip('"`'), wanted

    def _refuse(
        self,
        text: str,
        instead: str = "its conditions must be label = 'value', label IS TRUE or label > number, joined by AND",
    ) -> NoReturn:
        message = f"{text!r} cannot be evaluated in a test: {instead}."
        raise SourceError(message, reason=MissingReason.BAD_QUERY)


def _fitting(condition: re.Match[str]) -> Callable[[str], bool]:
    """Whether a label's value is as a condition wants it."""
    if condition["least"] is not None:
        least = float(condition["least"])
        return lambda value: bool(_NUMBER.fullmatch(value)) and float(value) > least
    text = condition["text"] if condition["truth"] is None else condition["truth"].lower()
    return lambda value: value == text


def _plain(label: str) -> str:
    return re.sub(r"\W", "_", label)

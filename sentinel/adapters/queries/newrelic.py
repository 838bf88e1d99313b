"""New Relic: a query in NRQL, by NerdGraph."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TypeGuard

from sentinel.adapters.queries.asking import JsonRequests
from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import MissingReason
from sentinel.domain.policy.rules import CountQuery
from sentinel.minutes import Counted
from sentinel.secret import Secret
from sentinel.values import dataclass

_TIMES = frozenset({"beginTimeSeconds", "endTimeSeconds", "inspectedCount", "timestamp"})
"""Numbers of a result that are not what was asked for."""
_REASONS = {
    "TIMEOUT": MissingReason.SOURCE_TIMEOUT,
    "TOO_MANY_REQUESTS": MissingReason.RATE_LIMITED,
    "ACCESS_DENIED": MissingReason.SOURCE_REFUSED,
    "SERVER_ERROR": MissingReason.SOURCE_REFUSED,
}
"""What NerdGraph calls its errors that are not the query's."""


@dataclass(frozen=True, slots=True)
class NewRelic:
    """Asks about one account. `url` is that of its region's API, without `/graphql`."""

    url: str
    account: int
    api_key: Secret
    requests: JsonRequests

    def ask(self, nrql: str, at: datetime) -> Sequence[float | None]:
        """The numbers of all results, in their order. NRQL says itself of which time. Raises SourceError."""
        (answer,) = self._answers(nrql)
        return [number for row in _rows(answer.get("results")) for number in _numbers(row)]

    def count(self, query: CountQuery, begin: int, end: int, step: int) -> Sequence[Counted]:
        """The counts of each pod or version, both in one request. Raises SourceError."""
        label = query.arms.subject_label
        steps = f" TIMESERIES {step} seconds" if step < end - begin else ""
        asked = (
            f"{text} FACET `{label}` SINCE {begin * 1000} UNTIL {end * 1000} LIMIT MAX{steps}"
            for text in (query.total, query.errors)
        )
        total, errors = self._answers(*asked)
        return [
            Counted(query.namespace, member, failed, at, value)
            for failed, answer in ((False, total), (True, errors))
            for member, at, value in _by_facet(answer, label, begin)
        ]

    def _answers(self, *queries: str) -> Sequence[Mapping[str, object]]:
        """What NerdGraph finds for each query. Raises SourceError."""
        seconds = max(1, int(self.requests.timeout))
        names = [f"q{number}" for number in range(len(queries))]
        parameters = "".join(f"${name}: Nrql!, " for name in names)
        asked = " ".join(
            f"{name}: nrql(query: ${name}, timeout: {seconds}) {{ results totalResult otherResult }}"
            for name in names
        )
        question = (
            f"query($account: Int!, {parameters}) {{ actor {{ account(id: $account) {{ {asked} }} }} }}"
        )
        variables = {"account": self.account, **dict(zip(names, queries, strict=True))}
        body = {"query": question, "variables": variables}
        answer = self.requests.answer("POST", f"{self.url}/graphql", {"API-Key": self.api_key()}, body)
        if _below(answer, "errors"):
            raise _refused(answer)
        found = [_below(answer, "data", "actor", "account", name) for name in names]
        whole = [one for one in found if isinstance(one, Mapping) and isinstance(one.get("results"), list)]
        if len(whole) < len(names):
            raise _refused(answer)
        return whole


def _by_facet(answer: Mapping[str, object], label: str, begin: int) -> Iterator[tuple[str, float, float]]:
    """Of each member the beginning of a bucket and its count. Raises SourceError where members were left out.

    What the answer has in all and no member has is that of nobody.
    """
    if any(_counts(answer.get("otherResult"), label)):
        message = f"New Relic leaves out some values of {label}: it answers with a limited number of facets."
        raise SourceError(message, reason=MissingReason.PARTIAL_ANSWER)
    named = 0.0
    for row in _rows(answer.get("results")):
        facet, at = row.get("facet"), row.get("beginTimeSeconds", begin)
        member = facet[0] if isinstance(facet, list) and facet else facet
        for value in _counts(row, label):
            named += value
            yield "" if member is None else str(member), float(at) if _is_number(at) else begin, value
    unnamed = sum(_counts(answer.get("totalResult"), label)) - named
    if unnamed > 0:
        yield "", begin, unnamed


def _rows(results: object) -> Iterator[Mapping[str, object]]:
    for row in results if isinstance(results, list) else [results]:
        if isinstance(row, Mapping):
            yield row


def _counts(rows: object, label: str) -> list[float]:
    """The counts that are there, not the facet's own value, which may be a number too."""
    return [
        number
        for row in _rows(rows)
        for number in _numbers({name: value for name, value in row.items() if name not in (label, "facet")})
        if number is not None
    ]


def _numbers(row: Mapping[str, object]) -> Iterator[float | None]:
    for name, value in row.items():
        if name not in _TIMES and (value is None or _is_number(value)):
            yield None if value is None else float(value)


def _below(value: object, *keys: str) -> object:
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _refused(answer: object) -> SourceError:
    errors = _below(answer, "errors")
    first = errors[0] if isinstance(errors, list) and errors else {}
    said = str(_below(first, "message") or "it does not say why")[:300]
    kind = _below(first, "extensions", "errorClass")
    reason = _REASONS.get(str(kind), MissingReason.BAD_QUERY)
    return SourceError(f"New Relic refuses the query: {said}", reason=reason)

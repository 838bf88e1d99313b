"""New Relic: a query in NRQL, by NerdGraph."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sentinel.adapters.queries.asking import JsonRequests
from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import MissingReason
from sentinel.secret import Secret

QUESTION = "query($account: Int!, $nrql: Nrql!) { actor { account(id: $account) { nrql(query: $nrql) { results } } } }"
_TIMES = frozenset({"beginTimeSeconds", "endTimeSeconds", "inspectedCount", "timestamp"})
"""Numbers of a result that are not what was asked for."""


@dataclass(frozen=True, slots=True)
class NewRelic:
    """Asks about one account. `url` is that of its region's API, without `/graphql`."""

    url: str
    account: int
    api_key: Secret
    requests: JsonRequests

    def ask(self, nrql: str, at: datetime) -> Sequence[float | None]:
        """The numbers of all results, in their order. NRQL says itself of which time. Raises SourceError."""
        body = {"query": QUESTION, "variables": {"account": self.account, "nrql": nrql}}
        answer = self.requests.answer("POST", f"{self.url}/graphql", {"API-Key": self.api_key()}, body)
        results = _below(answer, "data", "actor", "account", "nrql", "results")
        if not isinstance(results, list):
            raise SourceError(f"New Relic refuses the query: {_told(answer)}", reason=MissingReason.BAD_QUERY)
        rows = (row for row in results if isinstance(row, Mapping))
        return [
            None if value is None else float(value)
            for row in rows
            for name, value in row.items()
            if name not in _TIMES and (value is None or _is_number(value))
        ]


def _below(value: object, *keys: str) -> object:
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _told(answer: object) -> str:
    errors = _below(answer, "errors")
    first = errors[0] if isinstance(errors, list) and errors else {}
    return str(_below(first, "message") or "it does not say why")[:300]

"""Checks the queries that count requests in New Relic and CloudWatch, which the sentinel splits by pod or version."""

import re

from sentinel.policies.mistakes import InputError
from sentinel.policies.schema.promql import check_plain_query

_TEXTS = re.compile(r"'(?:\\.|''|[^'\\])*'|`[^`]*`|\"[^\"]*\"")
_NRQL = re.compile(r"\s*SELECT\s+(?:count|sum)\s*\([^()]*\)\s+FROM\s+\S", re.IGNORECASE)
_NRQL_ADDED = re.compile(
    r"\b(FACET|SINCE|UNTIL|TIMESERIES|LIMIT|COMPARE\s+WITH|WITH\s+TIMEZONE|EXTRAPOLATE|JOIN|SELECT)\b",
    re.IGNORECASE,
)
_NAME = r"(?:\w+|\"[^\"]+\")"
_INSIGHTS = re.compile(
    rf"\s*SELECT\s+(?:SUM|COUNT)\s*\(\s*{_NAME}\s*\)\s+FROM\s+SCHEMA\s*\(\s*{_NAME}(?P<labels>(?:\s*,\s*{_NAME})*)\s*\)\s+"
    r"WHERE\s+\S.*",
    re.IGNORECASE | re.DOTALL,
)
_INSIGHTS_ADDED = re.compile(r"\b(GROUP\s+BY|ORDER\s+BY|LIMIT)\b", re.IGNORECASE)
_OF_THE_NAMESPACE = re.compile(r"=\s*'\$(?:namespace|\{namespace\})'")


def check_nrql_count(text: str) -> str:
    """An NRQL query of one count, without what the sentinel adds. Raises InputError."""
    hint = "write it such as SELECT count(*) FROM Transaction WHERE namespaceName = '$namespace'"
    code = _code(check_plain_query(text))
    begins = _NRQL.match(code)
    if begins is None:
        raise InputError("does not count: only count() and sum() of one FROM are whole requests", hint)
    _check_added(_NRQL_ADDED.search(code, begins.end()), "FACET, SINCE, UNTIL and LIMIT")
    _check_namespace(text, hint)
    return text


def check_insights_count(text: str) -> str:
    """A Metrics Insights query of one sum, without what the sentinel adds. Raises InputError."""
    hint = "write it such as SELECT SUM(Requests) FROM SCHEMA(Shop, Namespace, Pod) WHERE Namespace = '$namespace'"
    _check_added(_INSIGHTS_ADDED.search(_code(check_plain_query(text))), "GROUP BY")
    if not _INSIGHTS.fullmatch(text):
        raise InputError(
            "does not count: only SUM() or COUNT() from a SCHEMA() with its dimensions counts each request once",
            hint,
        )
    _check_namespace(text, hint)
    return text


def dimensions_of(query: str) -> frozenset[str]:
    """The dimensions of a checked query's SCHEMA."""
    match = _INSIGHTS.fullmatch(query)
    labels = match["labels"].split(",") if match else ()
    return frozenset(label.strip().strip('"') for label in labels) - {""}


def _code(text: str) -> str:
    """The text without what is in quotes."""
    return _TEXTS.sub("''", text)


def _check_added(found: re.Match[str] | None, added: str) -> None:
    if found is not None:
        word = " ".join(found[0].upper().split())
        raise InputError(f"says {word}; the sentinel adds {added} itself", f"remove {word}")


def _check_namespace(text: str, hint: str) -> None:
    if not _OF_THE_NAMESPACE.search(text):
        raise InputError("does not select the workload's namespace with = '$namespace'", hint)

"""What an Argo metric asks of its provider, and what its conditions call the answer, as a `query` rule has both.

Source of the meanings: argoproj/argo-rollouts, `metricproviders/*`. Datadog gives one number or nil. New Relic gives
the first result's columns by their names. CloudWatch gives a list of queries with their `Values`, newest first. A web
metric gives what is at its path.
"""

import re
from collections.abc import Callable, Mapping

from sentinel.policies.importing.argo.arguments import Arguments
from sentinel.policies.importing.draft import ImportRefusedError, Values
from sentinel.policies.importing.expr_cel import ResultKind
from sentinel.policies.importing.queries import tidy
from sentinel.policies.importing.shapes import duration, items, mapping, text
from sentinel.policies.mistakes import InputError
from sentinel.policies.schema.promql import gives_scalar
from sentinel.values import dataclass

DATADOG_WINDOW = "5m"
_LEFT_OUT = {
    "authentication": "its authentication: that is in the sentinel's settings",
    "headers": "its headers: those are in the sentinel's settings",
    "insecure": "insecure: TLS is in the sentinel's settings",
    "profile": "its profile: the account is in the sentinel's settings",
    "timeout": "its timeout: that is in the sentinel's settings",
    "timeoutSeconds": "its timeout: that is in the sentinel's settings",
}
_COLUMN = re.compile(r"\bresult(?:\.(?P<plain>\w+)|\[(?P<quote>['\"])(?P<quoted>[^'\"]+)(?P=quote)\])")
_NEWEST = re.compile(r"\bresult\[(\d+)\]\.Values\[0\]")
_TRUTH = re.compile(r"^\s*(?P<not>!)?result\s*$|\bresult\s*==\s*(?P<value>true|false)\b")
_SELECTED = re.compile(r"\bselect\b(.*?)(\bfrom\b|$)", re.IGNORECASE | re.DOTALL)
_SERIES = re.compile(r"\b(facet|timeseries|compare\s+with)\b", re.IGNORECASE)
_STATISTICS = {"Average": "AVG", "SampleCount": "COUNT", "Maximum": "MAX", "Minimum": "MIN", "Sum": "SUM"}


@dataclass(frozen=True, slots=True)
class ProviderQuery:
    """A question under its key of a `query` rule, and what its answer is to a condition of Argo's.

    `named` turns a condition into one over that answer.
    """

    source: str
    query: object
    kind: ResultKind
    named: Callable[[str], str] = str


def provider_query(provider: Values, arguments: Arguments, notes: list[str]) -> ProviderQuery:
    """What the provider asks. Raises ImportRefusedError with what has no equivalent."""
    kinds = [kind for kind in provider if provider[kind] is not None]
    ask = _PROVIDERS.get(kinds[0]) if len(kinds) == 1 else None
    if ask is None:
        named = " and ".join(map(str, kinds)) or "none"
        raise ImportRefusedError(
            f"its provider ({named}) has no equivalent; supported are {', '.join(_PROVIDERS)}"
        )
    asked = mapping(provider[kinds[0]])
    notes += [f"Left out: {why}." for key, why in _LEFT_OUT.items() if asked.get(key)]
    return ask(asked, arguments, notes)


def _prometheus(asked: Values, arguments: Arguments, notes: list[str]) -> ProviderQuery:
    if asked.get("rangeQuery"):
        raise ImportRefusedError(
            "it is a range query, which has no equivalent; use max_over_time() or similar"
        )
    query = _required(arguments.in_query(text(asked.get("query"))))
    try:
        kind = ResultKind.NUMBER if gives_scalar(query) else ResultKind.LIST
    except InputError as error:
        raise ImportRefusedError(f"its query {error.message}") from None
    return ProviderQuery("prometheus", query, kind)


def _datadog(asked: Values, arguments: Arguments, notes: list[str]) -> ProviderQuery:
    if asked.get("queries") or asked.get("formula"):
        raise ImportRefusedError("it has several queries and a formula; write them as one query")
    if text(asked.get("aggregator")):
        notes.append("Left out: aggregator; the newest point is used.")
    window = arguments.in_plain(asked.get("interval") or DATADOG_WINDOW, "interval")
    if duration(window, "interval") != duration(DATADOG_WINDOW, "interval"):
        notes.append(
            f"Argo queries the last {window}, the sentinel the last 5 minutes; both use the newest value."
        )
    query = _required(arguments.in_query(text(asked.get("query")), anywhere=True))
    return ProviderQuery("datadog", query, ResultKind.NUMBER_OR_NIL)


def _new_relic(asked: Values, arguments: Arguments, notes: list[str]) -> ProviderQuery:
    query = _required(arguments.in_query(text(asked.get("query")), anywhere=True))
    columns = _SELECTED.search(query)
    bare = re.sub(r"\([^()]*(\([^()]*\)[^()]*)*\)", "", columns[1]) if columns else ""
    if "," in bare or _SERIES.search(query):
        raise ImportRefusedError("its query gives several numbers; select one, without FACET and TIMESERIES")
    return ProviderQuery(
        "newrelic", query, ResultKind.NUMBER, lambda condition: _COLUMN.sub("result", condition)
    )


def _cloudwatch(asked: Values, arguments: Arguments, notes: list[str]) -> ProviderQuery:
    queries = items(asked.get("metricDataQueries"))
    if len(queries) != 1:
        raise ImportRefusedError("it has several queries, or none; write them as one expression")
    (one,) = queries
    expression = text(one.get("expression")) or _insights(mapping(one.get("metricStat")))
    query = _required(arguments.in_query(expression, anywhere=True))
    notes.append("The sentinel takes the newest point of the last 5 minutes, of periods of one minute.")
    return ProviderQuery(
        "cloudwatch", query, ResultKind.LIST, lambda condition: _NEWEST.sub(r"result[\1]", condition)
    )


def _insights(stat: Values) -> str:
    """One metric's statistic as a Metrics Insights query; empty without a metric."""
    metric, statistic = mapping(stat.get("metric")), text(stat.get("stat"))
    if not metric:
        return ""
    if statistic not in _STATISTICS:
        raise ImportRefusedError(
            f"its statistic is {statistic or 'missing'}; a query has {', '.join(_STATISTICS)}"
        )
    dimensions = {text(one.get("name")): text(one.get("value")) for one in items(metric.get("dimensions"))}
    schema = ", ".join(f'"{part}"' for part in (text(metric.get("namespace")), *dimensions))
    where = " AND ".join(f"\"{name}\" = '{value}'" for name, value in dimensions.items())
    counted = f'{_STATISTICS[statistic]}("{text(metric.get("metricName"))}")'
    return f"SELECT {counted} FROM SCHEMA({schema})" + (f" WHERE {where}" if where else "")  # noqa: S608  # nosec B608  # Metrics Insights


def _web(asked: Values, arguments: Arguments, notes: list[str]) -> ProviderQuery:
    method = text(asked.get("method")) or "GET"
    if method != "GET" or asked.get("body") or asked.get("jsonBody"):
        raise ImportRefusedError(f"it is a {method} with a body; a web query is a GET")
    path = text(asked.get("jsonPath"))
    if not path:
        raise ImportRefusedError("it has no jsonPath; write the path to a number in the answer")
    url = _required(arguments.in_query(text(asked.get("url")), anywhere=True))
    notes.append("Allow its host in the settings: web.allowed_hosts.")
    return ProviderQuery("web", {"url": url, "jsonPath": path}, ResultKind.NUMBER, _of_truth)


def _of_truth(condition: str) -> str:
    """The condition where true is 1 and false is 0, as a web query has them."""

    def compared(match: re.Match[str]) -> str:
        return "result == 0" if match["not"] or match["value"] == "false" else "result == 1"

    return _TRUTH.sub(compared, condition)


def _required(query: str) -> str:
    if not (found := tidy(query)):
        raise ImportRefusedError("it has no query")
    return found


_Ask = Callable[[Values, Arguments, list[str]], ProviderQuery]
_PROVIDERS: Mapping[str, _Ask] = {
    "prometheus": _prometheus,
    "datadog": _datadog,
    "newRelic": _new_relic,
    "cloudWatch": _cloudwatch,
    "web": _web,
}

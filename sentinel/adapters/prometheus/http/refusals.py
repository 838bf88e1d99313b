"""What a refusal of Prometheus, or of what stands before it, means: whose fault it is, and when to ask again."""

import re

import requests

from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import MissingReason
from sentinel.engine.arms.promql_texts import TEXT
from sentinel.requesting import retry_after

_QUOTED = re.compile(r'"(?:\\.|[^"\\])*"|`[^`]*`|\{[^{}]*\}|\'(?:\\.|[^\'\\])*\'')
_ABOUT_THE_QUERY = re.compile(
    r"parse error|cannot parse|unknown func|many-to-many|many-to-one|one-to-many|multiple matches for labels"
    r"|same labelset|duplicate|invalid (?:parameter|label|regular|expression)|maximum resolution",
    re.IGNORECASE,
)
"""Words of what no server could answer, whatever they are put beside."""
_ABOUT_THE_SOURCE = (
    (
        re.compile(r"time(?:d )?out|deadline|cancell?ed", re.IGNORECASE),
        MissingReason.SOURCE_TIMEOUT,
        "gave up on the query",
    ),
    (
        re.compile(
            r"\blimit|exceed|too many|\bmax\b|maximum|-search\.max|err-(?:mimir|cortex)|memory|exhausted|overload"
            r"|throttl|quota|queue",
            re.IGNORECASE,
        ),
        MissingReason.OVER_LIMIT,
        "cannot answer the query within its limits",
    ),
    (
        re.compile(
            r"unavailable|\bavailable\b|connect|\brpc\b|\bEOF\b|expanding series|cannot (?:fetch|search|read)"
            r"|\bstorage|\bstore(?:s|APIs?)?\b|ingester|shutting down",
            re.IGNORECASE,
        ),
        MissingReason.PARTIAL_ANSWER,
        "cannot read a part of its data",
    ),
)
"""Words of a server that cannot answer a question that another, or the same one later, could; what they mean."""


_NAME_IN_QUOTES = re.compile(
    rf"{{\s*(?:{TEXT})\s*[,}}]|[{{,]\s*(?:{TEXT})\s*(?:=|!)|\b(?:by|without|on|ignoring|left|right)\s*\([^()]*[\"'`]",
    re.DOTALL,
)
_NO_TENANT = re.compile(r"\bno org id\b", re.IGNORECASE)
"""What Mimir, Cortex and Loki say to a request without a tenant."""
_UNREAD = re.compile(r"parse|unexpected|unparsed|invalid", re.IGNORECASE)
_NO_UTF8_NAMES = (
    "does not know names in quotes, as Prometheus does from version 3 on: where it is scraped, give the label a name "
    "of letters, digits and underscores"
)


def refusal(url: str, response: requests.Response, query: str = "") -> SourceError:
    """The error that a response other than an answer stands for, in the server's own words."""
    status = response.status_code
    kind, words = words_of(response)
    reason, what = _meaning(status, kind, words.replace(query, "") if query else words)
    if reason is MissingReason.BAD_QUERY and _NAME_IN_QUOTES.search(query) and _UNREAD.search(words):
        what = f"{what}, and {_NO_UTF8_NAMES}"
    wait = retry_after(response.headers)
    hint = f" Asked to wait {wait:.0f} s." if wait else ""
    message = f"Prometheus at {url} {what} (HTTP {status}): {words}.{hint}"
    return SourceError(message, reason=reason, retry_after=wait)


def spoken(response: requests.Response) -> bool:
    """Whether it is Prometheus' own error, not one of what stands before it."""
    return bool(words_of(response)[0])


def words_of(response: requests.Response) -> tuple[str, str]:
    """The error's type and text as Prometheus puts them, or the start of whatever else was answered."""
    try:
        body = response.json()
        return str(body["errorType"]), str(body["error"]).rstrip(".")
    except (ValueError, KeyError, TypeError, RecursionError):
        return "", " ".join(response.text[:200].split()) or "no text"


def _meaning(status: int, kind: str, words: str) -> tuple[MissingReason, str]:
    if kind == "timeout" or status in {408, 504}:
        return MissingReason.SOURCE_TIMEOUT, "gave up on the query"
    if status == 429:
        return MissingReason.RATE_LIMITED, "limits our request rate"
    if status in {400, 422} and _TOO_LONG.search(words):
        return MissingReason.BAD_QUERY, "refuses so long a query"
    if status in {400, 422}:
        return _trouble(words) or (MissingReason.BAD_QUERY, "refuses the query")
    if status == 401 and _NO_TENANT.search(words):
        return MissingReason.SOURCE_REFUSED, "wants a tenant; set headers: {X-Scope-OrgID: …}"
    if status == 407:
        return (
            MissingReason.SOURCE_REFUSED,
            "is behind a proxy that wants credentials; put them into HTTPS_PROXY, and set proxy: environment",
        )
    if status in {401, 403}:
        return MissingReason.SOURCE_REFUSED, "rejects our credentials; check the token or password"
    if status == 206:
        return MissingReason.PARTIAL_ANSWER, "answers only in part"
    if 300 <= status < 400:
        return (
            MissingReason.SOURCE_REFUSED,
            "redirects to another address, which the sentinel does not follow; set that address",
        )
    if status in {499, 502, 503}:
        return MissingReason.SOURCE_UNREACHABLE, "is not available"
    return MissingReason.SOURCE_REFUSED, "failed"


_TOO_LONG = re.compile(
    r"\btoo long query\b|\bquery (?:\w+ )?(?:is )?too (?:long|large)\b|\braw query size\b", re.IGNORECASE
)
"""Words of VictoriaMetrics and Mimir about the text of a query, which a shorter one would not have."""


def _trouble(words: str) -> tuple[MissingReason, str] | None:
    """What the server reports of limits or trouble at its end; names in quotes and braces are the query's."""
    told = _QUOTED.sub("", words)
    if _ABOUT_THE_QUERY.search(told):
        return None
    return next(((reason, what) for found, reason, what in _ABOUT_THE_SOURCE if found.search(told)), None)

"""CloudWatch: a Metrics Insights query or metric math, by the account that boto3 finds."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any

from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import MissingReason
from sentinel.domain.policy.rules import CountQuery
from sentinel.minutes import MINUTE, Counted
from sentinel.requesting import proxies_of
from sentinel.values import dataclass

WINDOW = timedelta(minutes=5)
"""How far back the newest point of a series may lie."""
MOST_PAGES = 20
"""So many pages of one answer are read: 10,000 points with each of them full."""
MOST_SERIES = 500
"""CloudWatch returns so many series of a Metrics Insights query, and leaves out the others without a word."""
_WAIT = frozenset(
    {
        "Throttling",
        "ThrottlingException",
        "LimitExceeded",
        "LimitExceededException",
        "RequestLimitExceeded",
        "TooManyRequestsException",
    }
)
_CREDENTIALS = re.compile("Credential|Profile|Token|Config")
"""In the names of botocore's errors of an account that it does not find, or cannot use."""
_OURS = frozenset({"ValidationError", "InvalidParameterValue", "InvalidParameterCombination"})


@dataclass(slots=True)
class CloudWatch:
    """Asks one region, by the client of boto3 that `connect` makes: in a thread, as it looks for credentials."""

    connect: Callable[[], Any]
    _client: Any = None
    _lock: Lock = field(default_factory=Lock)

    def ask(self, expression: str, at: datetime) -> Sequence[float | None]:
        """The newest point of each series. Raises SourceError."""
        found = self._series(expression, at - WINDOW, at, MINUTE)
        return [series[max(series)] for series in found.values() if series]

    def count(self, query: CountQuery, begin: int, end: int, step: int) -> Sequence[Counted]:
        """The counts of each pod or version. Raises SourceError.

        CloudWatch takes one Metrics Insights query in a request, so the failed ones are asked for after all. Both are
        of minutes that have settled.
        """
        period = step // MINUTE * MINUTE if step < end - begin else MINUTE
        since, until = (datetime.fromtimestamp(at, UTC) for at in (begin, end))
        counted = []
        for failed, text in ((False, query.total), (True, query.errors)):
            found = self._series(f'{text} GROUP BY "{query.arms.subject_label}"', since, until, period)
            if len(found) >= MOST_SERIES:
                message = f"CloudWatch returns no more than {MOST_SERIES} series: the rule's query selects too much."
                raise SourceError(message, reason=MissingReason.PARTIAL_ANSWER)
            for (member, _), points in found.items():
                named = "" if member == "Other" else member
                counted += [
                    Counted(query.namespace, named, failed, at.timestamp(), n) for at, n in points.items()
                ]
        return counted

    def _series(
        self, expression: str, since: datetime, until: datetime, period: int
    ) -> Mapping[tuple[str, int], Mapping[datetime, float]]:
        """The points of each series by its label, and which of those with this label, of all pages.

        A page may hold a part of a series; only the status of its last one says whether it is whole.
        Raises SourceError.
        """
        asked: dict[str, Any] = {
            "MetricDataQueries": [
                {"Id": "q", "Expression": expression, "Period": period, "ReturnData": True}
            ],
            "StartTime": since,
            "EndTime": until,
            "ScanBy": "TimestampDescending",
        }
        series: dict[tuple[str, int], dict[datetime, float]] = {}
        states: dict[tuple[str, int], str] = {}
        for _ in range(MOST_PAGES):
            answer = self._page(asked)
            seen: Counter[str] = Counter()
            for one in answer.get("MetricDataResults", []):
                label = str(one.get("Label", ""))
                key = (label, seen[label])
                seen[label] += 1
                states[key] = str(one.get("StatusCode", "Complete"))
                points = zip(one.get("Timestamps", []), one.get("Values", []), strict=False)
                series.setdefault(key, {}).update((at, float(value)) for at, value in points)
            asked["NextToken"] = answer.get("NextToken")
            if not asked["NextToken"]:
                break
        if asked["NextToken"] or set(states.values()) - {"Complete"}:
            raise SourceError("CloudWatch answers only in part.", reason=MissingReason.PARTIAL_ANSWER)
        return series

    def _connected(self) -> Any:
        with self._lock:
            if self._client is None:
                self._client = self.connect()
            return self._client

    def _page(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            answer: Mapping[str, Any] = self._connected().get_metric_data(**asked)
        except Exception as error:
            raise _failed(error) from error
        results = answer.get("MetricDataResults", [])
        said = [*answer.get("Messages", []), *(words for one in results for words in one.get("Messages", []))]
        if said:
            message = f"CloudWatch reports: {said[0].get('Value') or said[0].get('Code')}"
            raise SourceError(message[:300], reason=MissingReason.PARTIAL_ANSWER)
        return answer


def cloudwatch_client(
    region: str,
    *,
    timeout: float,
    endpoint: str | None = None,
    proxy: str | None = None,
    ca_file: str | None = None,
) -> Callable[[], Any]:
    """What makes a client of boto3 that tries once. Raises ImportError with a hint where boto3 is not installed."""
    try:
        # Not at the top: only those who have CloudWatch pay for its memory.
        import boto3
        from botocore.config import Config
    except ImportError as error:
        raise ImportError("cloudwatch needs boto3: install rollback-sentinel[aws]") from error

    def connect() -> Any:
        address = endpoint or f"https://monitoring.{region}.amazonaws.com"
        config = Config(
            connect_timeout=timeout,
            read_timeout=timeout,
            retries={"total_max_attempts": 1},
            proxies=dict(proxies_of(proxy, address)),  # without it, botocore takes those of the environment
        )
        return boto3.Session().client(
            "cloudwatch", region_name=region, endpoint_url=endpoint, config=config, verify=ca_file
        )

    return connect


def _failed(error: Exception) -> SourceError:
    """The reason of any of botocore's errors: by the code of AWS' answer, if it answered."""
    answer = getattr(error, "response", None)
    code = str(answer["Error"].get("Code", "")) if isinstance(answer, dict) and "Error" in answer else ""
    reason = MissingReason.SOURCE_REFUSED if code else MissingReason.SOURCE_UNREACHABLE
    if code in _WAIT:
        reason = MissingReason.RATE_LIMITED
    elif code in _OURS:
        reason = MissingReason.BAD_QUERY
    elif "timeout" in type(error).__name__.lower():
        reason = MissingReason.SOURCE_TIMEOUT
    elif _CREDENTIALS.search(type(error).__name__):
        reason = MissingReason.SOURCE_REFUSED
    return SourceError(f"CloudWatch: {str(error)[:300]}", reason=reason)

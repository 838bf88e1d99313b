"""CloudWatch: a Metrics Insights query or metric math, by the account that boto3 finds."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import MissingReason

PERIOD = 60
WINDOW = timedelta(minutes=5)
"""How far back the newest point of a series may lie."""
_WAIT = frozenset({"Throttling", "ThrottlingException", "LimitExceeded", "LimitExceededException"})
_OURS = frozenset({"ValidationError", "InvalidParameterValue", "InvalidParameterCombination"})


@dataclass(frozen=True, slots=True)
class CloudWatch:
    """Asks one region, by a client of boto3."""

    client: Any

    def ask(self, expression: str, at: datetime) -> Sequence[float | None]:
        """The newest point of each series. Raises SourceError."""
        question = {"Id": "q", "Expression": expression, "Period": PERIOD, "ReturnData": True}
        try:
            answer = self.client.get_metric_data(
                MetricDataQueries=[question],
                StartTime=at - WINDOW,
                EndTime=at,
                ScanBy="TimestampDescending",
                MaxDatapoints=500,
            )
        except Exception as error:
            raise _failed(error) from error
        found = answer.get("MetricDataResults", [])
        if any(one.get("StatusCode") not in ("Complete", None) for one in found) or answer.get("NextToken"):
            raise SourceError("CloudWatch answers only in part.", reason=MissingReason.PARTIAL_ANSWER)
        return [float(one["Values"][0]) for one in found if one.get("Values")]


def cloudwatch_client(region: str, *, timeout: float, endpoint: str | None = None) -> Any:
    """A client of boto3 that tries once. Raises ImportError with a hint where boto3 is not installed."""
    try:
        # Not at the top: only those who have CloudWatch pay for its memory.
        import boto3
        from botocore.config import Config
    except ImportError as error:
        raise ImportError("cloudwatch needs boto3: install rollback-sentinel[aws]") from error
    config = Config(connect_timeout=timeout, read_timeout=timeout, retries={"total_max_attempts": 1})
    return boto3.client("cloudwatch", region_name=region, endpoint_url=endpoint, config=config)


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
    return SourceError(f"CloudWatch: {str(error)[:300]}", reason=reason)

"""Stand-ins for New Relic's NerdGraph and for CloudWatch on the loopback, which count the simulated traffic.

They read what is documented of their queries, and nothing else: a clause that they do not know is an error.
"""

from __future__ import annotations

import io
import re
import struct
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from aiohttp import web
from botocore.parsers import RpcV2CBORParser

from tests.support.minutes import CountedMinutes

NEW_RELIC_KEY = "a-user-key"
_NRQL = re.compile(
    r"SELECT count\(\*\) FROM Transaction WHERE namespaceName = '(?P<namespace>[\w-]+)'(?P<failed> AND error IS TRUE)?"
    r" FACET `k8s\.podName` SINCE (?P<since>\d+) UNTIL (?P<until>\d+) LIMIT MAX(?: TIMESERIES (?P<step>\d+) seconds)?"
)
_INSIGHTS = re.compile(
    r'SELECT SUM\((?P<metric>Requests|Failures)\) FROM SCHEMA\("Shop", Namespace, PodName\)'
    r" WHERE Namespace = '(?P<namespace>[\w-]+)' GROUP BY \"PodName\""
)


@dataclass(slots=True)
class FakeNewRelic:
    """NerdGraph of one account. While `refuses` is set, each question is answered with this class of error."""

    minutes: CountedMinutes
    url: str = ""
    refuses: bool = False

    async def handle(self, request: web.Request) -> web.Response:
        """Answer `POST /graphql`."""
        assert request.path == "/graphql"
        if request.headers.get("API-Key") != NEW_RELIC_KEY:
            return web.json_response({"errors": [{"message": "Invalid API key"}]}, status=401)
        if self.refuses:
            error = {"message": "Too many requests", "extensions": {"errorClass": "TOO_MANY_REQUESTS"}}
            return web.json_response({"data": {"actor": {"account": None}}, "errors": [error]})
        body = await request.json()
        asked = {name: text for name, text in body["variables"].items() if name != "account"}
        assert all(f"{name}: nrql(query: ${name}" in body["query"] for name in asked)
        try:
            account = {name: self._answer(text) for name, text in asked.items()}
        except ValueError as error:
            return web.json_response({"errors": [{"message": str(error)}]})
        return web.json_response({"data": {"actor": {"account": account}}})

    def _answer(self, nrql: str) -> dict[str, Any]:
        asked = _NRQL.fullmatch(nrql)
        if asked is None:
            raise ValueError(f"NRQL Syntax Error: {nrql}")
        since, until = int(asked["since"]) // 1000, int(asked["until"]) // 1000
        step = int(asked["step"] or until - since)
        rows, total = [], 0
        for begin in range(since, until, step):
            counted = self.minutes.of_pods(
                asked["namespace"], begin, begin + step, failed=asked["failed"] is not None
            )
            for pod, minutes in counted:
                count = sum(minutes.values())
                total += count
                row = {"facet": pod, "k8s.podName": pod, "count": count}
                rows.append(row | ({"beginTimeSeconds": begin} if asked["step"] else {}))
        return {"results": rows, "totalResult": {"count": total}, "otherResult": {"count": 0}}


@dataclass(slots=True)
class FakeCloudWatch:
    """Two series a page, each page but the last with partial data. While `refuses` is set, requests are throttled."""

    minutes: CountedMinutes
    url: str = ""
    refuses: bool = False
    operations: list[str] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        """Answer `GetMetricData` in the protocol that boto3 speaks with CloudWatch."""
        self.operations.append(request.path.rpartition("/")[2])
        assert request.headers["Authorization"].startswith("AWS4-HMAC-SHA256 ")
        if self.refuses:
            return _cbor({"__type": "Throttling", "message": "Rate exceeded"}, status=400)
        asked = RpcV2CBORParser().parse_data_item(io.BufferedReader(io.BytesIO(await request.read())))
        (query,) = asked["MetricDataQueries"]
        found = _INSIGHTS.fullmatch(query["Expression"])
        if found is None or query["Period"] % 60:
            return _cbor({"__type": "ValidationError", "message": query["Expression"]}, status=400)
        begin, end = (int(_seconds(asked[name])) for name in ("StartTime", "EndTime"))
        series = list(
            self.minutes.of_pods(found["namespace"], begin, end, failed=found["metric"] == "Failures")
        )
        first = int(asked.get("NextToken") or 0)
        more = first + 2 < len(series)
        answer: dict[str, Any] = {
            "MetricDataResults": [
                {
                    "Id": query["Id"],
                    "Label": pod,
                    "Timestamps": [_Time(at) for at in minutes],
                    "Values": [float(count) for count in minutes.values()],
                    "StatusCode": "Complete",
                }
                for pod, minutes in series[first : first + 2]
            ],
            "Messages": [],
        }
        return _cbor(answer | ({"NextToken": str(first + 2)} if more else {}))


class _Time(int):
    """Seconds that are written as a time."""


def _seconds(moment: Any) -> float:
    return moment.timestamp() if isinstance(moment, datetime) else float(moment)


def _cbor(answer: object, status: int = 200) -> web.Response:
    headers = {"smithy-protocol": "rpc-v2-cbor", "Content-Type": "application/cbor"}
    return web.Response(body=_encoded(answer), status=status, headers=headers)


def _encoded(value: object) -> bytes:
    match value:
        case _Time():
            return b"\xc1\xfb" + struct.pack(">d", float(value))
        case float():
            return b"\xfb" + struct.pack(">d", value)
        case str():
            text = value.encode()
            return _head(3, len(text)) + text
        case list():
            return _head(4, len(value)) + b"".join(map(_encoded, value))
        case dict():
            return _head(5, len(value)) + b"".join(_encoded(part) for pair in value.items() for part in pair)
    raise TypeError(type(value).__name__)


def _head(major: int, length: int) -> bytes:
    return struct.pack(">BI", major << 5 | 26, length)

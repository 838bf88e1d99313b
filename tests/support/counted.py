"""Stand-ins for New Relic's NerdGraph and for CloudWatch on the loopback, which count the simulated traffic.

They read what is documented of their queries, and nothing else: a clause that they do not know is an error.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from aiohttp import web

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

    async def handle(self, request: web.Request) -> web.Response:
        """Answer `GetMetricData` in the protocol that boto3 speaks with CloudWatch."""
        assert request.headers["X-Amz-Target"].endswith(".GetMetricData")
        assert request.headers["Authorization"].startswith("AWS4-HMAC-SHA256 ")
        if self.refuses:
            return web.json_response({"__type": "Throttling", "message": "Rate exceeded"}, status=400)
        asked = json.loads(await request.text())
        (query,) = asked["MetricDataQueries"]
        found = _INSIGHTS.fullmatch(query["Expression"])
        if found is None or query["Period"] % 60:
            return web.json_response(
                {"__type": "ValidationError", "message": query["Expression"]}, status=400
            )
        begin, end = (int(asked[name]) for name in ("StartTime", "EndTime"))
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
                    "Timestamps": list(minutes),
                    "Values": [float(count) for count in minutes.values()],
                    "StatusCode": "Complete",
                }
                for pod, minutes in series[first : first + 2]
            ],
            "Messages": [],
        }
        return web.json_response(answer | ({"NextToken": str(first + 2)} if more else {}))

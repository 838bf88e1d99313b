"""A stand-in for Prometheus' HTTP query API, for where no Prometheus runs: scrapes the model, answers queries."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal
from itertools import chain
from typing import Any

import promql_parser
from aiohttp import web

from sentinel.promql.evaluation import Evaluator, parse
from sentinel.promql.series import Sample, SeriesStore
from sentinel.promql.vectors import PromqlError, PromqlExecutionError, RangeOf, Value, VectorSample

JsonObject = dict[str, Any]
_MAX_POINTS = 11_000
_TARGET = {"job": "simulated", "instance": "simulated"}


class PrometheusStandIn:
    """Scrapes `source` every `interval` seconds of the event loop; stamps samples with `now`.

    `rules` is what `/api/v1/rules` answers. `status`, when set, is answered to every query instead of a
    result; `delay` (seconds) holds every answer back. `batch`, where it is set, is how many seconds of scrapes become
    visible together, as where a remote write brings them; then it says that it is Mimir.
    """

    def __init__(
        self,
        source: Callable[[], Iterable[Sample]],
        now: Callable[[], datetime],
        *,
        interval: float = 5.0,
        retention: float = 3600.0,
        batch: float = 0.0,
    ) -> None:
        self.rules: list[JsonObject] = []
        self.status: int | None = None
        self.delay = 0.0
        self._retention = retention
        self.series = SeriesStore(retention)
        self._source = source
        self._now = now
        self._interval = interval
        self._batch = batch
        self._unseen: list[tuple[int, list[Sample]]] = []
        self._evaluator = Evaluator(self.series)
        self._timer: asyncio.TimerHandle | None = None
        self._shower: asyncio.TimerHandle | None = None
        self._runner: web.AppRunner | None = None

    async def start(self, port: int = 0) -> str:
        """Begin to scrape and to serve on 127.0.0.1, on any free port for 0; the base URL."""
        self._tick()
        if self._batch:
            self._show()
        app = web.Application(middlewares=[self._weather])
        for path, handler in (
            ("/api/v1/query", self._query),
            ("/api/v1/query_range", self._query_range),
        ):
            app.router.add_get(path, handler)
            app.router.add_post(path, handler)
        app.router.add_get("/api/v1/rules", self._rules)
        app.router.add_get("/api/v1/status/buildinfo", self._build_info)
        app.router.add_get("/-/ready", self._ready)
        app.router.add_get("/-/healthy", self._ready)
        app.router.add_get("/", self._ready)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """End scraping and serving."""
        for timer in filter(None, (self._timer, self._shower)):
            timer.cancel()
        self._timer = self._shower = None
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def scrape(self) -> None:
        """Take one sample of every series now."""
        time = round(self._now().timestamp() * 1000)
        up: Sample = ("up", {}, 1.0)
        if self._batch:
            self._unseen.append((time, [*self._source(), up]))
        else:
            self.series.ingest("simulated", time, chain(self._source(), [up]), _TARGET)

    def forget(self) -> None:
        """Lose every sample, as one does that is restarted without its storage."""
        self.series = SeriesStore(self._retention)
        self._evaluator = Evaluator(self.series)

    def at_once(self, query: str, time: float) -> JsonObject | None:
        """The `data` of an answer to an instant query; None while no answer comes, or none at once.

        Raises PromqlError or PromqlExecutionError.
        """
        if self._runner is None or self.delay or self.status is not None:
            return None
        return _rendered(self.instant(query, time), time)

    def instant(self, query: str, time: float) -> Value:
        """The value of a query at a time (Unix seconds); raises PromqlError or PromqlExecutionError."""
        return self._evaluator.evaluate(parse(query), round(time * 1000))

    def over(self, query: str, start: float, end: float, step: float) -> list[RangeOf]:
        """The values of a query from `start` to `end` every `step` seconds, by series."""
        expression = parse(query)
        if isinstance(expression, promql_parser.MatrixSelector | promql_parser.StringLiteral):
            kind = "range vector" if isinstance(expression, promql_parser.MatrixSelector) else "string"
            raise PromqlError(
                f'invalid parameter "query": invalid expression type "{kind}" for range query, '
                "must be Scalar or instant Vector"
            )
        found: dict[tuple[tuple[str, str], ...], list[tuple[int, float]]] = {}
        time, last, width = round(start * 1000), round(end * 1000), round(step * 1000)
        while time <= last:
            value = self._evaluator.evaluate(expression, time)
            points = [VectorSample({}, value, time)] if isinstance(value, float) else value
            for point in points:
                if isinstance(point, VectorSample):
                    found.setdefault(tuple(sorted(point.labels.items())), []).append((time, point.value))
            time += width
            if not points and self.series.begins is not None and time < self.series.begins:
                # Nothing was scraped yet: an hour of such steps would hold up the demo's event loop.
                time += (self.series.begins - time) // width * width
        return [RangeOf(dict(labels), samples) for labels, samples in sorted(found.items())]

    def _tick(self) -> None:
        self.scrape()
        self._timer = asyncio.get_running_loop().call_later(self._interval, self._tick)

    def _show(self) -> None:
        for time, samples in self._unseen:
            self.series.ingest("simulated", time, samples, _TARGET)
        self._unseen.clear()
        self._shower = asyncio.get_running_loop().call_later(self._batch, self._show)

    # -- HTTP

    @web.middleware
    async def _weather(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if self.delay:
            await asyncio.sleep(self.delay)
        if self.status is not None and request.path.startswith("/api/"):
            return web.Response(status=self.status, text="service unavailable")
        try:
            response: web.StreamResponse = await handler(request)
        except PromqlError as error:
            return _failure(400, "bad_data", str(error))
        except PromqlExecutionError as error:
            return _failure(422, "execution", str(error))
        return response

    async def _query(self, request: web.Request) -> web.Response:
        parameters = await _parameters(request)
        time = _time(parameters, "time", self._now().timestamp())
        return _success(_rendered(self.instant(parameters.get("query", ""), time), time))

    async def _query_range(self, request: web.Request) -> web.Response:
        parameters = await _parameters(request)
        start, end = _time(parameters, "start"), _time(parameters, "end")
        if end < start:
            raise PromqlError('invalid parameter "end": end timestamp must not be before start time')
        step = _step(parameters)
        if (end - start) / step > _MAX_POINTS:
            raise PromqlError(
                "exceeded maximum resolution of 11,000 points per timeseries. "
                "Try decreasing the query resolution (?step=XX)"
            )
        return _success(_matrix(self.over(parameters.get("query", ""), start, end, step)))

    async def _rules(self, request: web.Request) -> web.Response:
        return _success({"groups": self.rules})

    async def _build_info(self, request: web.Request) -> web.Response:
        who = {"application": "Grafana Mimir"} if self._batch else {}
        return _success({"version": "2.42.0", "revision": "simulated", "branch": "simulated", **who})

    async def _ready(self, request: web.Request) -> web.Response:
        return web.Response(text="Prometheus Server is Ready.\n")


async def _parameters(request: web.Request) -> dict[str, str]:
    form = await request.post() if request.method == "POST" else {}
    return {**request.query, **{key: str(value) for key, value in form.items()}}


def _time(parameters: dict[str, str], name: str, default: float | None = None) -> float:
    text = parameters.get(name, "")
    if not text and default is not None:
        return default
    try:
        return float(text)
    except ValueError:
        pass  # not a number: then a date
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    except ValueError:
        raise PromqlError(f'invalid parameter "{name}": cannot parse "{text}" to a valid timestamp') from None


def _step(parameters: dict[str, str]) -> float:
    text = parameters.get("step", "")
    try:
        step = float(text)
    except ValueError:
        try:
            step = promql_parser.parse_duration(text).total_seconds()
        except ValueError:
            raise PromqlError(
                f'invalid parameter "step": cannot parse "{text}" to a valid duration'
            ) from None
    if step <= 0:
        raise PromqlError(
            'invalid parameter "step": zero or negative query resolution step widths are not accepted. '
            "Try a positive integer"
        )
    return step


def _success(data: Any) -> web.Response:
    return web.json_response({"status": "success", "data": data})


def _failure(status: int, kind: str, message: str) -> web.Response:
    body = {"status": "error", "errorType": kind, "error": message}
    return web.json_response(body, status=status)


def _rendered(value: Value, time: float) -> JsonObject:
    if isinstance(value, float):
        return {"resultType": "scalar", "result": [time, shown(value)]}
    if isinstance(value, str):
        return {"resultType": "string", "result": [time, value]}
    if value and isinstance(value[0], RangeOf):
        return _matrix([element for element in value if isinstance(element, RangeOf)])
    points = [point for point in value if isinstance(point, VectorSample)]
    result = [{"metric": point.labels, "value": [time, shown(point.value)]} for point in points]
    return {"resultType": "vector", "result": result}


def _matrix(elements: Iterable[RangeOf]) -> JsonObject:
    result = [
        {"metric": e.labels, "values": [[time / 1000, shown(value)] for time, value in e.samples]}
        for e in elements
    ]
    return {"resultType": "matrix", "result": result}


def shown(value: float) -> str:
    """A value as Prometheus writes it: shortest exact decimal, never with an exponent."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return format(Decimal(repr(value)), "f")

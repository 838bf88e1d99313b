"""`POST /webhooks/alertmanager`: answered 200 only when what it says is recorded."""

import asyncio
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from aiohttp import web

from sentinel.adapters.http.auth import Credentials
from sentinel.domain.alert import Notification
from sentinel.domain.errors import ClusterError, ClusterUnavailableError
from sentinel.ports import AlertIntake, Clock, Telemetry

_log = logging.getLogger(__name__)

MAX_BODY = 8 * 1024 * 1024

_PARSE_IN_THREAD = 64 * 1024
_RETRY_AFTER = 5.0


@dataclass(frozen=True, slots=True)
class WebhookLimits:
    """`deadline` in seconds is for reading, checking and recording one post; `in_flight` posts at once."""

    deadline: float = 10.0
    in_flight: int = 16
    credentials: Credentials = field(default_factory=Credentials)


class AlertmanagerWebhook:
    """The handler. `parse` turns a body into a notification or raises ValueError with a sentence.

    Alertmanager tries again after a 5xx and gives up after a 4xx: so whatever may pass is a 503.
    """

    def __init__(
        self,
        intake: AlertIntake,
        parse: Callable[[bytes, datetime], Notification],
        *,
        clock: Clock,
        telemetry: Telemetry,
        limits: WebhookLimits,
    ) -> None:
        self._intake = intake
        self._parse = parse
        self._clock = clock
        self._telemetry = telemetry
        self._limits = limits
        self._in_flight = 0
        self.draining = False

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one post."""
        try:
            response = await self._admit(request)
        except web.HTTPException as error:
            self._telemetry.count("webhook_posts_total", code=str(error.status))
            raise
        except Exception:
            self._telemetry.count("webhook_posts_total", code="500")
            raise
        self._telemetry.count("webhook_posts_total", code=str(response.status))
        return response

    async def _admit(self, request: web.Request) -> web.Response:
        credentials = self._limits.credentials
        if not credentials.allow(request.headers.get("Authorization")):
            response = failure(401, "The Authorization header is missing or wrong.")
            for challenge in credentials.challenges:
                response.headers.add("WWW-Authenticate", challenge)
            return response
        if "Content-Type" in request.headers and request.content_type != "application/json":
            return failure(415, f"Send application/json, not {request.content_type}.")
        if self.draining or self._in_flight >= self._limits.in_flight:
            return _later("The daemon is stopping." if self.draining else "Too many posts at once.")
        self._in_flight += 1
        try:
            async with asyncio.timeout(self._limits.deadline):
                return await self._record(request)
        except TimeoutError:
            return _later(f"Not recorded within {self._limits.deadline:g} s.")
        finally:
            self._in_flight -= 1

    async def _record(self, request: web.Request) -> web.Response:
        try:
            body = await request.read()
        except web.RequestPayloadError as error:
            return failure(400, f"The body could not be read to its end: {error}.")
        received_at = self._clock.now()
        try:
            if len(body) > _PARSE_IN_THREAD:  # 8 MiB take 0.3 s: not on the event loop
                notification = await asyncio.to_thread(self._parse, body, received_at)
            else:
                notification = self._parse(body, received_at)
        except ValueError as error:
            _log.warning("a post to the Alertmanager webhook was refused: %s", error)
            return failure(400, str(error))
        try:
            recorded = await self._intake.receive(notification)
        except ClusterError as error:
            _log.warning("alerts could not be recorded: %s", error)
            after = error.retry_after if isinstance(error, ClusterUnavailableError) else None
            return _later(f"Not recorded: {error}", after)
        return web.json_response({"recorded": recorded})


def failure(status: int, message: str) -> web.Response:
    """An answer that says in a sentence what is wrong."""
    return web.json_response({"error": message}, status=status)


def _later(message: str, after: float | None = None) -> web.Response:
    response = failure(503, message)
    response.headers["Retry-After"] = str(math.ceil(_RETRY_AFTER if after is None else after))
    return response

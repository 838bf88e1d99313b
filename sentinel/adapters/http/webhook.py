"""`POST /webhooks/alertmanager`: answered 200 only when what it says is recorded.

What stands at the door, in this order: who it is, how often they come, how much is in hand already.
"""

import asyncio
import logging
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import field, replace
from datetime import datetime

import orjson
from aiohttp import web

from sentinel.adapters.http.auth import Authenticator, Grant
from sentinel.adapters.http.listener import failure
from sentinel.domain.alert import Alert, AlertFate, AlertOutcome, Notification, OddAlert
from sentinel.domain.errors import ClusterError, ClusterUnavailableError
from sentinel.engine.alerts.naming import namespaces_said
from sentinel.metric_names import MetricName
from sentinel.ports import AlertIntake, Clock, Telemetry
from sentinel.ratelimit import TokenBuckets
from sentinel.values import dataclass

_log = logging.getLogger(__name__)

MAX_BODY = 8 * 1024 * 1024

_PARSE_IN_THREAD = 64 * 1024
_PARSED_AT_ONCE = 2
_RETRY_AFTER = 5.0
_LOGGED = 5
"""So many of the alerts of a post that cannot be read are logged one by one."""


@dataclass(frozen=True, slots=True)
class WebhookLimits:
    """What is taken in at most.

    `deadline` in seconds is for reading, checking and recording one post; `in_flight` posts and `bytes_in_flight` of
    them are in hand at once; one client may post `rate` times a second on the long run and `burst` times at once.
    `certificate`: a client must have shown one that the server's TLS verified.
    """

    deadline: float = 10.0
    in_flight: int = 64
    bytes_in_flight: int = 4 * MAX_BODY
    rate: float = 100.0
    burst: int = 200
    certificate: bool = False
    credentials: Authenticator = field(default_factory=Authenticator)


class AlertmanagerWebhook:
    """The handler. `parse` turns a body into a notification or raises ValueError with a sentence.

    Alertmanager retries a 5xx within seconds, and what was answered 4xx comes with the group's next notification at the
    earliest: so whatever may pass is a 503.
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
        self._buckets = TokenBuckets(limits.rate, limits.burst)
        self._parsing = asyncio.Semaphore(_PARSED_AT_ONCE)
        self._in_flight = 0
        self._bytes = 0
        self.draining = False

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one post."""
        try:
            response = await self._admit(request)
        except web.HTTPException as error:
            self._telemetry.count(MetricName.WEBHOOK_POSTS_TOTAL, code=str(error.status))
            raise
        except Exception:
            self._telemetry.count(MetricName.WEBHOOK_POSTS_TOTAL, code="500")
            raise
        self._telemetry.count(MetricName.WEBHOOK_POSTS_TOTAL, code=str(response.status))
        return response

    async def _admit(self, request: web.Request) -> web.Response:
        grant = self._limits.credentials.check(request.headers.get("Authorization"))
        if grant is None:
            return self._unknown()
        if self._limits.certificate and not request.get_extra_info("peercert"):
            return failure(401, "A client certificate is required.")
        refused = _unfit(request)
        if refused is not None:
            return refused
        size = MAX_BODY if request.content_length is None else request.content_length
        busy = self._busy(grant, request.remote or "", size)
        if busy is not None:
            return busy
        self._in_flight += 1
        self._bytes += size
        try:
            async with asyncio.timeout(self._limits.deadline):
                return await self._record(request, grant)
        except TimeoutError:
            return _later(f"Not recorded within {self._limits.deadline:g} s.")
        finally:
            self._in_flight -= 1
            self._bytes -= size

    def _unknown(self) -> web.Response:
        response = failure(401, "The Authorization header is missing or wrong.")
        for challenge in self._limits.credentials.challenges:
            response.headers.add("WWW-Authenticate", challenge)
        return response

    def _busy(self, grant: Grant, address: str, size: int) -> web.Response | None:
        """Why a post must come again later. Not 429: Alertmanager retries a 5xx only."""
        if self.draining:
            return _later("The daemon is stopping.")
        # Checked before the bucket, so that a rejected request does not count for its client.
        if self._in_flight >= self._limits.in_flight:
            return _later("Too many requests at the same time.", 1.0)
        if self._bytes + size > self._limits.bytes_in_flight:
            return _later("Too many bytes in requests at the same time.", 1.0)
        wait = self._buckets.take(f"{grant.name} {address}", self._clock.monotonic())
        return _later("Too many requests from this client.", wait) if wait else None

    async def _record(self, request: web.Request, grant: Grant) -> web.Response:
        try:
            body = await request.read()
        except (web.RequestPayloadError, ConnectionError) as error:  # garbled, or who posted has gone
            return failure(400, f"The body could not be read to its end: {error}.")
        try:
            notification = await self._parsed(body)
        except ValueError as error:
            _log.warning("a request to the Alertmanager webhook was refused: %s", error)
            return failure(400, str(error))
        permitted = [_may_post(alert, grant) for alert in notification.alerts]
        if permitted and not any(permitted):
            self._count(Counter({AlertOutcome.FORBIDDEN: len(permitted)}))
            return failure(403, "These credentials may not post alerts of these namespaces.")
        taken = tuple(alert for alert, may in zip(notification.alerts, permitted, strict=True) if may)
        try:
            receipt = await self._intake.receive(replace(notification, alerts=taken))
        except ClusterError as error:
            _log.warning("alerts could not be recorded: %s", error)
            after = error.retry_after if isinstance(error, ClusterUnavailableError) else None
            return _later(f"Not recorded: {error}", after)
        behind = iter(receipt.fates)
        fates = [
            next(behind) if may else AlertFate(AlertOutcome.FORBIDDEN, _NOT_COVERED) for may in permitted
        ]
        return self._answer(notification, receipt.recorded, fates, grant)

    async def _parsed(self, body: bytes) -> Notification:
        received_at = self._clock.now()
        if len(body) <= _PARSE_IN_THREAD:
            return self._parse(body, received_at)
        async with self._parsing:  # 8 MiB take 0.3 s: not on the event loop
            return await asyncio.to_thread(self._parse, body, received_at)

    def _answer(
        self, notification: Notification, recorded: int, fates: Sequence[AlertFate], grant: Grant
    ) -> web.Response:
        """The outcome for each alert, in the order of the request; counted, and logged if something was left out."""
        counts = Counter(fate.outcome for fate in fates)
        counts[AlertOutcome.DROPPED] += len(notification.odd)
        self._count(counts)
        refused = counts[AlertOutcome.FORBIDDEN]
        if refused:
            _log.warning("dropped %d alerts of namespaces for which %s may not post", refused, grant.name)
        _log_odd(notification.odd)
        said = [
            _said(alert.labels.get("alertname", ""), alert.fingerprint, fate)
            for alert, fate in zip(notification.alerts, fates, strict=True)
        ]
        for odd in notification.odd:  # in order, so that each finds its place
            said.insert(odd.place, _said(odd.name, odd.fingerprint, AlertFate(AlertOutcome.DROPPED, odd.why)))
        body = {"recorded": recorded, **({"refused": refused} if refused else {}), "alerts": said}
        return web.Response(body=orjson.dumps(body), content_type="application/json")

    def _count(self, outcomes: Counter[AlertOutcome]) -> None:
        for outcome, number in outcomes.items():
            if number:
                self._telemetry.count(MetricName.ALERTS_TOTAL, number, outcome=outcome.value)


_NOT_COVERED = "the credentials of this request may not post alerts of its namespace"


def _may_post(alert: Alert, grant: Grant) -> bool:
    """Whether these credentials may post an alert, in whichever namespace its labels may mean."""
    return grant.everywhere or all(map(grant.covers, namespaces_said(alert.labels) or (None,)))


def _said(name: str, fingerprint: str, fate: AlertFate) -> dict[str, str]:
    """One alert of the answer."""
    said = {"alertname": name, "fingerprint": fingerprint, "outcome": fate.outcome.value}
    return said | ({"detail": fate.detail} if fate.detail else {})


def _log_odd(odd: Sequence[OddAlert]) -> None:
    for one in odd[:_LOGGED]:
        name = one.name or "without a name"
        _log.warning("an alert (%s) was dropped, the others of its request were kept: %s", name, one.why)
    if len(odd) > _LOGGED:
        _log.warning("dropped %d more alerts of the same request", len(odd) - _LOGGED)


def _unfit(request: web.Request) -> web.Response | None:
    """Why a post will not be read, whenever it comes."""
    if "Content-Type" in request.headers and request.content_type != "application/json":
        return failure(415, f"Send application/json, not {request.content_type}.")
    if request.headers.get("Content-Encoding", "identity") != "identity":
        return failure(415, "Send the body as it is, without a Content-Encoding.")
    if (request.content_length or 0) > MAX_BODY:
        raise web.HTTPRequestEntityTooLarge(MAX_BODY, request.content_length or 0)
    return None


def _later(message: str, after: float | None = None) -> web.Response:
    response = failure(503, message)
    response.headers["Retry-After"] = str(math.ceil(_RETRY_AFTER if after is None else after))
    return response

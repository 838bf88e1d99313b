"""`POST /webhooks/slack`: interactions as Slack posts them, signed with the app's signing secret."""

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from urllib.parse import parse_qs

from aiohttp import web
from slack_sdk.signature import Clock as SignatureClock
from slack_sdk.signature import SignatureVerifier

from sentinel.metric_names import MetricName
from sentinel.ports import Clock, Telemetry

_log = logging.getLogger(__name__)

MAX_BODY = 256 * 1024
READ_WITHIN = 5.0
IN_HAND = 16
"""This many posts are read at once: only a whole post shows who signed it."""
_TOLD_EVERY = 60.0


class SlackWebhook:
    """Checks the signature of the raw body, and its age of five minutes at most, before anything of it is read."""

    def __init__(
        self,
        signing_secret: str,
        offer: Callable[[str, Mapping[str, object]], bool],
        clock: Clock,
        telemetry: Telemetry,
    ) -> None:
        self._verifier = SignatureVerifier(signing_secret, _Seconds(clock))
        self._offer = offer
        self._telemetry = telemetry
        self._clock = clock
        self._in_hand = 0
        self._told = -_TOLD_EVERY

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one post: at once, as Slack gives three seconds."""
        response = await self._answer(request)
        self._telemetry.count(MetricName.SLACK_POSTS_TOTAL, code=str(response.status))
        return response

    async def _answer(self, request: web.Request) -> web.Response:
        if request.headers.get("Content-Encoding", "identity") != "identity":
            return _refused(415, "Send the body as it is, without a Content-Encoding.")
        if self._in_hand >= IN_HAND:
            return _refused(503, "Too many requests at the same time.")
        self._in_hand += 1
        try:
            async with asyncio.timeout(READ_WITHIN):
                body = await _read(request)
        except TimeoutError:
            return _refused(408, "The body did not arrive in time.")
        except (web.RequestPayloadError, ConnectionError):  # garbled, or the sender has gone
            return _refused(400, "The body could not be read to its end.")
        finally:
            self._in_hand -= 1
        if body is None:
            return _refused(413, f"The body is larger than {MAX_BODY} bytes.")
        if not self._signed(body, request.headers):
            self._tell(request)
            return _refused(401, "The signature is missing, old or wrong.")
        payload = _interaction(body)
        if payload is None:
            return _refused(400, "The form has no interaction payload.")
        if not self._offer(str(payload["trigger_id"]), payload):
            return _refused(503, "Too many presses wait.")
        return web.Response()

    def _tell(self, request: web.Request) -> None:
        """Anyone may post here unsigned, as often as they like: log it once a minute."""
        now = self._clock.monotonic()
        if now - self._told >= _TOLD_EVERY:
            self._told = now
            _log.warning("a post to %s has no valid signature", request.path)

    def _signed(self, body: bytes, headers: Mapping[str, str]) -> bool:
        try:
            return self._verifier.is_valid_request(body, dict(headers))
        except (ValueError, TypeError, OverflowError):  # a time stamp that cannot be read as a time
            return False


def _interaction(body: bytes) -> Mapping[str, object] | None:
    """The payload in a post's form, None if it has none."""
    try:
        payload = json.loads(parse_qs(body.decode())["payload"][0])
    except (ValueError, KeyError, RecursionError):
        return None
    return payload if isinstance(payload, dict) and "trigger_id" in payload else None


def _refused(status: int, why: str) -> web.Response:
    return web.json_response({"error": why}, status=status)


async def _read(request: web.Request) -> bytes | None:
    body = bytearray()
    async for chunk in request.content.iter_chunked(64 * 1024):
        body += chunk
        if len(body) > MAX_BODY:
            return None
    return bytes(body)


class _Seconds(SignatureClock):
    """The sentinel's clock as the verifier asks for it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def now(self) -> float:
        return self._clock.now().timestamp()

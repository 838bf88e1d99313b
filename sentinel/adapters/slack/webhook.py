"""`POST /webhooks/slack`: interactions as Slack posts them, signed with the app's signing secret."""

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from urllib.parse import parse_qs

from aiohttp import web
from slack_sdk.signature import Clock as SignatureClock
from slack_sdk.signature import SignatureVerifier

from sentinel.ports import Clock

_log = logging.getLogger(__name__)

MAX_BODY = 256 * 1024
READ_WITHIN = 5.0


class SlackWebhook:
    """Checks the signature of the raw body, and its age of five minutes at most, before anything of it is read."""

    def __init__(
        self, signing_secret: str, offer: Callable[[str, Mapping[str, object]], bool], clock: Clock
    ) -> None:
        self._verifier = SignatureVerifier(signing_secret, _Seconds(clock))
        self._offer = offer

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one post: at once, as Slack gives three seconds."""
        try:
            async with asyncio.timeout(READ_WITHIN):
                body = await _read(request)
        except TimeoutError:
            return web.Response(status=408, text="The body did not come in time.")
        if body is None:
            return web.Response(status=413, text=f"The body is larger than {MAX_BODY} bytes.")
        if not self._signed(body, request.headers):
            _log.warning("a post to %s has no valid signature", request.path)
            return web.Response(status=401, text="The signature is missing, old or wrong.")
        try:
            payload = json.loads(parse_qs(body.decode())["payload"][0])
            trigger = str(payload["trigger_id"])
        except (ValueError, KeyError, TypeError):
            return web.Response(status=400, text="The form has no payload of an interaction.")
        if not self._offer(trigger, payload):
            return web.Response(status=503, text="Too many presses wait.")
        return web.Response()

    def _signed(self, body: bytes, headers: Mapping[str, str]) -> bool:
        try:
            return self._verifier.is_valid_request(body, dict(headers))
        except (ValueError, TypeError):  # a time stamp that is no number, or what is no text
            return False


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

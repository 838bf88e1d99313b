"""Posts each decision, and news of the sentinel itself, to one URL as a signed CloudEvent."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any

import aiohttp

from sentinel.adapters.cloudevents.event import CONTENT_TYPE, body_of, event_of, event_of_bulletin, signed
from sentinel.domain.errors import NoticeError
from sentinel.domain.notice import Bulletin, Notice
from sentinel.domain.record.entries import NoticeRef

SHOWN_BYTES = 200
_AGAIN = frozenset({408, 425, 429})


class CloudEventsNotifier:
    """Implements `ports.Notifier` and `ports.Broadcaster`. Nothing is retried in here, and no redirect is followed."""

    def __init__(self, url: str, secret: str, *, timeout: float, now: Callable[[], datetime]) -> None:
        self._url = url
        self._secret = secret
        self._timeout = timeout
        self._now = now
        self._session: aiohttp.ClientSession | None = None

    async def publish(self, notice: Notice) -> NoticeRef | None:
        """Post the decision; progress alone is not an event. Raises NoticeError, retryable if a retry may help."""
        if notice.entry is None:
            return None
        await self._send(event_of(notice, notice.entry))
        return NoticeRef("webhook", "")

    async def broadcast(self, bulletin: Bulletin) -> None:
        """Post it. Raises NoticeError, retryable if a retry may help."""
        await self._send(event_of_bulletin(bulletin))

    async def _send(self, event: dict[str, Any]) -> None:
        try:
            async with asyncio.timeout(self._timeout):
                await self._post(body_of(event), str(event["id"]))
        except TimeoutError as error:
            raise NoticeError(f"the notices' webhook did not answer within {self._timeout:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise NoticeError(f"the notices' webhook cannot be reached: {type(error).__name__}") from error

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def _post(self, body: bytes, ident: str) -> None:
        stamp = int(self._now().timestamp())
        headers = {"Content-Type": CONTENT_TYPE, "User-Agent": "rollback-sentinel"}
        headers |= signed(body, ident, stamp, self._secret)
        session = self._opened()
        async with session.post(self._url, data=body, headers=headers, allow_redirects=False) as response:
            if 200 <= response.status < 300:
                return
            said = (await response.content.read(SHOWN_BYTES)).decode("utf-8", "replace").strip()
            raise NoticeError(
                f"the notices' webhook answered {response.status}" + (f": {said}" if said else ""),
                retryable=response.status in _AGAIN or response.status >= 500,
                retry_after=_seconds(response.headers.get("Retry-After")),
            )

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        return self._session


def _seconds(text: str | None) -> float | None:
    """What Retry-After says in seconds, an hour at most; None for dates and nonsense."""
    return min(float(text), 3600.0) if text is not None and text.isascii() and text.isdigit() else None

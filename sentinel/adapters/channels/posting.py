"""Requests to a channel's service: JSON, a time for each, and failures that say whether a retry may help."""

import asyncio
from collections.abc import Mapping
from typing import Any

import aiohttp
import orjson

from sentinel.domain.errors import NoticeError

SHOWN_BYTES = 300
READ_BYTES = 64 * 1024
_AGAIN = frozenset({408, 425, 429})
_LONGEST_WAIT = 3600.0


class Poster:
    """Sends requests to one service, called `name` in errors. Addresses may hold secrets, so that errors do not."""

    def __init__(self, name: str, *, timeout: float) -> None:
        self._name = name
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None

    async def send(
        self,
        method: str,
        url: str,
        body: Mapping[str, object],
        *,
        headers: Mapping[str, str] | None = None,
        absent: bool = False,
    ) -> Any:
        """The JSON of a 2xx answer, {} without one; None for a 404 where `absent` is fine. Raises NoticeError."""
        try:
            async with asyncio.timeout(self._timeout):
                return await self._send(method, url, body, headers or {}, absent=absent)
        except TimeoutError as error:
            raise NoticeError(f"{self._name} did not answer within {self._timeout:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise NoticeError(f"{self._name} cannot be reached: {type(error).__name__}") from error

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def _send(
        self, method: str, url: str, body: Mapping[str, object], headers: Mapping[str, str], *, absent: bool
    ) -> Any:
        heads = {"Content-Type": "application/json", "User-Agent": "rollback-sentinel", **headers}
        if self._session is None:
            self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        async with self._session.request(
            method, url, data=orjson.dumps(body), headers=heads, allow_redirects=False
        ) as response:
            said = await response.content.read(READ_BYTES)
            if response.status == 404 and absent:
                return None
            if not 200 <= response.status < 300:
                raise self._refused(response, said)
        try:
            return orjson.loads(said) if said else {}
        except orjson.JSONDecodeError:
            return {}

    def _refused(self, response: aiohttp.ClientResponse, said: bytes) -> NoticeError:
        words = " ".join(said[:SHOWN_BYTES].decode("utf-8", "replace").split())
        return NoticeError(
            f"{self._name} answered {response.status}" + (f": {words}" if words else ""),
            retryable=response.status in _AGAIN or response.status >= 500,
            retry_after=_seconds(response.headers.get("Retry-After")),
        )


def _seconds(text: str | None) -> float | None:
    """What Retry-After says in seconds, an hour at most; None for dates and nonsense."""
    try:
        return min(max(0.0, float(text)), _LONGEST_WAIT) if text is not None else None
    except ValueError:
        return None

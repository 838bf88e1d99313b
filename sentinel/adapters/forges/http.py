"""Requests to a Git server's API: JSON, a time for each, and failures by their named reason."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp
import orjson
from yarl import URL

from sentinel.domain.errors import RevertError
from sentinel.domain.revert import RevertReason
from sentinel.secret import Secret

MAX_BYTES = 8 * 1024 * 1024
SHOWN_BYTES = 300
_AGAIN = frozenset({408, 425, 429})
_ASK_LATER = 3600.0


class ForgeHttp:
    """Sends requests to one API. `token` is read again as its file changes. No redirect is followed."""

    def __init__(
        self,
        base_url: str,
        token: Secret,
        authorization: Callable[[str], Mapping[str, str]],
        *,
        timeout: float,
    ) -> None:
        self._base = base_url
        self._token = token
        self._authorization = authorization
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None

    async def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, object] | None = None,
        taken: frozenset[int] = frozenset(),
    ) -> tuple[int, Any]:
        """The status and the JSON of an answer: 2xx, or one of the statuses `taken`. Raises RevertError.

        `path` is encoded already.
        """
        url = URL(f"{self._base}/{path}", encoded=True)
        url = url.update_query(params) if params else url
        try:
            async with asyncio.timeout(self._timeout):
                return await self._send(method, url, body, taken)
        except TimeoutError as error:
            raise _unreachable(f"{url.host} did not answer within {self._timeout:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise _unreachable(f"{url.host} cannot be reached: {type(error).__name__}") from error

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def _send(
        self, method: str, url: URL, body: Mapping[str, object] | None, taken: frozenset[int]
    ) -> tuple[int, Any]:
        token = await asyncio.to_thread(self._token)
        headers = {
            "Accept": "application/json",
            "User-Agent": "rollback-sentinel",
            **({"Content-Type": "application/json"} if body is not None else {}),
            **self._authorization(token),
        }
        data = orjson.dumps(body) if body is not None else None
        session = self._opened()
        async with session.request(
            method, url, data=data, headers=headers, allow_redirects=False
        ) as response:
            said = await _read(response)
            if not (200 <= response.status < 300 or response.status in taken):
                raise _refusal(response, said, method, url)
            try:
                return response.status, orjson.loads(said) if said else {}
            except orjson.JSONDecodeError as error:
                raise _unreachable(
                    f"{url.host} answered {url.path} with something that is not JSON"
                ) from error

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        return self._session


async def _read(response: aiohttp.ClientResponse) -> bytes:
    said = bytearray()
    async for chunk in response.content.iter_chunked(64 * 1024):
        said += chunk
        if len(said) > MAX_BYTES:
            message = f"{response.url.host} answered {response.url.path} with more than {MAX_BYTES} bytes"
            raise RevertError(message, reason=RevertReason.REFUSED)
    return bytes(said)


def _unreachable(message: str) -> RevertError:
    return RevertError(message, reason=RevertReason.UNREACHABLE, retryable=True)


def _refusal(response: aiohttp.ClientResponse, said: bytes, method: str, url: URL) -> RevertError:
    """Servers limit rates by a 429, or by a 403 that says when to come again."""
    headers = response.headers
    after = _seconds(headers.get("Retry-After"))
    limited = response.status == 403 and (after is not None or headers.get("x-ratelimit-remaining") == "0")
    again = response.status in _AGAIN or response.status >= 500 or limited
    words = _message(said)
    hint = {
        401: ": check the token",
        403: ": check what the token may do",
        404: ": check that the token may see the repository",
    }.get(response.status, "")
    return RevertError(
        f"{url.host} answered {method} {url.path} with {response.status}"
        + (f" ({words})" if words else "")
        + ("" if again else hint),
        reason=RevertReason.UNREACHABLE if again else RevertReason.REFUSED,
        retryable=again,
        retry_after=after,
    )


def _message(said: bytes) -> str:
    """The server's own words, in one short line."""
    try:
        found = orjson.loads(said)
    except orjson.JSONDecodeError:
        return ""
    words = found.get("message") or found.get("error") if isinstance(found, dict) else ""
    return " ".join(str(words or "").split())[:SHOWN_BYTES]


def _seconds(text: str | None) -> float | None:
    return min(float(text), _ASK_LATER) if text is not None and text.isascii() and text.isdigit() else None

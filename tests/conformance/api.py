"""A bare client of a Kubernetes API, simulated or real, that shows every answer as it is."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

JsonObject = dict[str, Any]

PATCH_TYPES = {
    "json": "application/json-patch+json",
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
}
_PATIENCE_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Access:
    """Where a cluster is and how to get in."""

    url: str
    headers: dict[str, str]
    tls: ssl.SSLContext | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: `body` is parsed JSON where it is JSON."""

    status: int
    body: Any
    headers: dict[str, str]

    def ok(self) -> JsonObject:
        """The object in a successful answer."""
        assert self.status < 400, self.body
        assert isinstance(self.body, dict)
        return self.body

    def reason(self) -> tuple[int, str]:
        """Status code and reason of a refusal."""
        return self.status, self.body["reason"]


class Watch:
    """A watch that is open."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def event(self) -> JsonObject:
        """The next event; fails after a while without one."""
        async with asyncio.timeout(_PATIENCE_SECONDS):
            line = await self._response.content.readline()
        assert line, "the watch ended"
        event: JsonObject = json.loads(line)
        return event

    async def until(self, condition: Callable[[JsonObject], bool]) -> list[JsonObject]:
        """The events up to and with the first that meets the condition."""
        events = [await self.event()]
        while not condition(events[-1]):
            events.append(await self.event())
        return events

    async def rest(self) -> list[JsonObject]:
        """The events until the server ends the watch."""
        async with asyncio.timeout(_PATIENCE_SECONDS):
            text = await self._response.text()
        return [json.loads(line) for line in text.splitlines()]


class Api:
    """Requests to one cluster."""

    def __init__(self, session: aiohttp.ClientSession, access: Access) -> None:
        self._session = session
        self._access = access

    async def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content_type: str = "application/json",
        accept: str = "application/json",
        **params: str,
    ) -> Reply:
        """One request and its answer."""
        headers = {**self._access.headers, "Accept": accept}
        data = None
        if body is not None:
            headers["Content-Type"] = content_type
            data = body if isinstance(body, str | bytes) else json.dumps(body)
        async with asyncio.timeout(_PATIENCE_SECONDS):
            async with self._session.request(
                method,
                self._access.url + path,
                data=data,
                headers=headers,
                params=params,
                ssl=self._access.tls if self._access.tls is not None else True,
            ) as response:
                text = await response.text()
                return Reply(response.status, _parsed(text), dict(response.headers))

    async def get(self, path: str, **params: str) -> Reply:
        """GET."""
        return await self.request("GET", path, **params)

    async def post(self, path: str, body: Any, **params: str) -> Reply:
        """POST."""
        return await self.request("POST", path, body, **params)

    async def put(self, path: str, body: Any, **params: str) -> Reply:
        """PUT."""
        return await self.request("PUT", path, body, **params)

    async def delete(self, path: str, body: Any = None, **params: str) -> Reply:
        """DELETE."""
        return await self.request("DELETE", path, body, **params)

    async def patch(self, path: str, body: Any, kind: str = "merge", **params: str) -> Reply:
        """PATCH of a kind: json, merge, strategic or apply."""
        return await self.request("PATCH", path, body, content_type=PATCH_TYPES[kind], **params)

    @asynccontextmanager
    async def watch(self, path: str, **params: str) -> AsyncIterator[Watch]:
        """A watch of the collection at `path`."""
        async with self._session.get(
            self._access.url + path,
            params={"watch": "1", "timeoutSeconds": "60", **params},
            headers=self._access.headers,
            ssl=self._access.tls if self._access.tls is not None else True,
        ) as response:
            assert response.status == 200, await response.text()
            yield Watch(response)

    async def eventually(
        self, path: str, condition: Callable[[JsonObject], bool], *, within: float = _PATIENCE_SECONDS
    ) -> JsonObject:
        """The object at `path` once it meets the condition; fails when it does not `within` seconds."""
        body: Any = None
        try:
            async with asyncio.timeout(within):
                while True:
                    reply = await self.get(path)
                    body = reply.body
                    if reply.status == 200 and condition(body):
                        return dict(body)
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise AssertionError(f"not within {within:g} s; at the end: {body}") from None


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text

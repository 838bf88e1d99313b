"""An API server over an empty store, and a client that shows its answers as they are."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from clustersim.api import ApiServer
from clustersim.storage.resources import NAMESPACES
from clustersim.storage.store import Store
from clustersim.virtual_time import wall_clock

JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer."""

    status: int
    body: Any
    headers: Mapping[str, str]


class Client:
    """Sends requests to the server as one user."""

    def __init__(self, session: aiohttp.ClientSession, url: str, token: str) -> None:
        self.session = session
        self.url = url
        self.token = token

    def as_user(self, token: str) -> Client:
        """The same client with another token."""
        return Client(self.session, self.url, token)

    async def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content_type: str | None = "application/json",
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> Reply:
        """One request; a body other than text is sent as JSON."""
        sent = {"User-Agent": "Python/3.11", "Authorization": f"Bearer {self.token}", **(headers or {})}
        data = None
        if body is not None:
            data = body if isinstance(body, str | bytes) else json.dumps(body)
            sent["Content-Type"] = content_type or "application/json"
        async with self.session.request(
            method, self.url + path, data=data, headers=sent, params=params
        ) as response:
            text = await response.text()
            try:
                parsed: Any = json.loads(text)
            except ValueError:
                parsed = text
            return Reply(response.status, parsed, dict(response.headers))

    async def get(self, path: str, **params: str) -> Reply:
        """GET."""
        return await self.request("GET", path, params=params)


@pytest.fixture
async def store() -> Store:
    """A store with the namespaces of a fresh cluster and one more, `rec`."""
    made = Store(wall_clock())
    made.create(NAMESPACES, {"metadata": {"name": "rec"}}, manager="Python")
    return made


@pytest.fixture
async def server(store: Store) -> AsyncIterator[ApiServer]:
    """A running server over the store."""
    running = ApiServer(store)
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def client(server: ApiServer) -> AsyncIterator[Client]:
    """A client with the administrator's token."""
    async with aiohttp.ClientSession() as session:
        yield Client(session, server.url, server.tokens.admin)

"""Watch streams in time: bookmarks, ends, Tables, many watchers."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp

from clustersim.api import ApiServer
from clustersim.api.prepared import PreparedLines
from clustersim.storage.resources import CONFIGMAPS
from clustersim.storage.store import Store
from tests.clustersim.apiserver.conftest import Client

PATH = "/api/v1/namespaces/default/configmaps"


async def watched(client: Client, headers: dict[str, str] | None = None, **params: str) -> list[Any]:
    """The events of a watch until the server ends it."""
    asked = {"watch": "1", **params}
    async with client.session.get(client.url + PATH, params=asked, headers=headers) as response:
        return [json.loads(line) async for line in response.content]


def put(store: Store, name: str) -> None:
    store.create(CONFIGMAPS, {"metadata": {"name": name}})


async def test_a_quiet_watch_gets_bookmarks(client: Client, store: Store) -> None:
    """One a minute, at the newest revision, whatever kind of object that was."""
    events = await watched(
        client, resourceVersion=str(store.revision), allowWatchBookmarks="true", timeoutSeconds="130"
    )
    assert [event["type"] for event in events] == ["BOOKMARK"] * 3
    assert events[0]["object"]["metadata"]["resourceVersion"] == str(store.revision)


async def test_a_watch_that_did_not_ask_gets_no_bookmark(client: Client, store: Store) -> None:
    """Silence until the timeout."""
    assert await watched(client, resourceVersion=str(store.revision), timeoutSeconds="130") == []


async def test_a_table_watch_names_its_columns_once(client: Client, store: Store) -> None:
    """Each event is a Table of one row; the first has the columns."""
    put(store, "a")
    put(store, "b")
    accept = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    events = await watched(client, accept, timeoutSeconds="1")
    tables = [event["object"] for event in events]
    assert [table["rows"][0]["cells"][0] for table in tables] == ["a", "b"]
    assert [bool(table["columnDefinitions"]) for table in tables] == [True, False]


async def test_a_closed_watch_is_forgotten(client: Client, server: ApiServer, store: Store) -> None:
    """The server keeps nothing of a client that has gone."""
    async with client.session.get(client.url + PATH, params={"watch": "1"}):
        assert server.watches.open == 1
    put(store, "a")
    await asyncio.sleep(1)
    assert server.watches.open == 0


async def test_a_watch_that_falls_behind_is_ended(client: Client, server: ApiServer, store: Store) -> None:
    """More changes than can be kept for a watch end it; the client must list again."""
    async with client.session.get(client.url + PATH, params={"watch": "1"}) as response:
        for number in range(25_000):
            put(store, f"c{number}")
        async with asyncio.timeout(60):
            received = (await response.read()).splitlines()
    assert 0 < len(received) < 25_000
    assert server.watches.open == 0


async def test_the_server_stops_with_watches_open(store: Store) -> None:
    """Stopping ends every stream at once."""
    server = ApiServer(store)
    await server.start()
    async with asyncio.timeout(5):
        async with aiohttp.ClientSession() as session:
            response = await session.get(server.url + PATH, params={"watch": "1"})
            await server.stop()
            response.close()


async def test_prepared_lines_come_in_their_turn(client: Client, server: ApiServer, store: Store) -> None:
    """After what was changed before and before what is changed after, though a thread sends them."""
    asked = {"watch": "1", "resourceVersion": str(store.revision), "timeoutSeconds": "5"}
    async with client.session.get(client.url + PATH, params=asked) as response:
        (watcher,) = server.watches.of(CONFIGMAPS)
        put(store, "before")
        lines = [b'{"type":"MODIFIED","object":{"metadata":{"name":"%d"}}}\n' % number for number in range(3)]
        watcher.offer_prepared(PreparedLines.of(lines, store.reserve(3) + 2))
        put(store, "after")
        events = [json.loads(line)["object"]["metadata"] async for line in response.content]
    assert [metadata["name"] for metadata in events] == ["before", "0", "1", "2", "after"]
    assert int(events[-1]["resourceVersion"]) == int(events[0]["resourceVersion"]) + 4

"""Injected faults as a client meets them."""

from __future__ import annotations

import asyncio
import json
from random import Random
from typing import Any

import aiohttp
import pytest

from clustersim.api import ApiServer
from clustersim.faults import FaultKind, Faults, InjectedFault
from clustersim.storage.resources import CONFIGMAPS
from clustersim.storage.store import Store
from tests.clustersim.apiserver.conftest import Client

PATH = "/api/v1/namespaces/default/configmaps"


def put(store: Store, name: str = "c", **data: str) -> None:
    """Create a ConfigMap, or change its data."""
    if store.find(CONFIGMAPS, "default", name) is None:
        store.create(CONFIGMAPS, {"metadata": {"name": name}, "data": data})
    else:
        store.mutate(CONFIGMAPS, "default", name, lambda obj: obj.update(data=data))


async def lines(client: Client, store: Store, writes: int = 2) -> list[bytes]:
    """What a watch delivers of some writes until it ends, or for 5 s."""
    found: list[bytes] = []
    async with client.session.get(
        f"{client.url}{PATH}", params={"watch": "1", "resourceVersion": str(store.revision)}
    ) as response:
        for number in range(writes):
            put(store, f"c{number}")
        try:
            async with asyncio.timeout(5):
                while line := await response.content.readline():
                    found.append(line)
        except TimeoutError:
            pass  # the watch goes on
    return found


def names(received: list[bytes]) -> list[str]:
    return [json.loads(line)["object"]["metadata"]["name"] for line in received]


async def test_latency_delays_the_answer(client: Client, server: ApiServer) -> None:
    """The answer comes after the given seconds, whole."""
    server.faults.add(InjectedFault(FaultKind.LATENCY, seconds=3))
    began = asyncio.get_running_loop().time()
    assert (await client.get(PATH)).status == 200
    assert asyncio.get_running_loop().time() - began >= 3


@pytest.mark.parametrize(
    ("status", "reason"), [(429, "TooManyRequests"), (500, "InternalError"), (503, "ServiceUnavailable")]
)
async def test_errors_take_the_place_of_answers(
    client: Client, server: ApiServer, status: int, reason: str
) -> None:
    """The status with a Status object, and Retry-After where asked; nothing is written."""
    server.faults.add(InjectedFault(FaultKind.ERROR, status=status, seconds=2))
    reply = await client.request("POST", PATH, {"metadata": {"name": "c"}})
    assert (reply.status, reply.body["reason"], reply.headers["Retry-After"]) == (status, reason, "2")
    assert server.store.find(CONFIGMAPS, "default", "c") is None


async def test_a_proxy_answers_in_html(client: Client, server: ApiServer) -> None:
    """503 with a body other than JSON."""
    server.faults.add(InjectedFault(FaultKind.ERROR, status=503, html=True))
    reply = await client.get(PATH)
    assert reply.status == 503
    assert reply.headers["Content-Type"].startswith("text/html")


async def test_a_rule_concerns_only_what_it_names(client: Client, server: ApiServer) -> None:
    """Verb, path and user agent must all fit."""
    server.faults.add(InjectedFault(FaultKind.ERROR, frozenset({"list"}), "configmaps", "^bad"))
    bad = {"User-Agent": "bad/1"}
    assert (await client.request("GET", PATH, headers=bad)).status == 500
    assert (await client.get(PATH)).status == 200
    assert (await client.request("GET", "/api/v1/pods", headers=bad)).status == 200
    assert (await client.request("POST", PATH, {"metadata": {"name": "c"}}, headers=bad)).status == 201


async def test_a_rule_strikes_so_often_and_after_so_many(client: Client, server: ApiServer) -> None:
    """`skip` requests pass, then `count` are struck, then every request passes."""
    server.faults.add(InjectedFault(FaultKind.ERROR, skip=1, count=2))
    assert [(await client.get(PATH)).status for _ in range(4)] == [200, 500, 500, 200]


def test_chance_repeats_with_its_seed() -> None:
    """The same generator strikes the same requests, some and not all."""

    def struck() -> list[int]:
        faults = Faults(Random(5))
        faults.add(InjectedFault(FaultKind.ERROR, probability=0.5))
        return [len(faults.striking("get", "/", "")) for _ in range(50)]

    assert struck() == struck()
    assert 0 < sum(struck()) < 50


async def test_a_dropped_connection_cuts_the_answer(client: Client, server: ApiServer, store: Store) -> None:
    """The client sees the beginning of an answer and then the end of the connection."""
    put(store, a="x" * 5000)
    server.faults.add(InjectedFault(FaultKind.DROP))
    with pytest.raises(aiohttp.ClientError):
        await client.get(f"{PATH}/c")


async def test_a_hanging_request_is_never_answered(client: Client, server: ApiServer) -> None:
    """Ten minutes are not enough."""
    server.faults.add(InjectedFault(FaultKind.HANG))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(600):
            await client.get(PATH)


async def test_a_half_open_watch_is_silent(client: Client, server: ApiServer, store: Store) -> None:
    """It opens and delivers nothing."""
    server.faults.add(InjectedFault(FaultKind.HANG, frozenset({"watch"})))
    assert await lines(client, store) == []


async def test_a_watch_can_be_cut_off(client: Client, server: ApiServer, store: Store) -> None:
    """The connection breaks at the next event instead of ending properly."""
    server.faults.add(InjectedFault(FaultKind.DROP, frozenset({"watch"})))
    with pytest.raises(aiohttp.ClientError):
        await lines(client, store)


async def test_a_watch_can_be_told_that_it_is_gone(client: Client, server: ApiServer, store: Store) -> None:
    """An ERROR event with 410, then the end."""
    server.faults.add(InjectedFault(FaultKind.GONE, frozenset({"watch"})))
    (line,) = await lines(client, store)
    assert json.loads(line)["object"]["code"] == 410


async def test_a_watch_can_be_cut_in_the_middle_of_a_line(
    client: Client, server: ApiServer, store: Store
) -> None:
    """The last line is not JSON."""
    server.faults.add(InjectedFault(FaultKind.GARBAGE, frozenset({"watch"})))
    received = await lines(client, store)
    with pytest.raises(ValueError):
        json.loads(received[-1])


async def test_events_can_come_twice(client: Client, server: ApiServer, store: Store) -> None:
    """Each event is delivered two times."""
    server.faults.add(InjectedFault(FaultKind.DUPLICATE, frozenset({"watch"})))
    assert names(await lines(client, store)) == ["c0", "c0", "c1", "c1"]


async def test_events_can_come_in_another_order(client: Client, server: ApiServer, store: Store) -> None:
    """The events of one batch are delivered backwards."""
    server.faults.add(InjectedFault(FaultKind.REORDER, frozenset({"watch"})))
    assert names(await lines(client, store)) == ["c1", "c0"]


async def test_reads_can_be_stale(client: Client, server: ApiServer, store: Store) -> None:
    """Get and list answer what was so some changes ago; without the fault, what is."""
    for value in ("1", "2", "3"):
        put(store, a=value)
    fault = server.faults.add(InjectedFault(FaultKind.STALE, revisions=1))

    async def seen() -> list[Any]:
        listed = (await client.get(PATH)).body["items"]
        return [(await client.get(f"{PATH}/c")).body["data"]["a"], listed[0]["data"]["a"]]

    assert await seen() == ["2", "2"]
    server.faults.remove(fault)
    assert await seen() == ["3", "3"]

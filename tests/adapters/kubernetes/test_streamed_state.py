"""The state as the beginning of a watch, and in pages where a server does not stream it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import orjson
import pytest
from aiohttp import web

from clustersim.cluster import SimulatedCluster
from clustersim.faults import FaultKind, InjectedFault
from clustersim.storage.resources import DEPLOYMENTS as STORED
from sentinel.adapters.kubernetes.api.client import ApiClient
from sentinel.adapters.kubernetes.watch.timing import WatchTiming
from tests.adapters.kubernetes.test_reflector import LIST, WATCH, compact, drop_watches, mirroring, odd_server
from tests.adapters.kubernetes.worlds import until

pytestmark = pytest.mark.sockets
STREAMED = WatchTiming()
LINE = orjson.dumps(
    {"type": "ADDED", "object": {"metadata": {"name": "web", "namespace": "default", "resourceVersion": "3"}}}
)
PAGE = {
    "metadata": {"resourceVersion": "5"},
    "items": [{"metadata": {"name": "web", "namespace": "default"}}],
}


def counted(cluster: SimulatedCluster, verbs: frozenset[str]) -> InjectedFault:
    """Counts the requests about Deployments, and does them no harm."""
    return cluster.faults.add(InjectedFault(FaultKind.LATENCY, verbs=verbs, path="deployments"))


async def test_a_server_that_streams_its_state_is_asked_for_no_list(
    cluster: SimulatedCluster, client: ApiClient
) -> None:
    """State and changes come by one and the same watch."""
    cluster.deploy("web", "app:v1", 0)
    lists, watches = counted(cluster, LIST), counted(cluster, WATCH)
    async with mirroring(client, STREAMED) as mirror:
        assert mirror.image() == "app:v1"
        cluster.set_image("web", "app:v2")
        await until(lambda: mirror.image() == "app:v2")
        cluster.store.delete(STORED, "default", "web")
        await until(lambda: not mirror.reflector.entries)
    assert (lists.struck, watches.struck) == (0, 1)


async def test_a_server_that_refuses_is_asked_for_pages_at_once(
    cluster: SimulatedCluster, client: ApiClient
) -> None:
    """One refusal is enough: from then on there are lists and watches as ever."""
    cluster.api.streams_state = False
    cluster.deploy("web", "app:v1", 0)
    lists, watches = counted(cluster, LIST), counted(cluster, WATCH)
    began = asyncio.get_running_loop().time()
    async with mirroring(client, STREAMED) as mirror:
        assert asyncio.get_running_loop().time() - began < 1
        assert mirror.image() == "app:v1"
        cluster.set_image("web", "app:v2")
        await until(lambda: mirror.image() == "app:v2")
    assert (lists.struck, watches.struck) == (1, 2)


async def test_what_went_meanwhile_is_announced_at_the_end_of_the_state(
    cluster: SimulatedCluster, client: ApiClient
) -> None:
    """After an outage the state is streamed anew, and what is not in it is gone."""
    cluster.deploy("web", "app:v1", 0)
    cluster.deploy("other", "app:v1", 0)
    async with mirroring(client, STREAMED) as mirror:
        cluster.faults.add(InjectedFault(FaultKind.ERROR, verbs=WATCH | LIST, status=503))
        await drop_watches(cluster, client)
        cluster.store.delete(STORED, "default", "web")
        await compact(cluster)
        cluster.faults.clear()
        lists = counted(cluster, LIST)
        await until(lambda: ("gone", "web") in mirror.told)
        assert ("gone", "other") not in mirror.told
        assert lists.struck == 0


async def test_a_server_that_is_busy_is_asked_for_a_stream_again(
    cluster: SimulatedCluster, client: ApiClient
) -> None:
    """An error before the stream began says nothing of streams."""
    lists = counted(cluster, LIST)
    cluster.faults.add(InjectedFault(FaultKind.ERROR, verbs=WATCH, path="deployments", status=503, count=1))
    async with mirroring(client, STREAMED):
        assert lists.struck == 0


Sender = Callable[[web.StreamResponse], Awaitable[None]]


@asynccontextmanager
async def unended(send: Sender) -> AsyncIterator[ApiClient]:
    """A server whose streams of a state do not come to the state's end; its lists are good."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            return web.json_response(PAGE)
        response = web.StreamResponse()
        await response.prepare(request)
        if "sendInitialEvents" in request.query:
            await response.write(LINE + b"\n")
            await send(response)
        else:
            await asyncio.sleep(600)
        return response

    async with odd_server(answer) as client:
        yield client


async def cut(response: web.StreamResponse) -> None:
    """End it, as if that were all."""


async def fall_silent(response: web.StreamResponse) -> None:
    """Say nothing more, as a server does that knows nothing of such an end."""
    await asyncio.sleep(600)


async def talk_nonsense(response: web.StreamResponse) -> None:
    """Send what is no event."""
    await response.write(b"<html>\n")


@pytest.mark.parametrize("send", [cut, fall_silent, talk_nonsense])
async def test_a_state_without_an_end_is_read_in_pages(send: Sender) -> None:
    """Half a state never counts as the whole."""
    async with unended(send) as client, mirroring(client, STREAMED) as mirror:
        assert list(mirror.reflector.entries) == [("default", "web")]

"""List and watch through everything that goes wrong with them."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from aiohttp import web

from clustersim.api.access import User
from clustersim.cluster import SimulatedCluster
from clustersim.faults import FaultKind, InjectedFault
from clustersim.storage.resources import CRDS
from clustersim.storage.resources import DEPLOYMENTS as STORED
from sentinel.adapters.kubernetes.api.client import ApiClient, RequestTarget
from sentinel.adapters.kubernetes.api.raw import ObjectKey
from sentinel.adapters.kubernetes.api.resources import DEPLOYMENTS, NODES, RECORDS
from sentinel.adapters.kubernetes.watch.intake import Ahead
from sentinel.adapters.kubernetes.watch.reflector import Reflector
from sentinel.adapters.kubernetes.watch.timing import WatchTiming
from sentinel.adapters.kubernetes.workloads.kinds.deployment import trim_deployment
from sentinel.adapters.kubernetes.workloads.trim import NodeEntry, WorkloadEntry, trim_node
from sentinel.domain.errors import ForbiddenError
from sentinel.ports import SystemClock
from tests.adapters.kubernetes.worlds import access_to, definition, until

pytestmark = pytest.mark.sockets
WATCH = frozenset({"watch"})
LIST = frozenset({"list"})
PAGED = WatchTiming(streams=False)


class Mirror:
    """A reflector of Deployments at work, and what its handler was told."""

    def __init__(
        self, client: ApiClient, timing: WatchTiming | None = None, ahead: Ahead | None = None
    ) -> None:
        self.told: list[tuple[str, str]] = []
        self.reflector: Reflector[WorkloadEntry] = Reflector(
            client,
            RequestTarget(DEPLOYMENTS),
            trim_deployment,
            self._changed,
            clock=SystemClock(),
            rng=random.Random(1),
            timing=timing or PAGED,
            ahead=ahead,
        )

    def _changed(self, key: ObjectKey, before: WorkloadEntry | None, after: WorkloadEntry | None) -> None:
        assert before != after, "told though nothing changed"
        self.told.append(("new" if before is None else "gone" if after is None else "other", key[1]))

    def image(self, name: str = "web") -> str:
        entry = self.reflector.entries.get(("default", name))
        return entry.template.images[0] if entry else ""


@asynccontextmanager
async def mirroring(
    client: ApiClient, timing: WatchTiming | None = None, ahead: Ahead | None = None
) -> AsyncIterator[Mirror]:
    """A reflector that has synced."""
    mirror = Mirror(client, timing, ahead)
    task = asyncio.create_task(mirror.reflector.run())
    try:
        async with asyncio.timeout(120):
            await mirror.reflector.wait_synced()
        yield mirror
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_every_page_of_a_list_is_taken(cluster: SimulatedCluster, client: ApiClient) -> None:
    """A list of several pages is complete."""
    for number in range(7):
        cluster.deploy(f"app-{number}", "app:v1", 0)
    async with mirroring(client, WatchTiming(page=3, streams=False)) as mirror:
        assert sorted(name for _, name in mirror.reflector.entries) == [f"app-{n}" for n in range(7)]


async def test_others_run_while_a_page_is_read(cluster: SimulatedCluster, client: ApiClient) -> None:
    """Within a page of a hundred objects the loop is given to others."""
    for number in range(100):
        cluster.deploy(f"app-{number}", "app:v1", 0)
    mirror = Mirror(client)
    task = asyncio.create_task(mirror.reflector.run())
    seen: set[int] = set()
    while not mirror.reflector.synced:
        seen.add(len(mirror.reflector.entries))
        await asyncio.sleep(0)
    assert seen & set(range(1, 100))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_burst_of_what_may_wait_is_whole_though_its_stream_breaks(
    cluster: SimulatedCluster, client: ApiClient
) -> None:
    """What waits when a watch ends is taken in before the next one goes on from there."""
    for number in range(60):
        cluster.deploy(f"app-{number}", "app:v1", 0)
    async with mirroring(client, ahead=lambda _controller: False) as mirror:
        for number in range(0, 60, 2):
            cluster.set_image(f"app-{number}", "app:v2")
            cluster.store.delete(STORED, "default", f"app-{number + 1}")
        await drop_watches(cluster, client)
        wanted = {f"app-{number}" for number in range(0, 60, 2)}
        await until(lambda: {name for _, name in mirror.reflector.entries} == wanted)
        await until(lambda: {mirror.image(name) for name in wanted} == {"app:v2"})
        cluster.set_image("app-0", "app:v3")
        await until(lambda: mirror.image("app-0") == "app:v3")


async def test_changes_are_followed(cluster: SimulatedCluster, client: ApiClient) -> None:
    """What is made, changed and deleted after the list arrives by the watch."""
    async with mirroring(client) as mirror:
        cluster.deploy("web", "app:v1", 0)
        await until(lambda: mirror.image() == "app:v1")
        cluster.set_image("web", "app:v2")
        await until(lambda: mirror.image() == "app:v2")
        cluster.store.delete(STORED, "default", "web")
        await until(lambda: not mirror.reflector.entries)
        assert mirror.told[0] == ("new", "web")
        assert mirror.told[-1] == ("gone", "web")


async def test_an_expired_watch_is_listed_anew(cluster: SimulatedCluster, client: ApiClient) -> None:
    """A watch that gets a 410 event begins anew with a list, and misses nothing."""
    cluster.deploy("web", "app:v1", 0)
    cluster.faults.add(InjectedFault(FaultKind.GONE, verbs=WATCH, path="deployments", count=1))
    async with mirroring(client) as mirror:
        cluster.set_image("web", "app:v2")
        await until(lambda: mirror.image() == "app:v2")


async def test_a_refused_version_is_listed_anew(cluster: SimulatedCluster, client: ApiClient) -> None:
    """A 410 as the answer to the watch itself leads to a new list as well."""
    cluster.deploy("web", "app:v1", 0)
    async with mirroring(client, WatchTiming(silence=5, streams=False)) as mirror:
        lists = cluster.faults.add(InjectedFault(FaultKind.LATENCY, verbs=LIST, path="deployments"))
        cluster.faults.add(
            InjectedFault(FaultKind.ERROR, verbs=WATCH, path="deployments", status=410, count=1)
        )
        await until(lambda: lists.struck == 1)
        cluster.set_image("web", "app:v2")
        await until(lambda: mirror.image() == "app:v2")


async def test_a_server_that_comes_back_having_forgotten_is_listed_at_once(
    cluster: SimulatedCluster, client: ApiClient
) -> None:
    """After an outage the versions from before it are too old; that alone is no reason to wait any longer."""
    cluster.deploy("web", "app:v1", 0)
    async with mirroring(client) as mirror:
        cluster.faults.add(InjectedFault(FaultKind.ERROR, verbs=WATCH | LIST, status=503))
        await drop_watches(cluster, client)
        await asyncio.sleep(60)
        cluster.set_image("web", "app:v2")
        cluster.faults.clear()
        refused = cluster.faults.add(InjectedFault(FaultKind.ERROR, verbs=WATCH, status=410, count=1))
        await until(lambda: refused.struck == 1)
        await until(lambda: mirror.image() == "app:v2", seconds=1)


async def test_what_went_while_nobody_watched_is_announced(
    cluster: SimulatedCluster, client: ApiClient
) -> None:
    """An object deleted while the watch was down is announced as gone after the next list."""
    cluster.deploy("web", "app:v1", 0)
    cluster.deploy("other", "app:v1", 0)
    async with mirroring(client) as mirror:
        cluster.faults.add(InjectedFault(FaultKind.ERROR, verbs=WATCH | LIST, status=503))
        await drop_watches(cluster, client)
        cluster.store.delete(STORED, "default", "web")
        await compact(cluster)
        cluster.faults.clear()
        await until(lambda: ("gone", "web") in mirror.told)
        assert ("gone", "other") not in mirror.told


async def drop_watches(cluster: SimulatedCluster, client: ApiClient) -> None:
    """Restart the server's listening end: every open connection breaks."""
    port = int(cluster.url.rsplit(":", 1)[1])
    await cluster.api._runner.cleanup()  # type: ignore[union-attr]
    cluster.api._runner = None
    await cluster.api.start(port)


async def compact(cluster: SimulatedCluster) -> None:
    """Make so many changes that older versions are forgotten."""
    for number in range(cluster.options.history + 10):
        cluster.change("other", lambda obj, n=number: obj["metadata"].update(labels={"n": str(n)}))  # type: ignore[misc]


async def test_a_dropped_connection_is_resumed(cluster: SimulatedCluster, client: ApiClient) -> None:
    """A watch whose connection breaks goes on from where it was, without a new list."""
    cluster.deploy("web", "app:v1", 0)
    async with mirroring(client) as mirror:
        lists = cluster.faults.add(InjectedFault(FaultKind.LATENCY, verbs=LIST, path="deployments"))
        await drop_watches(cluster, client)
        cluster.set_image("web", "app:v2")
        await until(lambda: mirror.image() == "app:v2")
        assert lists.struck == 0


async def test_a_half_open_watch_is_found(cluster: SimulatedCluster, client: ApiClient) -> None:
    """A watch on which nothing ever comes is given up after the silence that is allowed, and made anew."""
    cluster.deploy("web", "app:v1", 0)
    cluster.faults.add(InjectedFault(FaultKind.HANG, verbs=WATCH, path="deployments", count=1))
    async with mirroring(client, WatchTiming(silence=20, streams=False)) as mirror:
        loop = asyncio.get_running_loop()
        began = loop.time()
        cluster.set_image("web", "app:v2")
        await until(lambda: mirror.image() == "app:v2")
        assert 15 < loop.time() - began < 30


async def test_garbage_leads_to_a_new_list(cluster: SimulatedCluster, client: ApiClient) -> None:
    """A line that is no JSON makes the copy anew."""
    cluster.deploy("web", "app:v1", 0)
    cluster.faults.add(InjectedFault(FaultKind.GARBAGE, verbs=WATCH, path="deployments", count=1))
    async with mirroring(client) as mirror:
        cluster.set_image("web", "app:v2")
        await until(lambda: mirror.image() == "app:v2")


async def test_an_html_error_page_is_survived(cluster: SimulatedCluster, client: ApiClient) -> None:
    """A proxy's HTML error to list and watch is waited out."""
    cluster.deploy("web", "app:v1", 0)
    cluster.faults.add(
        InjectedFault(FaultKind.ERROR, verbs=LIST | WATCH, path="deployments", status=502, html=True, count=4)
    )
    async with mirroring(client) as mirror:
        assert mirror.image() == "app:v1"
        cluster.set_image("web", "app:v2")
        await until(lambda: mirror.image() == "app:v2")


async def test_doubled_events_are_told_once(cluster: SimulatedCluster, client: ApiClient) -> None:
    """An event that comes twice is told to the handler once."""
    cluster.faults.add(InjectedFault(FaultKind.DUPLICATE, verbs=WATCH, path="deployments"))
    async with mirroring(client) as mirror:
        lists = cluster.faults.add(InjectedFault(FaultKind.LATENCY, verbs=LIST, path="deployments"))
        cluster.deploy("web", "app:v1", 0)
        await until(lambda: mirror.image() == "app:v1")
        await asyncio.sleep(5)
        assert mirror.told.count(("new", "web")) == 1
        assert lists.struck == 0, "the handler complained of an event without a change"


async def test_a_list_that_expires_between_pages_begins_anew(
    cluster: SimulatedCluster, client: ApiClient
) -> None:
    """A continue token that is too old starts the list over, with larger pages."""
    for number in range(9):
        cluster.deploy(f"app-{number}", "app:v1", 0)
    pages = cluster.faults.add(InjectedFault(FaultKind.LATENCY, verbs=LIST, path="deployments"))
    gone = cluster.faults.add(
        InjectedFault(FaultKind.ERROR, verbs=LIST, path="deployments", status=410, count=1, skip=1)
    )
    async with mirroring(client, WatchTiming(page=3, streams=False)) as mirror:
        assert gone.struck == 1
        assert len(mirror.reflector.entries) == 9
        assert pages.struck == 4  # two of three objects, then two of up to six


async def test_retry_after_is_kept_to(cluster: SimulatedCluster, client: ApiClient) -> None:
    """A server that asks for patience is not asked again before."""
    cluster.deploy("web", "app:v1", 0)
    busy = InjectedFault(FaultKind.ERROR, verbs=LIST, path="deployments", status=429, seconds=17, count=1)
    cluster.faults.add(busy)
    began = asyncio.get_running_loop().time()
    async with mirroring(client) as mirror:
        assert mirror.image() == "app:v1"
        assert 17 <= asyncio.get_running_loop().time() - began < 20


async def test_back_off_grows_and_is_reset(cluster: SimulatedCluster, client: ApiClient) -> None:
    """A failing server is asked ever less often; after a healthy stretch a retry comes at once again."""
    down = cluster.faults.add(InjectedFault(FaultKind.ERROR, verbs=LIST, path="deployments", status=500))
    task_mirror = Mirror(client)
    task = asyncio.create_task(task_mirror.reflector.run())
    await asyncio.sleep(300)
    assert 25 < down.struck < 60
    cluster.faults.clear()
    await until(lambda: task_mirror.reflector.synced)
    await asyncio.sleep(60)
    await drop_watches(cluster, client)
    cluster.deploy("web", "app:v1", 0)
    await until(lambda: task_mirror.image() == "app:v1", seconds=2)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_watches_end_and_go_on(cluster: SimulatedCluster, client: ApiClient) -> None:
    """Over an hour of watches that end by themselves nothing is lost and nothing listed anew."""
    async with mirroring(client) as mirror:
        lists = cluster.faults.add(InjectedFault(FaultKind.LATENCY, verbs=LIST, path="deployments"))
        watches = cluster.faults.add(InjectedFault(FaultKind.LATENCY, verbs=WATCH, path="deployments"))
        cluster.deploy("other", "app:v1", 0)
        for _ in range(4):
            await asyncio.sleep(900)
            await compact(cluster)
        cluster.deploy("web", "app:v1", 0)
        await until(lambda: mirror.image() == "app:v1")
        assert lists.struck == 0
        assert 8 <= watches.struck <= 16


async def test_the_age_tells_of_silence(cluster: SimulatedCluster, client: ApiClient) -> None:
    """The age of a healthy watch stays under its bookmarks' interval; one that cannot go on grows old."""
    async with mirroring(client) as mirror:
        await asyncio.sleep(600)
        age = mirror.reflector.age
        assert age is not None
        assert age <= 61
        cluster.faults.add(InjectedFault(FaultKind.ERROR, verbs=WATCH | LIST, status=503))
        await drop_watches(cluster, client)
        await asyncio.sleep(600)
        age = mirror.reflector.age
        assert age is not None
        assert age > 500
        assert mirror.reflector.problem is not None


def optional_nodes(client: ApiClient, timing: WatchTiming | None = None) -> Reflector[NodeEntry]:
    """A watch of nodes, which the daemon does without where it may not read them."""
    return Reflector(
        client,
        RequestTarget(NODES),
        trim_node,
        lambda key, before, after: None,
        clock=SystemClock(),
        rng=random.Random(1),
        optional=True,
        timing=timing,
    )


async def test_an_optional_resource_may_be_refused(cluster: SimulatedCluster) -> None:
    """Nodes that we may not list count as synced, and are taken up once we may."""
    cluster.api.tokens.add("sentinel", User("sentinel", ("system:authenticated",)))
    async with ApiClient(access_to(cluster.url, "sentinel")) as client:
        reflector = optional_nodes(client)
        task = asyncio.create_task(reflector.run())
        await until(lambda: reflector.synced)
        assert reflector.entries == {}
        assert reflector.age is None
        assert reflector.problem is None
        cluster.api.tokens.add("sentinel", User("sentinel", ("system:masters",)))
        await until(lambda: len(reflector.entries) == 3, seconds=400)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("status", [403, 404])
async def test_an_api_server_that_knows_no_role_yet_does_not_set_a_resource_aside(
    cluster: SimulatedCluster, client: ApiClient, status: int
) -> None:
    """It has just started. What was read before is asked for again in seconds, and what is refused for good later."""
    reflector = optional_nodes(client, timing=PAGED)
    task = asyncio.create_task(reflector.run())
    await until(lambda: len(reflector.entries) == 3)
    await asyncio.sleep(20)
    cluster.faults.add(
        InjectedFault(FaultKind.ERROR, verbs=WATCH | LIST, path="nodes", status=status, count=4)
    )
    await drop_watches(cluster, client)
    await until(lambda: reflector.problem is not None)
    await until(lambda: reflector.problem is None, seconds=10)
    assert not reflector.refused
    assert len(reflector.entries) == 3
    cluster.faults.add(InjectedFault(FaultKind.ERROR, verbs=WATCH | LIST, path="nodes", status=status))
    await asyncio.sleep(20)
    await drop_watches(cluster, client)
    await until(lambda: bool(reflector.refused), seconds=60)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_needed_resource_that_is_refused_is_a_problem(cluster: SimulatedCluster) -> None:
    """Deployments that we may not list are never synced, and the verb is named."""
    cluster.api.tokens.add("sentinel", User("sentinel", ("system:authenticated",)))
    async with ApiClient(access_to(cluster.url, "sentinel")) as client:
        mirror = Mirror(client)
        task = asyncio.create_task(mirror.reflector.run())
        await until(lambda: mirror.reflector.problem is not None)
        assert isinstance(mirror.reflector.problem, ForbiddenError)
        assert "'list' on deployments.apps" in str(mirror.reflector.problem)
        assert not mirror.reflector.synced
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_an_object_that_cannot_be_read_is_left_out(
    cluster: SimulatedCluster, client: ApiClient
) -> None:
    """One object that our reading does not understand does not hide the others."""

    def choosy(raw: Any) -> WorkloadEntry:
        if raw["metadata"]["name"] == "odd":
            raise ValueError("odd")
        return trim_deployment(raw)

    cluster.deploy("odd", "app:v1", 0)
    cluster.deploy("web", "app:v1", 0)
    reflector: Reflector[WorkloadEntry] = Reflector(
        client,
        RequestTarget(DEPLOYMENTS),
        choosy,
        lambda key, before, after: None,
        clock=SystemClock(),
        rng=random.Random(1),
    )
    task = asyncio.create_task(reflector.run())
    await until(lambda: reflector.synced)
    assert list(reflector.entries) == [("default", "web")]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_handler_that_fails_does_not_end_the_watch(
    cluster: SimulatedCluster, client: ApiClient
) -> None:
    """A defect in a handler is told and survived: later events still arrive."""
    failing = [RuntimeError("a defect")]
    arrived: list[str] = []

    def handler(key: ObjectKey, before: WorkloadEntry | None, after: WorkloadEntry | None) -> None:
        if failing:
            raise failing.pop()
        arrived.append(key[1])

    reflector: Reflector[WorkloadEntry] = Reflector(
        client,
        RequestTarget(DEPLOYMENTS),
        trim_deployment,
        handler,
        clock=SystemClock(),
        rng=random.Random(1),
    )
    task = asyncio.create_task(reflector.run())
    cluster.deploy("web", "app:v1", 0)
    await until(lambda: not failing)
    cluster.deploy("next", "app:v1", 0)
    await until(lambda: "next" in arrived)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


Answerer = Callable[[web.Request], Any]


@asynccontextmanager
async def odd_server(answer: Answerer) -> AsyncIterator[ApiClient]:
    """A server that answers lists and watches as no API server should."""
    app = web.Application(client_max_size=1 << 26)
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    async with ApiClient(access_to(f"http://127.0.0.1:{runner.addresses[0][1]}")) as client:
        yield client
    await runner.cleanup()


async def test_a_stream_that_is_empty_is_not_asked_for_all_the_time() -> None:
    """A server that ends every watch at once, with success, is asked again with growing pauses."""
    watches = 0

    async def answer(request: web.Request) -> web.Response:
        nonlocal watches
        if "watch" in request.query:
            watches += 1
            return web.Response(body=b"", content_type="application/json")
        return web.json_response({"metadata": {"resourceVersion": "5"}, "items": []})

    async with odd_server(answer) as client, mirroring(client):
        await asyncio.sleep(300)
        assert 5 < watches < 60


async def test_a_line_larger_than_any_buffer_is_read() -> None:
    """An event of several MiB arrives whole."""
    raw = {
        "metadata": {"name": "web", "namespace": "default", "resourceVersion": "6", "uid": "u"},
        "spec": {"template": {"spec": {"containers": [{"image": "app:v1", "args": ["x" * (5 << 20)]}]}}},
    }
    line = orjson.dumps({"type": "ADDED", "object": raw}) + b"\n"

    async def answer(request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            return web.json_response({"metadata": {"resourceVersion": "5"}, "items": []})
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(line)
        await asyncio.sleep(60)
        return response

    async with odd_server(answer) as client, mirroring(client) as mirror:
        await until(lambda: mirror.image() == "app:v1")


async def test_a_list_of_the_metadata_of_nothing_is_empty() -> None:
    """Kubernetes answers null there, as for the Secrets of a namespace without any."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            return web.Response(body=b'{"metadata": {"resourceVersion": "5"}, "items": null}')
        response = web.StreamResponse()
        await response.prepare(request)
        await asyncio.sleep(60)
        return response

    async with odd_server(answer) as client, mirroring(client) as mirror:
        assert mirror.reflector.entries == {}


@pytest.mark.parametrize("body", [b"<html>welcome</html>", b"[]", b'{"metadata": {}}', b""])
async def test_a_list_that_is_none_is_no_empty_cluster(body: bytes) -> None:
    """An answer with success that is no list never counts as a list."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=body)

    async with odd_server(answer) as client:
        mirror = Mirror(client)
        task = asyncio.create_task(mirror.reflector.run())
        await asyncio.sleep(60)
        assert not mirror.reflector.synced
        assert mirror.reflector.problem is not None
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_resource_that_comes_later_is_taken_up(cluster: SimulatedCluster) -> None:
    """A custom resource whose definition is installed while we run is watched without a restart."""
    async with ApiClient(access_to(cluster.url)) as client:
        reflector: Reflector[str] = Reflector(
            client,
            RequestTarget(RECORDS),
            lambda raw: str(raw["metadata"]["name"]),
            lambda key, before, after: None,
            clock=SystemClock(),
            rng=random.Random(1),
        )
        task = asyncio.create_task(reflector.run())
        await until(lambda: reflector.problem is not None)
        assert not reflector.synced
        cluster.store.create(CRDS, definition())
        await until(lambda: reflector.synced)
        assert reflector.problem is None
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

"""Requests and what their failures are called."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from clustersim.api.access import User
from clustersim.cluster import SimulatedCluster
from clustersim.faults import FaultKind, InjectedFault
from sentinel.adapters.kubernetes.api.access import Access, Credentials
from sentinel.adapters.kubernetes.api.client import ApiClient, RequestTarget
from sentinel.adapters.kubernetes.api.resources import DEPLOYMENTS, PODS, RECORDS, ApiResource
from sentinel.domain.errors import (
    ClusterError,
    ClusterUnavailableError,
    ConflictError,
    ForbiddenError,
    InvalidObjectError,
    NotFoundError,
    PreconditionError,
)
from sentinel.ports import SystemClock
from tests.adapters.kubernetes.worlds import access_to

WEB = RequestTarget(DEPLOYMENTS, "default", "web")


async def test_a_missing_object_is_told_from_a_missing_resource(client: ApiClient) -> None:
    """404 of an object and 404 of its whole resource have different reasons."""
    with pytest.raises(NotFoundError) as caught:
        await client.get(WEB)
    assert caught.value.reason == "NotFound"
    with pytest.raises(NotFoundError, match="does not serve") as caught:
        await client.get(RequestTarget(ApiResource("example.dev", "v1", "things"), "default", "x"))
    assert caught.value.reason == "ResourceNotFound"


async def test_a_name_that_is_taken_is_a_conflict(cluster: SimulatedCluster, client: ApiClient) -> None:
    """Creating what exists raises ConflictError."""
    cluster.deploy("web", "app:v1", 0)
    manifest = {"metadata": {"name": "web"}, "spec": cluster.deployment("web")["spec"]}
    with pytest.raises(ConflictError) as caught:
        await client.create(RequestTarget(DEPLOYMENTS, "default"), manifest)
    assert caught.value.reason == "AlreadyExists"


async def test_an_old_version_is_a_conflict(cluster: SimulatedCluster, client: ApiClient) -> None:
    """Writing over an older resourceVersion raises ConflictError."""
    cluster.deploy("web", "app:v1", 0)
    with pytest.raises(ConflictError) as caught:
        await client.merge_patch(WEB, {"metadata": {"resourceVersion": "1"}, "spec": {"replicas": 2}})
    assert caught.value.reason == "Conflict"
    assert cluster.deployment("web")["spec"]["replicas"] == 0


async def test_a_test_that_fails_is_a_precondition(cluster: SimulatedCluster, client: ApiClient) -> None:
    """A JSON patch whose test does not hold raises PreconditionError and writes nothing."""
    cluster.deploy("web", "app:v1", 0)
    patch = [
        {"op": "test", "path": "/spec/replicas", "value": 7},
        {"op": "replace", "path": "/spec/replicas", "value": 3},
    ]
    with pytest.raises(PreconditionError):
        await client.json_patch(WEB, patch)
    assert cluster.deployment("web")["spec"]["replicas"] == 0


async def test_what_is_invalid_is_no_precondition(cluster: SimulatedCluster, client: ApiClient) -> None:
    """A patch that makes an invalid object raises InvalidObjectError with the server's words."""
    cluster.deploy("web", "app:v1", 0)
    with pytest.raises(InvalidObjectError, match=r"spec\.replicas"):
        await client.json_patch(WEB, [{"op": "replace", "path": "/spec/replicas", "value": -1}])


async def test_a_lacking_verb_is_named(cluster: SimulatedCluster) -> None:
    """403 names the verb and the resource that our account lacks."""
    cluster.api.tokens.add("sentinel", User("sentinel"))
    async with ApiClient(access_to(cluster.url, "sentinel")) as client:
        with pytest.raises(ForbiddenError, match=r"lacks the verb 'patch' on deployments\.apps"):
            await client.json_patch(WEB, [])
        with pytest.raises(ForbiddenError, match="lacks the verb 'list' on pods"):
            await client.request("GET", RequestTarget(PODS))


async def test_unknown_credentials_are_refused_by_name(cluster: SimulatedCluster) -> None:
    """401 says that our credentials are not accepted."""
    async with ApiClient(access_to(cluster.url, "nobody")) as client:
        with pytest.raises(ForbiddenError, match="does not accept our credentials") as caught:
            await client.get(WEB)
    assert caught.value.status == 401


async def test_a_refused_token_is_fetched_anew(cluster: SimulatedCluster) -> None:
    """A token that was replaced since is read again at the first 401, and the request succeeds."""
    tokens = iter(["old", "new"])

    async def fetch() -> str | None:
        return f"Bearer {next(tokens)}"

    cluster.api.tokens.add("new", User("sentinel", ("system:masters",)))
    cluster.deploy("web", "app:v1", 0)
    async with ApiClient(Access(cluster.url, Credentials(fetch, SystemClock()), "a test")) as client:
        assert (await client.get(WEB))["metadata"]["name"] == "web"


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_an_overloaded_server_is_unavailable(
    cluster: SimulatedCluster, client: ApiClient, status: int
) -> None:
    """429 and 5xx can be tried again, after the time that the server asks for."""
    cluster.faults.add(InjectedFault(FaultKind.ERROR, status=status, seconds=7))
    with pytest.raises(ClusterUnavailableError) as caught:
        await client.get(WEB)
    assert caught.value.retryable
    assert caught.value.retry_after == 7.0
    assert caught.value.status == status


async def test_an_html_page_is_said_to_be_one(cluster: SimulatedCluster, client: ApiClient) -> None:
    """A proxy's error page is named as no answer of the API server, and quoted without its tags."""
    cluster.faults.add(InjectedFault(FaultKind.ERROR, status=502, html=True))
    with pytest.raises(ClusterUnavailableError, match="HTTP 502, and not by the API server: 503 Service"):
        await client.get(WEB)


async def test_an_expired_version_keeps_its_status(cluster: SimulatedCluster, client: ApiClient) -> None:
    """410 is told by its status."""
    cluster.faults.add(InjectedFault(FaultKind.ERROR, status=410))
    with pytest.raises(ClusterError) as caught:
        await client.request("GET", RequestTarget(PODS))
    assert (caught.value.status, caught.value.reason) == (410, "Expired")


async def test_a_server_that_hangs_is_given_up_on(cluster: SimulatedCluster, client: ApiClient) -> None:
    """Every request ends after its timeout."""
    cluster.faults.add(InjectedFault(FaultKind.HANG))
    began = asyncio.get_running_loop().time()
    with pytest.raises(ClusterUnavailableError, match="did not answer within 4 s") as caught:
        await client.get(WEB, timeout=4)
    assert caught.value.reason == "Timeout"
    assert asyncio.get_running_loop().time() - began == pytest.approx(4, abs=0.1)


async def test_an_answer_cut_in_half_is_unavailable(cluster: SimulatedCluster, client: ApiClient) -> None:
    """A connection that breaks within the answer can be tried again."""
    cluster.deploy("web", "app:v1", 0)
    cluster.faults.add(InjectedFault(FaultKind.DROP))
    with pytest.raises(ClusterUnavailableError) as caught:
        await client.get(WEB)
    assert caught.value.reason == "ConnectionLost"


async def test_a_server_that_is_not_there_is_said(unused_tcp_port: int) -> None:
    """A refused connection names the address and the cause."""
    async with ApiClient(access_to(f"http://127.0.0.1:{unused_tcp_port}")) as client:
        with pytest.raises(ClusterUnavailableError, match="cannot be reached") as caught:
            await client.get(WEB)
    assert str(unused_tcp_port) in str(caught.value)
    assert str(caught.value).endswith("cannot be reached: connection refused")
    assert caught.value.reason == "Unreachable"


@asynccontextmanager
async def recorder() -> AsyncIterator[tuple[ApiClient, list[dict[str, Any]]]]:
    """A server that answers with an empty object and keeps what it was sent."""
    sent: list[dict[str, Any]] = []

    async def answer(request: web.Request) -> web.Response:
        sent.append({"headers": dict(request.headers), "query": dict(request.query), "path": request.path})
        if request.path.endswith("moved"):
            return web.Response(status=302, headers={"Location": "/elsewhere"})
        return web.json_response({})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    async with ApiClient(access_to(f"http://127.0.0.1:{runner.addresses[0][1]}")) as client:
        yield client, sent
    await runner.cleanup()


async def test_a_write_says_what_it_is_and_who_writes() -> None:
    """Each kind of patch has its content type; every write names our field manager and user agent."""
    async with recorder() as (client, sent):
        await client.json_patch(WEB, [])
        await client.merge_patch(WEB, {})
        await client.replace(WEB, {})
    kinds = [request["headers"]["Content-Type"] for request in sent]
    assert kinds == ["application/json-patch+json", "application/merge-patch+json", "application/json"]
    assert {request["query"]["fieldManager"] for request in sent} == {"rollback-sentinel"}
    assert {request["headers"]["User-Agent"] for request in sent} == {"rollback-sentinel"}


async def test_a_redirect_is_not_followed() -> None:
    """Our token goes to the API server alone: a redirect is an error."""
    async with recorder() as (client, sent):
        with pytest.raises(ClusterError):
            await client.get(RequestTarget(DEPLOYMENTS, "default", "moved"))
    assert len(sent) == 1


async def test_names_are_quoted() -> None:
    """What is no part of a name cannot lead to another path."""
    async with recorder() as (client, sent):
        await client.get(RequestTarget(RECORDS, "default", "a/b"))
    assert "/namespaces/default/rolloutrecords/a" in sent[0]["path"]
    assert RequestTarget(RECORDS, "default", "a/b").path.endswith("/rolloutrecords/a%2Fb")


async def test_a_closed_client_sends_nothing() -> None:
    """After the end a request fails by name instead of with a library's error."""
    client = ApiClient(access_to("http://127.0.0.1:9"))
    with pytest.raises(ClusterUnavailableError, match="closed"):
        await client.get(WEB)

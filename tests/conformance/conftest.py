"""The cluster that conformance is tested against.

By default the simulated one, with its controllers and without a kubelet. `SENTINEL_TEST_KUBECONFIG` names the
kubeconfig of a real cluster to use instead; the tests work in namespaces that they make and remove.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import ssl
from collections.abc import AsyncIterator, Callable, Mapping

import aiohttp
import pytest
from kubernetes_asyncio.client import Configuration
from kubernetes_asyncio.config import load_kube_config

from clustersim.api import ApiServer
from clustersim.controllers.manager import ControllerManager
from clustersim.storage.store import Store
from clustersim.virtual_time import VirtualTimeLoop, wall_clock
from tests.conformance import manifests
from tests.conformance.api import Access, Api

KUBECONFIG_VARIABLE = "SENTINEL_TEST_KUBECONFIG"


@pytest.hookimpl(tryfirst=True)
def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]] | None:
    """A real cluster lives in real time, the simulated one in virtual time."""
    if os.environ.get(KUBECONFIG_VARIABLE):
        return {"real": asyncio.SelectorEventLoop}
    return {"virtual": VirtualTimeLoop}


@pytest.fixture
async def access() -> AsyncIterator[Access]:
    """The way into the cluster under test."""
    kubeconfig = os.environ.get(KUBECONFIG_VARIABLE)
    if kubeconfig:
        yield await _real(kubeconfig)
        return
    store = Store(wall_clock(), seed=1)
    manager = ControllerManager(store)
    manager.start()
    server = ApiServer(store)
    url = await server.start()
    yield Access(url, {"Authorization": f"Bearer {server.tokens.admin}", "User-Agent": "conformance/1"})
    await server.stop()
    failures = manager.stop()
    assert not failures, failures


async def _real(kubeconfig: str) -> Access:
    configuration = Configuration()
    await load_kube_config(config_file=kubeconfig, client_configuration=configuration)
    headers = {"User-Agent": "conformance/1"}
    token = await configuration.get_api_key_with_prefix("BearerToken")
    if token:
        headers["Authorization"] = token
    if not configuration.host.startswith("https"):
        return Access(configuration.host, headers)
    tls = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    if not configuration.verify_ssl:
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    if configuration.cert_file:
        tls.load_cert_chain(configuration.cert_file, configuration.key_file)
    return Access(configuration.host, headers, tls)


@pytest.fixture
async def api(access: Access) -> AsyncIterator[Api]:
    """A client of the cluster under test."""
    async with aiohttp.ClientSession() as session:
        yield Api(session, access)


@pytest.fixture
async def namespace(api: Api) -> AsyncIterator[str]:
    """A namespace of the test's own, removed afterwards."""
    name = f"conformance-{secrets.token_hex(4)}"
    (await api.post("/api/v1/namespaces", {"metadata": {"name": name}})).ok()
    yield name
    await api.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture
async def samples(api: Api, namespace: str) -> AsyncIterator[str]:
    """The path of a custom resource of the test's own, in its namespace."""
    group = f"{secrets.token_hex(4)}.conformance.example.dev"
    definition = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    (await api.post(definition, manifests.crd(group))).ok()
    path = f"/apis/{group}/v1/namespaces/{namespace}/samples"
    await api.eventually(f"{definition}/samples.{group}", _established)
    await api.eventually(path, lambda _: True)
    yield path
    await api.delete(f"{definition}/samples.{group}")


def _established(definition: manifests.JsonObject) -> bool:
    conditions = (definition.get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)

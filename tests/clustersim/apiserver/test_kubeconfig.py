"""The kubeconfig of a simulated cluster."""

from __future__ import annotations

from kubernetes_asyncio.client import ApiClient, AppsV1Api, Configuration
from kubernetes_asyncio.config import load_kube_config_from_dict

from clustersim.api import ApiServer, kubeconfig


async def test_the_client_library_gets_in_with_it(server: ApiServer) -> None:
    """A client that is configured from it lists objects; with a foreign token it is not let in."""
    seen = []
    for token in (server.tokens.admin, "foreign"):
        configuration = Configuration()
        await load_kube_config_from_dict(kubeconfig(server.url, token), client_configuration=configuration)
        async with ApiClient(configuration) as client:
            listed = await AppsV1Api(client).list_namespaced_deployment("default", _preload_content=False)
            seen.append(listed.status)
    assert seen == [200, 401]

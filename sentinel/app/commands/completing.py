"""What a shell offers for namespaces and workloads: asked of the cluster, and nothing where that does not answer soon.

The imports are where they are needed: a command line that is not completed does not pay for them.
"""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from sentinel.app.commands.flags import Place

LIMIT = 2.0
"""Seconds that a person waits after the Tab key."""


def namespaces(ctx: typer.Context, incomplete: str) -> list[str]:
    """The namespaces that begin so."""
    return _offered(_namespaces(_place(ctx)), incomplete)


def workloads(ctx: typer.Context, incomplete: str) -> list[str]:
    """The workloads that begin so, as commands take them: `web`, `statefulset/db`."""
    return _offered(_workloads(_place(ctx)), incomplete)


def _offered(asked: Coroutine[Any, Any, Iterable[str]], incomplete: str) -> list[str]:
    """What the cluster has; a message would only disturb the line that somebody types."""
    try:
        found = asyncio.run(asyncio.wait_for(asked, LIMIT))
    except Exception:
        return []
    return sorted(name for name in found if name.startswith(incomplete))


def _place(ctx: typer.Context) -> "Place":
    from sentinel.app.commands.connection import place

    said = {key: str(value or "") for key, value in ctx.params.items()}
    return place(said.get("namespace", ""), said.get("context", ""), said.get("kubeconfig", ""))


async def _namespaces(at: "Place") -> Iterable[str]:
    from sentinel.adapters.kubernetes.inspect.names import namespace_names
    from sentinel.app.commands.connection import connected

    async with connected(at) as cluster:
        return await namespace_names(cluster.client, LIMIT)


async def _workloads(at: "Place") -> Iterable[str]:
    from sentinel.adapters.kubernetes.inspect.names import workload_names
    from sentinel.app.commands.connection import connected
    from sentinel.app.commands.naming import called
    from sentinel.domain.workload.facts import WorkloadKey

    async with connected(at) as cluster:
        found = await workload_names(cluster.client, at.namespace, LIMIT)
    return [called(WorkloadKey(kind, at.namespace, name)) for kind, name in found]

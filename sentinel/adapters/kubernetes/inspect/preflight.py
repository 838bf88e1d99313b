"""What must be there before the daemon can do its work: the definitions, with every field, and each verb it needs."""

import asyncio
from collections.abc import Iterable, Sequence

from sentinel.adapters.kubernetes.api.client import ApiClient, RequestTarget
from sentinel.adapters.kubernetes.api.raw import mapping
from sentinel.adapters.kubernetes.api.resources import (
    ACCESS_REVIEWS,
    CLAIMS,
    CLUSTER_POLICIES,
    COMMANDS,
    CONFIG_MAPS,
    EVENTS,
    HISTORIES,
    JOBS,
    LEASES,
    PODS,
    POLICIES,
    RECORDS,
    SECRETS,
    SERVICE_ACCOUNTS,
    ApiResource,
    Verbs,
)
from sentinel.adapters.kubernetes.custom.crd import how_to_install
from sentinel.adapters.kubernetes.gitops.keepers import NO_TOOLS, WatchedTools
from sentinel.adapters.kubernetes.inspect.served import outdated
from sentinel.adapters.kubernetes.traffic.registry import route_verbs
from sentinel.adapters.kubernetes.workloads.registry import verbs_of
from sentinel.domain.errors import ClusterError, NotFoundError
from sentinel.domain.workload.config import ConfigKind
from sentinel.domain.workload.kinds import USUAL_KINDS, WorkloadKind
from sentinel.domain.workload.routes import RouteKind

STATE = (RECORDS, COMMANDS, HISTORIES)
"""The custom resources without whose definitions nothing goes."""

ALWAYS: tuple[Verbs, ...] = (
    (PODS, "", ("list", "watch")),
    (RECORDS, "", ("get", "list", "watch", "create", "delete")),
    (RECORDS, "status", ("update", "patch")),
    (HISTORIES, "", ("get", "list", "create", "update")),
    (COMMANDS, "", ("list", "watch", "delete")),
    (COMMANDS, "status", ("update",)),
    (EVENTS, "", ("create", "patch")),
)
"""What is needed whatever is watched; Nodes are read as well where that is allowed."""

ELECTING: tuple[Verbs, ...] = ((LEASES, "", ("get", "create", "update")),)
"""The same, in the namespace of the Lease by which replicas agree on a leader."""

SHARDING: tuple[Verbs, ...] = ((LEASES, "", ("list",)),)
"""Besides, where several leaders share the namespaces: who divides them otherwise has to be seen."""

ASKING: tuple[Verbs, ...] = ((COMMANDS, "", ("create",)),)
"""The same, for making commands in the name of people who press buttons in Slack."""

RUNNING_JOBS: tuple[Verbs, ...] = ((JOBS, "", ("get", "create", "delete")),)
"""The same, for the Jobs of gates."""

WATCHING_POLICIES: tuple[Verbs, ...] = (
    (POLICIES, "", ("list", "watch")),
    (POLICIES, "status", ("patch",)),
)
WATCHING_CLUSTER_POLICIES: tuple[Verbs, ...] = (
    (CLUSTER_POLICIES, "", ("list", "watch")),
    (CLUSTER_POLICIES, "status", ("patch",)),
)
"""What ships as well and is not required: policies as objects, and what the sentinel makes of them."""

READING_CONFIG: tuple[Verbs, ...] = (
    (CONFIG_MAPS, "", ("get", "list", "watch")),
    (SERVICE_ACCOUNTS, "", ("get",)),
    (CLAIMS, "", ("get",)),
)
"""What ships as well and is not required: to see ConfigMaps change, and that what an undo's target names exists."""

READING_SECRETS: tuple[Verbs, ...] = ((SECRETS, "", ("get", "list", "watch")),)
"""The same for Secrets, where the settings say so."""

RESTORING_CONFIG: tuple[Verbs, ...] = ((CONFIG_MAPS, "", ("patch",)),)
"""What a policy with `undo: {config: restore}` needs besides."""


def config_verbs(kinds: Iterable[ConfigKind], *, restoring: bool = False) -> tuple[Verbs, ...]:
    """What the daemon does with what workloads name, of these kinds; `restoring`: a policy puts ConfigMaps back."""
    watched = {ConfigKind.CONFIG_MAP: READING_CONFIG, ConfigKind.SECRET: READING_SECRETS}
    reading = (verbs for kind in kinds for verbs in watched[kind])
    return (*reading, *(RESTORING_CONFIG if restoring else ()))


def needed(
    kinds: Sequence[WorkloadKind] = USUAL_KINDS, routes: Sequence[RouteKind] = ()
) -> tuple[Verbs, ...]:
    """What the daemon must be allowed to do where it watches workloads and routes of these kinds."""
    return (*verbs_of(kinds), *route_verbs(routes), *ALWAYS)


async def preflight(  # noqa: PLR0913 - one to each setting
    client: ApiClient,
    namespaces: Sequence[str] = (),
    lease_namespace: str | None = None,
    *,
    kinds: Sequence[WorkloadKind] = USUAL_KINDS,
    routes: Sequence[RouteKind] = (),
    tools: WatchedTools = NO_TOOLS,
    sharded: bool = False,
    asking: bool = False,
    jobs_in: Sequence[str] | None = None,
) -> tuple[str, ...]:
    """A sentence for each thing that is missing; empty when all is there. No namespaces: all of them.

    `kinds` of workloads are watched, and kinds of `routes`, and these `tools` held. `lease_namespace` None: there is no
    election; `sharded`: there are several. `asking`: commands are made for people. `jobs_in`: in these namespaces
    (`""`: everywhere) Jobs of gates are run; None: nowhere. Raises ClusterUnavailableError when the API server cannot
    be asked.
    """
    missing = [*await _definitions(client, namespaces[0] if namespaces else "")]
    for namespace in namespaces or ("",):
        missing.extend(
            await _denied(client, [*needed(kinds, routes), *(ASKING if asking else ())], namespace)
        )
    if lease_namespace is not None:
        missing.extend(await _denied(client, (*ELECTING, *(SHARDING if sharded else ())), lease_namespace))
    for namespace in tools.namespaces or namespaces or ("",):
        missing.extend(await _denied(client, tools.verbs, namespace))
    for namespace in jobs_in or ():
        missing.extend(await _denied(client, RUNNING_JOBS, namespace))
    return tuple(missing)


async def _denied(client: ApiClient, verbs: Iterable[Verbs], namespace: str) -> list[str]:
    asked = [(resource, part, verb) for resource, part, names in verbs for verb in names]
    allowed = await asyncio.gather(*(_allowed(client, namespace, *each) for each in asked))
    denied = [each for each, yes in zip(asked, allowed, strict=True) if not yes]
    return _lacking(denied, namespace)


def _lacking(denied: Iterable[tuple[ApiResource, str, str]], namespace: str) -> list[str]:
    verbs: dict[str, list[str]] = {}
    for resource, part, verb in denied:
        subject = f"{resource.plural}/{part}" if part else resource.plural
        group = f' in API group "{resource.group}"' if resource.group else ""
        verbs.setdefault(subject + group, []).append(verb)
    where = f" in namespace {namespace}" if namespace else ""
    return [
        f"our account may not {', '.join(names)} {what}{where}: grant it by RBAC"
        for what, names in verbs.items()
    ]


async def _definitions(client: ApiClient, namespace: str) -> tuple[str, ...]:
    for resource in STATE:
        try:
            await client.request("GET", RequestTarget(resource, namespace), params={"limit": "1"})
        except NotFoundError:
            return (how_to_install(),)
        except ClusterError as error:
            if error.retryable:
                raise
            # Refused: the verbs that are missing are named one by one.
    return await outdated(client, STATE)


async def _allowed(
    client: ApiClient, namespace: str, resource: ApiResource, subresource: str, verb: str
) -> bool:
    """Ask whether we may do this in the namespace, or (empty) in every one."""
    attributes = {"namespace": namespace, "verb": verb, "group": resource.group, "resource": resource.plural}
    if subresource:
        attributes["subresource"] = subresource
    review = {
        "apiVersion": ACCESS_REVIEWS.api_version,
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    answer = await client.create(RequestTarget(ACCESS_REVIEWS), review)
    return mapping(answer.get("status")).get("allowed") is True

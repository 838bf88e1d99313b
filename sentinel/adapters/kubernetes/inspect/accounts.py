"""What another account may do: the daemon's verbs, asked for it by someone who may ask."""

import asyncio
from collections.abc import Sequence

from sentinel.adapters.kubernetes.api.client import ApiClient, Json, RequestTarget
from sentinel.adapters.kubernetes.api.raw import mapping
from sentinel.adapters.kubernetes.api.resources import ApiResource, Verbs
from sentinel.adapters.kubernetes.inspect.preflight import needed
from sentinel.domain.workload.kinds import USUAL_KINDS, WorkloadKind
from sentinel.domain.workload.routes import RouteKind

REVIEWS = ApiResource("authorization.k8s.io", "v1", "subjectaccessreviews", namespaced=False)


async def account_lacks(
    client: ApiClient,
    namespace: str,
    account: str,
    within: str,
    *,
    kinds: Sequence[WorkloadKind] = USUAL_KINDS,
    routes: Sequence[RouteKind] = (),
    further: Sequence[Verbs] = (),
    elsewhere: Sequence[tuple[str, Verbs]] = (),
) -> tuple[str, ...]:
    """The verbs that the service account needs and lacks in the namespace `within` (empty: in all of them).

    `kinds` of workloads are watched, and kinds of `routes`; `further` is what the settings ask for besides,
    `elsewhere` what it needs in other namespaces. Raises ForbiddenError where we may not ask for others, and
    ClusterError's other kinds.
    """
    user = f"system:serviceaccount:{namespace}:{account}"
    asked = [
        (within, resource, part, verb)
        for resource, part, verbs in (*needed(kinds, routes), *further)
        for verb in verbs
    ]
    asked += [(place, resource, part, verb) for place, (resource, part, verbs) in elsewhere for verb in verbs]
    allowed = await asyncio.gather(*(_allowed(client, user, *each) for each in asked))
    return tuple(
        f"{verb} {resource}{f'/{part}' if part else ''}{f' in {place}' if place != within else ''}"
        for (place, resource, part, verb), yes in zip(asked, allowed, strict=True)
        if not yes
    )


async def _allowed(
    client: ApiClient, user: str, namespace: str, resource: ApiResource, part: str, verb: str
) -> bool:
    attributes = {"namespace": namespace, "verb": verb, "group": resource.group, "resource": resource.plural}
    if part:
        attributes["subresource"] = part
    groups = [
        "system:serviceaccounts",
        f"system:serviceaccounts:{user.split(':')[2]}",
        "system:authenticated",
    ]
    review: Json = {
        "apiVersion": REVIEWS.api_version,
        "kind": "SubjectAccessReview",
        "spec": {"user": user, "groups": groups, "resourceAttributes": attributes},
    }
    answer = await client.create(RequestTarget(REVIEWS), review)
    return mapping(answer.get("status")).get("allowed") is True

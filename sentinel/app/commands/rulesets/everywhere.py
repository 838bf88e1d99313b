"""The policies that a command is about: those of rule files, and those that are objects in the cluster."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from sentinel.adapters.kubernetes.custom.policy_objects import PolicyObject
from sentinel.app.commands.connection import ClusterConnection
from sentinel.app.commands.setup.checks import Check, ok, warn
from sentinel.domain.errors import ClusterError, ForbiddenError, NotFoundError
from sentinel.domain.figures import amount
from sentinel.policies.inforce import PoliciesInForce
from sentinel.policies.load import DEFAULTS, Options, PolicySet
from sentinel.policies.source import FilePolicySource

REMEDY = "sentinel crd | kubectl apply --server-side --force-conflicts -f -, and grant config/rbac.yaml"


def together(
    paths: Iterable[Path], loaded: PolicySet, objects: Iterable[PolicyObject], options: Options = DEFAULTS
) -> PoliciesInForce:
    """What the daemon would have in force of them."""
    both = PoliciesInForce(FilePolicySource(paths, loaded, options), options)
    for each in objects:
        both.take(each.key, each.uid, each.generation, each.document, each.former)
    return both


async def readable_objects(cluster: ClusterConnection, namespace: str) -> tuple[PolicyObject, ...]:
    """The policies that are objects, as far as the cluster knows them and we may read them."""
    try:
        return await cluster.reader.policies(namespace)
    except (ForbiddenError, NotFoundError):
        return ()


async def objects_check(cluster: ClusterConnection, namespaces: Sequence[str], *, enabled: bool) -> Check:
    """Whether policies can be objects, and which of them are refused."""
    name = "policy objects"
    if not enabled:
        return ok(name, "switched off: policies.objects.enabled is false")
    try:
        found = [each for space in namespaces or ("",) for each in await cluster.reader.policies(space)]
    except ClusterError as error:
        return warn(name, f"policies that are objects are not in force: {error}", REMEDY)
    objects = {each.key: each for each in found}.values()
    refused = [str(each) for each in objects if each.refused]
    if refused:
        remedy = "kubectl get rolloutpolicies,clusterrolloutpolicies -A -o wide"
        return warn(
            name, f"{amount(len(refused), 'policy', 'policies')} refused: {', '.join(refused)}", remedy
        )
    return ok(name, f"{amount(len(objects), 'policy', 'policies')} in the cluster")

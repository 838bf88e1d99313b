"""Whether what a pod template names exists: looked up just before the template is put back."""

import asyncio
from collections.abc import Iterable
from typing import Final

from sentinel.adapters.kubernetes.api.client import ApiClient, RequestTarget
from sentinel.adapters.kubernetes.api.resources import (
    CLAIMS,
    CONFIG_MAPS,
    SECRETS,
    SERVICE_ACCOUNTS,
    ApiResource,
)
from sentinel.domain.errors import ClusterError, NotFoundError, PreconditionError
from sentinel.domain.figures import listed
from sentinel.domain.record.holds import HoldReason
from sentinel.domain.workload.config import ConfigKind, ConfigRef

RESOURCES: Final = {
    ConfigKind.CONFIG_MAP: CONFIG_MAPS,
    ConfigKind.SECRET: SECRETS,
    ConfigKind.SERVICE_ACCOUNT: SERVICE_ACCOUNTS,
    ConfigKind.CLAIM: CLAIMS,
}
LOOKED_UP_WITHIN = 1.0
"""In seconds. An undo does not wait longer to learn whether its target can start."""


async def check_existence(client: ApiClient, namespace: str, named: Iterable[ConfigRef]) -> str:
    """Make sure that everything that pods cannot start without exists; optional objects are not asked for.

    Returns the end of a sentence on what could not be looked up, empty where everything was. Raises
    PreconditionError, its reason `ReferenceGone`, which names what is gone.
    """
    required = [ref for ref in named if not ref.optional]
    found = await asyncio.gather(*(_look_up(client, namespace, ref) for ref in required))
    gone = [
        str(ref) for ref, answer in zip(required, found, strict=True) if isinstance(answer, NotFoundError)
    ]
    if gone:
        raise PreconditionError(
            f"its pods would not start, because {listed(gone)} "
            f"{'does' if len(gone) == 1 else 'do'} not exist in namespace {namespace}",
            reason=HoldReason.REFERENCE_GONE,
        )
    unknown = [str(ref) for ref, answer in zip(required, found, strict=True) if answer is not None]
    if not unknown:
        return ""
    why = next(answer.reason for answer in found if answer is not None)
    return f"; whether {listed(unknown)} {'exists' if len(unknown) == 1 else 'exist'} was not checked ({why})"


async def _look_up(client: ApiClient, namespace: str, ref: ConfigRef) -> ClusterError | None:
    """None where the object exists; its values are not read."""
    resource: ApiResource = RESOURCES[ref.kind]
    try:
        target = RequestTarget(resource, namespace, ref.name, metadata_only=True)
        await client.get(target, timeout=LOOKED_UP_WITHIN)
    except ClusterError as error:
        return error
    return None

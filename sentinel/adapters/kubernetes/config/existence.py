"""Whether what a pod template names exists, and has the keys that it names: looked up before it is put back."""

import asyncio
from collections.abc import Collection
from contextlib import suppress
from typing import Final

from sentinel.adapters.kubernetes.api.client import ApiClient, RequestTarget
from sentinel.adapters.kubernetes.api.raw import RawObject
from sentinel.adapters.kubernetes.api.resources import (
    CLAIMS,
    CONFIG_MAPS,
    SECRETS,
    SERVICE_ACCOUNTS,
)
from sentinel.adapters.kubernetes.config.content import keys_of
from sentinel.adapters.kubernetes.config.naming import keys_required_by, named_by
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
"""In seconds, of one request. An undo does not wait longer to learn whether its target can start."""


async def check_existence(
    client: ApiClient, namespace: str, template: object, returning: Collection[str] = ()
) -> str:
    """Make sure that everything that the template's pods cannot start without exists, and has the keys that they need.

    Optional objects are not asked for, nor keys of ConfigMaps whose former data comes back (`returning`). Returns the
    end of a sentence on what could not be looked up, empty where everything was. Raises PreconditionError, its reason
    `ReferenceGone`, which names what is gone.
    """
    required = [ref for ref in named_by(template) if not ref.optional]
    needs = [
        frozenset()
        if ref.kind is ConfigKind.CONFIG_MAP and ref.name in returning
        else keys_required_by(template, ref)
        for ref in required
    ]
    found = await asyncio.gather(
        *(_look_up(client, namespace, ref, keys) for ref, keys in zip(required, needs, strict=True))
    )
    answers = list(zip(required, found, strict=True))
    gone = [str(ref) for ref, answer in answers if isinstance(answer, NotFoundError)]
    faults = [f"{listed(gone)} {'does' if len(gone) == 1 else 'do'} not exist"] if gone else []
    faults += [_lacks(ref, answer) for ref, answer in answers if isinstance(answer, frozenset) and answer]
    if faults:
        raise PreconditionError(
            f"its pods would not start, because {listed(faults)} in namespace {namespace}",
            reason=HoldReason.REFERENCE_GONE,
        )
    unknown = [(str(ref), answer.reason) for ref, answer in answers if isinstance(answer, ClusterError)]
    if not unknown:
        return ""
    names, why = [name for name, _ in unknown], unknown[0][1]
    return f"; whether {listed(names)} {'exists' if len(names) == 1 else 'exist'} was not checked ({why})"


async def _look_up(
    client: ApiClient, namespace: str, ref: ConfigRef, keys: frozenset[str]
) -> ClusterError | frozenset[str]:
    """Which of the keys an object lacks.

    The values of a Secret are asked for only where its managedFields do not tell all keys, and are not kept. Where it
    may not be read, or not in time, it lacks nothing that is known.
    """
    whole = bool(keys) and ref.kind is ConfigKind.CONFIG_MAP
    try:
        lacking = keys - keys_of(await _get(client, namespace, ref, whole=whole))
    except ClusterError as error:
        return error
    if not lacking or whole:
        return lacking
    with suppress(ClusterError):
        return keys - keys_of(await _get(client, namespace, ref, whole=True))
    return frozenset()


def _lacks(ref: ConfigRef, keys: frozenset[str]) -> str:
    return f"{ref} has no {'key' if len(keys) == 1 else 'keys'} {listed(sorted(keys))}"


async def _get(client: ApiClient, namespace: str, ref: ConfigRef, *, whole: bool) -> RawObject:
    target = RequestTarget(RESOURCES[ref.kind], namespace, ref.name, metadata_only=not whole)
    return await client.get(target, timeout=LOOKED_UP_WITHIN)

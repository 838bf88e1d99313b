"""Puts the former data of ConfigMaps back, each only where it still is what was judged."""

from collections.abc import Sequence

from sentinel.adapters.kubernetes.api.client import MANAGER, ApiClient, RequestTarget
from sentinel.adapters.kubernetes.api.operations import Operation, holds, put
from sentinel.adapters.kubernetes.api.raw import RawObject, mapping, text
from sentinel.adapters.kubernetes.api.resources import CONFIG_MAPS, RECORDS
from sentinel.adapters.kubernetes.config.content import DATA, Data, data_of, digest_of_data, unpacked
from sentinel.adapters.kubernetes.workloads.patches import disown
from sentinel.domain.errors import ClusterError, PreconditionError
from sentinel.domain.record.config import ConfigReturn

_ATTEMPTS = 3


async def put_config_back(
    client: ApiClient, namespace: str, returns: Sequence[ConfigReturn], timeout: float
) -> str:
    """Put the data back, before the template that goes with it; what is back already is left.

    Returns the end of a sentence on what was done and what could not be done: that does not keep the template from
    being put back. Raises ClusterError where trying again can help.
    """
    said = [await _put_back(client, namespace, one, timeout) for one in returns]
    return "".join(f"; {part}" for part in said if part)


async def _put_back(client: ApiClient, namespace: str, one: ConfigReturn, timeout: float) -> str:
    try:
        return await _patched(client, namespace, one, timeout)
    except ClusterError as error:
        if error.retryable:
            raise
        return f"ConfigMap {one.name} was not put back: {error}"


async def _patched(client: ApiClient, namespace: str, one: ConfigReturn, timeout: float) -> str:
    place = RequestTarget(CONFIG_MAPS, namespace, one.name)
    for attempt in range(1, _ATTEMPTS + 1):
        live = await client.get(place, timeout=timeout)
        found = digest_of_data(data_of(live))
        if found == one.former:
            return f"ConfigMap {one.name} has its former data"
        if found != one.seen:
            return f"ConfigMap {one.name} was changed again meanwhile, and left as it is"
        former = await _former(client, namespace, one, timeout)
        if former is None:
            return f"ConfigMap {one.name} was not put back: the record {one.record} does not have its data"
        try:
            seen = await client.json_patch(place, [*replacing(live, former)], timeout=timeout)
        except PreconditionError:
            if attempt == _ATTEMPTS:
                raise
            continue
        await _disown(client, place, seen, timeout)
        return f"ConfigMap {one.name} was put back"
    raise AssertionError("the last attempt returns or raises")


async def _former(client: ApiClient, namespace: str, one: ConfigReturn, timeout: float) -> Data | None:
    """The data that the record keeps; None where it is not the one that is meant."""
    record = await client.get(RequestTarget(RECORDS, namespace, one.record), timeout=timeout)
    held = unpacked(text(mapping(record.get("spec")).get("configData"))).get(one.name)
    return held if held is not None and digest_of_data(held) == one.former else None


def replacing(live: RawObject, former: Data) -> tuple[Operation, ...]:
    """The patch that makes the former data of what the live object holds now, tested as it was read."""
    tests = [holds("/metadata/uid", mapping(live.get("metadata")).get("uid"))]
    changes = []
    for part in DATA:
        if part in live:
            tests.append(holds(f"/{part}", live[part]))
        if part in former:
            changes.append(put(f"/{part}", former[part]))
        elif part in live:
            changes.append({"op": "remove", "path": f"/{part}"})
    return (*tests, *changes)


async def _disown(client: ApiClient, place: RequestTarget, live: RawObject, timeout: float) -> None:
    """Give up our claim on the data, so that no later apply conflicts with it; without it the data is back as well."""
    operations = disown(live, MANAGER)
    if operations:
        try:
            await client.json_patch(place, list(operations), timeout=timeout)
        except ClusterError:
            return

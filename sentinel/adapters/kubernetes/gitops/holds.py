"""Puts holds on keepers and releases them: read, patched as long as nobody wrote meanwhile, and read back."""

import asyncio
import logging

from sentinel.adapters.kubernetes.api.client import MANAGER, ApiClient, Json, RequestTarget
from sentinel.adapters.kubernetes.api.raw import RawObject, mapping
from sentinel.adapters.kubernetes.gitops.owners import KeeperTool, written_mark
from sentinel.adapters.kubernetes.gitops.registry import TOOLS
from sentinel.adapters.kubernetes.workloads import patches
from sentinel.adapters.kubernetes.workloads.registry import resource_of
from sentinel.domain.errors import (
    ClusterError,
    ClusterUnavailableError,
    ConflictError,
    InvalidObjectError,
    NotFoundError,
)
from sentinel.domain.workload.facts import WorkloadKey
from sentinel.domain.workload.keeper import KEEPER_ANNOTATION, KeeperHold, KeeperMark, KeeperRef
from sentinel.domain.workload.kinds import WorkloadKind
from sentinel.ports import Clock
from sentinel.values import replace

log = logging.getLogger(__name__)

_ATTEMPTS = 5
_LOOK_EVERY = 0.2


class KubernetesKeepers:
    """Implements `ports.Keepers`. With `reconcile`, what waits for its interval is asked to deploy after a release."""

    def __init__(self, client: ApiClient, clock: Clock, *, reconcile: bool = True) -> None:
        self._client = client
        self._clock = clock
        self._reconcile = reconcile

    async def hold(self, key: WorkloadKey, hold: KeeperHold, record: str, *, timeout: float) -> str:
        """Put the hold in force; see `ports.Keepers.hold`."""
        tool = _tool(hold.keeper)
        mark = KeeperMark((f"{key.namespace}/{record}",), hold.until, hold.original)
        place = _place(tool, hold)
        try:
            async with asyncio.timeout(timeout):
                live = await self._held(tool, place, mark, timeout)
                while tool.busy(live):
                    await asyncio.sleep(_LOOK_EVERY)
                    live = await self._client.get(place, timeout=timeout)
        except TimeoutError as error:
            raise ClusterUnavailableError(
                f"{hold.keeper} was not held within {timeout:g} s", reason="Timeout"
            ) from error
        return f"{hold.keeper} is held"

    async def release(self, key: WorkloadKey, hold: KeeperHold, record: str, *, timeout: float) -> str:
        """Restore what the hold changed; see `ports.Keepers.release`."""
        tool = _tool(hold.keeper)
        place, holder = _place(tool, hold), f"{key.namespace}/{record}"
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                live = await self._client.get(place, timeout=timeout)
            except NotFoundError:
                return f"{hold.keeper} is gone"
            lever = tool.lever(live)
            if lever.mark is None or holder not in lever.mark.holders:
                return f"{hold.keeper} was released already"
            rest = replace(lever.mark, holders=tuple(one for one in lever.mark.holders if one != holder))
            restored = tool.release(live, lever.mark.original) if lever.held and not rest.holders else {}
            try:
                written = await self._client.merge_patch(
                    place, _signed(restored, live, rest), timeout=timeout
                )
            except ConflictError:
                if attempt == _ATTEMPTS:
                    raise
                continue
            if rest.holders:
                return f"{hold.keeper} stays held for {', '.join(rest.holders)}"
            await self._disown(place, written, timeout)
            return f"{hold.keeper} is released{await self._asked(tool, hold, timeout)}"
        raise AssertionError("the last attempt returns or raises")

    async def in_force(self, key: WorkloadKey, hold: KeeperHold, record: str, *, timeout: float) -> bool:
        """Whether what is held is held for this record now."""
        tool = _tool(hold.keeper)
        try:
            lever = tool.lever(await self._client.get(_place(tool, hold), timeout=timeout))
        except NotFoundError:
            return False
        return lever.held_for(f"{key.namespace}/{record}")

    async def _held(
        self, tool: KeeperTool, place: RequestTarget, mark: KeeperMark, timeout: float
    ) -> RawObject:
        """The object as it was read back, held. One that is held for others is held for this record, too."""
        for attempt in range(1, _ATTEMPTS + 1):
            live: RawObject = await self._client.get(place, timeout=timeout)
            lever = tool.lever(live)
            if lever.held and (lever.mark is None or lever.held_for(mark.holders[0])):
                return live
            if not lever.held and lever.settings != mark.original:
                raise ConflictError(f"{place} was changed meanwhile", reason="KeeperChanged", status=409)
            joint = _joint(mark, lever.mark if lever.held else None)
            try:
                for body in tool.hold(live):
                    live = await self._client.merge_patch(place, _signed(body, live, joint), timeout=timeout)
                    if tool.lever(live).held:
                        return live
            except ConflictError:
                if attempt == _ATTEMPTS:
                    raise
                continue
            raise InvalidObjectError(
                f"the API server dropped the hold on {place}, or who deploys it would take another one back",
                reason="HoldDropped",
            )
        raise AssertionError("the last attempt returns or raises")

    async def _asked(self, tool: KeeperTool, hold: KeeperHold, timeout: float) -> str:
        """Have the tool deploy at once; the end of a sentence. The release stands all the same."""
        if tool.ask is None:
            return ""
        if not self._reconcile:
            return ", and deploys at its next interval"
        place = RequestTarget(tool.resource, hold.keeper.namespace, hold.keeper.name)
        try:
            written = await self._client.merge_patch(place, tool.ask(self._clock.now()), timeout=timeout)
        except ClusterError as error:
            return f", and deploys at its next interval: it could not be asked to do so now ({error})"
        await self._disown(place, written, timeout)
        return ", and was asked to deploy now"

    async def _disown(self, place: RequestTarget, live: RawObject, timeout: float) -> None:
        """Give up our claim on what was restored; without it the release stands all the same."""
        operations = patches.disown(live, MANAGER)
        if not operations:
            return
        try:
            await self._client.json_patch(place, list(operations), timeout=timeout)
        except ClusterError as error:
            log.warning("our managedFields entry of %s stays: %s", place, error)


def _joint(mark: KeeperMark, present: KeeperMark | None) -> KeeperMark:
    """The mark together with that of a hold that is in force already."""
    if present is None:
        return mark
    holders = tuple(dict.fromkeys((*present.holders, *mark.holders)))
    return KeeperMark(holders, max(present.until, mark.until), present.original)


def _signed(body: Json, live: RawObject, mark: KeeperMark) -> Json:
    """The patch with our mark, or without one that is for nobody; refused if anyone wrote since `live` was read."""
    metadata = mapping(body.get("metadata"))
    written = written_mark(mark) if mark.holders else None
    annotations = {**mapping(metadata.get("annotations")), KEEPER_ANNOTATION: written}
    version = mapping(live.get("metadata")).get("resourceVersion")
    return {**body, "metadata": {**metadata, "annotations": annotations, "resourceVersion": version}}


def _tool(ref: KeeperRef) -> KeeperTool:
    tool = TOOLS.get(ref.tool)
    if tool is None:
        raise InvalidObjectError(f"{ref} cannot be held", reason="Unsupported")
    return tool


def _place(tool: KeeperTool, hold: KeeperHold) -> RequestTarget:
    if hold.on is not None:
        return RequestTarget(resource_of(WorkloadKind(hold.on.kind)), hold.on.namespace, hold.on.name)
    return RequestTarget(tool.resource, hold.keeper.namespace, hold.keeper.name)

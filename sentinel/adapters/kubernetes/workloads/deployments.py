"""Changes to a Deployment: pause, resume and restore, each one JSON patch that tests what was judged."""

import asyncio
from collections.abc import Callable

import structlog

from sentinel.adapters.kubernetes.api.client import MANAGER, ApiClient, Json, RequestTarget
from sentinel.adapters.kubernetes.api.raw import RawObject, controller_of, mapping
from sentinel.adapters.kubernetes.api.resources import DEPLOYMENTS, REPLICA_SETS
from sentinel.adapters.kubernetes.workloads import patches
from sentinel.adapters.kubernetes.workloads.digest import digest_of
from sentinel.adapters.kubernetes.workloads.patches import Plan
from sentinel.domain.decision import Change, Promote, Release, Restore, Stop
from sentinel.domain.errors import (
    ClusterError,
    ClusterUnavailableError,
    InvalidObjectError,
    NotFoundError,
    PreconditionError,
)
from sentinel.domain.record.state import RevisionRef
from sentinel.domain.workload.facts import Workload

log = structlog.get_logger(__name__)

_ATTEMPTS = 4
_CLEANUP_TIMEOUT = 2.0


class DeploymentDriver:
    """Makes a change to the very Deployment that was judged, or none at all.

    Each change reads the Deployment afresh, checks it and patches it; the patch tests what was checked. When
    something changed in between, it begins anew, so that only a difference that matters makes it fail.
    """

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    async def apply(self, workload: Workload, change: Change, *, timeout: float) -> str:
        """Make the change within `timeout` seconds; returns a sentence on what was done.

        Raises PreconditionError when the Deployment is no longer what was judged, NotFoundError when it or the
        target's template is gone, and ClusterError's other kinds when the API server could not do it.
        """
        try:
            async with asyncio.timeout(timeout):
                return await self._apply(workload, change, timeout)
        except TimeoutError as error:
            raise ClusterUnavailableError(
                f"{workload.key} could not be changed within {timeout:g} s", reason="Timeout"
            ) from error

    async def _apply(self, workload: Workload, change: Change, timeout: float) -> str:
        match change:
            case Stop(mark):
                return await self._patch(workload, lambda live: patches.pause(live, mark), timeout)
            case Release():
                return await self._patch(workload, patches.resume, timeout)
            case Restore(target):
                return await self._restore(workload, target, timeout)
            case Promote():
                raise InvalidObjectError(f"{workload.key} makes no steps of its own", reason="Unsupported")

    async def _restore(self, workload: Workload, target: RevisionRef, timeout: float) -> str:
        live, held = await asyncio.gather(
            self._client.get(_place(workload), timeout=timeout),
            self._holder(workload, target, timeout),
            return_exceptions=True,
        )
        if isinstance(live, BaseException):
            raise live
        # What is wrong with the Deployment itself says more than a ReplicaSet that went with it.
        patches.check_judged(live, workload, also=target.digest)
        if isinstance(held, BaseException):
            raise held

        def plan(seen: RawObject) -> Plan:
            return patches.restore(seen, held, target)

        return await self._patch(workload, plan, timeout, live=live, restored=target.digest)

    async def _patch(
        self,
        workload: Workload,
        planned: Callable[[RawObject], Plan],
        timeout: float,
        *,
        live: Json | None = None,
        restored: str = "",
    ) -> str:
        """Read (unless `live` was just read), check, patch. `restored` is the digest of a restore's target."""
        place = _place(workload)
        for attempt in range(1, _ATTEMPTS + 1):
            seen = live if live and attempt == 1 else await self._client.get(place, timeout=timeout)
            patches.check_judged(seen, workload, also=restored)
            plan = planned(seen)
            try:
                if plan.operations:
                    seen = await self._client.json_patch(place, list(plan.operations), timeout=timeout)
            except PreconditionError:
                if attempt == _ATTEMPTS:
                    raise
                continue
            if restored:
                await self._disown(place, seen)
            return plan.sentence
        raise AssertionError("the last attempt returns or raises")

    async def _disown(self, place: RequestTarget, live: RawObject) -> None:
        """Give up our claim on the template's fields; without it the undo stands all the same."""
        operations = patches.disown(live, MANAGER)
        if not operations:
            return
        try:
            await self._client.json_patch(place, list(operations), timeout=_CLEANUP_TIMEOUT)
        except ClusterError as error:
            log.warning("our managedFields entry stays", object=str(place), reason=str(error))

    async def _holder(self, workload: Workload, target: RevisionRef, timeout: float) -> Json:
        """The ReplicaSet that holds the target's template, read afresh."""
        known = workload.revision(target.digest)
        name = (known.stored_in.name if known and known.stored_in else "") or (
            f"{workload.key.name}-{target.hash}" if target.hash else ""
        )
        gone = f"the template of {target} is gone: no ReplicaSet of {workload.key} holds it any more"
        if not name:
            raise NotFoundError(gone, reason="TargetGone", status=404)
        try:
            held = await self._client.get(
                RequestTarget(REPLICA_SETS, workload.key.namespace, name), timeout=timeout
            )
        except NotFoundError as error:
            raise NotFoundError(gone, reason="TargetGone", status=404) from error
        owner = controller_of(mapping(held.get("metadata")))[2]
        if owner != workload.uid or digest_of(held) != target.digest:
            raise NotFoundError(gone, reason="TargetGone", status=404)
        return held


def _place(workload: Workload) -> RequestTarget:
    return RequestTarget(DEPLOYMENTS, workload.key.namespace, workload.key.name)

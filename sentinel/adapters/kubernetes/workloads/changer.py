"""Changes to a workload: each one reads it afresh, checks that it is what was judged, plans, and patches."""

import asyncio
import logging

from sentinel.adapters.kubernetes.api.client import MANAGER, ApiClient, Json, RequestTarget
from sentinel.adapters.kubernetes.api.raw import RawObject, controller_of, mapping, text
from sentinel.adapters.kubernetes.api.resources import PODS
from sentinel.adapters.kubernetes.config.existence import check_existence
from sentinel.adapters.kubernetes.workloads import patches
from sentinel.adapters.kubernetes.workloads.config_return import put_config_back
from sentinel.adapters.kubernetes.workloads.driver import Live
from sentinel.adapters.kubernetes.workloads.patches import Patch, Plan
from sentinel.adapters.kubernetes.workloads.registry import Driver, driver_of
from sentinel.adapters.kubernetes.workloads.trim_pods import trim_pod
from sentinel.domain.decision import Change, Release, RemovePod, Restore
from sentinel.domain.errors import (
    ClusterError,
    ClusterUnavailableError,
    ConflictError,
    NotFoundError,
    PreconditionError,
)
from sentinel.domain.record.state import RevisionRef
from sentinel.domain.workload.facts import Workload, WorkloadKey
from sentinel.domain.workload.revision import Applied, Revision

log = logging.getLogger(__name__)

_ATTEMPTS = 4
_CLEANUP_TIMEOUT = 2.0


class WorkloadChanger:
    """Makes a change to the very workload that was judged, or none at all.

    Each write tests what was checked. When something changed in between, it begins again, so that only a difference
    that matters makes it fail.
    """

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    async def apply(self, workload: Workload, change: Change, *, timeout: float) -> str:
        """Make the change within `timeout` seconds; returns a sentence on what was done.

        Raises PreconditionError when the workload is no longer what was judged, or (its reason `ReferenceGone`) when
        the target names an object that does not exist; NotFoundError when it or the target's template is gone, and
        ClusterError's other kinds when the API server could not do it.
        """
        driver = driver_of(workload.key.kind)
        try:
            async with asyncio.timeout(timeout):
                if isinstance(change, Restore):
                    return await self._restore(driver, workload, change, timeout)
                if isinstance(change, RemovePod):
                    return await self._remove(driver, workload, change, timeout)
                return await self._patch(driver, workload, change, timeout)
        except TimeoutError as error:
            raise ClusterUnavailableError(
                f"{workload.key} could not be changed within {timeout:g} s", reason="Timeout"
            ) from error

    async def applied(self, key: WorkloadKey, workload: Workload | None, timeout: float) -> Applied | None:
        """Which pod template is in force now, read afresh; None when the workload is gone.

        `workload` is what is known of it: of a workload of several objects, where they are.
        """
        driver = driver_of(key.kind)
        known = workload or Workload(key, "", Revision(""))
        try:
            live = await self._live(driver, known, timeout)
        except NotFoundError:
            return None
        if not live:
            return None
        uid = text(mapping(live[0].get("metadata")).get("uid"))
        return Applied(uid, driver.revision_in(live, known))

    async def _restore(self, driver: Driver, workload: Workload, change: Restore, timeout: float) -> str:
        live, stored = await asyncio.gather(
            self._live(driver, workload, timeout),
            self._stored(driver, workload, change.target, timeout),
            return_exceptions=True,
        )
        if isinstance(live, BaseException):
            raise live
        # What is wrong with the workload itself says more than a stored revision that went with it.
        restored = "" if isinstance(stored, BaseException) else driver.digests(stored)[1]
        driver.check(live, workload, restored or change.target.digest)
        if isinstance(stored, BaseException):
            raise stored
        back = unchecked = ""
        if restored not in driver.serving(live, workload):
            template, returning = driver.template_of(stored), [one.name for one in change.config]
            unchecked = await check_existence(self._client, workload.key.namespace, template, returning)
        if change.config:
            # Config is not tested by what is written to the workload: that is read once more just before it.
            live = await self._live(driver, workload, timeout)
            driver.check(live, workload, restored)
            back = await put_config_back(self._client, workload.key.namespace, change.config, timeout)
        try:
            done = await self._patch(driver, workload, change, timeout, live=live, stored=stored)
        except ClusterError as error:
            error.args = (f"{error}{back}",)  # its sentence also says what was done before it
            raise
        return done + back + unchecked

    async def _patch(
        self,
        driver: Driver,
        workload: Workload,
        change: Change,
        timeout: float,
        *,
        live: Live | None = None,
        stored: RawObject | None = None,
    ) -> str:
        """Read (unless `live` was just read), check, plan, patch. What ends our part gives up our claims."""
        restored = driver.digests(stored)[1] if stored else ""
        over = bool(restored) or isinstance(change, Release)
        for attempt in range(1, _ATTEMPTS + 1):
            seen = live if live and attempt == 1 else await self._live(driver, workload, timeout)
            driver.check(seen, workload, restored)
            plan = driver.planned(seen, workload, change, stored or {})
            try:
                await self._carry_out(plan, driver, workload, timeout, give_up=over)
            except PreconditionError:
                if attempt == _ATTEMPTS:
                    raise
                continue
            return plan.sentence
        raise AssertionError("the last attempt returns or raises")

    async def _carry_out(
        self, plan: Plan, driver: Driver, workload: Workload, timeout: float, *, give_up: bool
    ) -> None:
        """Send the patches in their order, and take them back if what they rely on was changed meanwhile.

        Raises PreconditionError then: the change is to be planned again from what is there now.
        """
        for patch in (Patch(plan.operations), *plan.patches):
            await self._send(patch, driver, workload, timeout, give_up=give_up or patch.disowned)
        if plan.second_look is None:
            return
        back = plan.second_look(await self._live(driver, workload, timeout))
        for patch in back or plan.confirmed:
            await self._send(patch, driver, workload, timeout, give_up=True)
        if not back:
            return
        raise PreconditionError(
            f"{workload.key} was changed while this was done ({plan.sentence}), which was taken back",
            reason="ChangedMeanwhile",
        )

    async def _live(self, driver: Driver, workload: Workload, timeout: float) -> list[Json]:
        """All objects of the workload, read afresh."""
        places = (
            RequestTarget(resource, workload.key.namespace, name)
            for resource, name in driver.places(workload)
        )
        return list(await asyncio.gather(*(self._client.get(place, timeout=timeout) for place in places)))

    async def _send(
        self, patch: Patch, driver: Driver, workload: Workload, timeout: float, *, give_up: bool
    ) -> None:
        """Send one patch. With `give_up` our claim on what it wrote is given up."""
        if not patch.operations:
            return
        own = driver.places(workload)[0]
        resource, name = (patch.resource, patch.name) if patch.resource is not None else own
        place = RequestTarget(resource, workload.key.namespace, name, patch.subresource)
        seen = await self._client.json_patch(place, list(patch.operations), timeout=timeout)
        if give_up and not patch.subresource:
            await self._disown(place, seen)

    async def _remove(self, driver: Driver, workload: Workload, change: RemovePod, timeout: float) -> str:
        """Delete this very pod, which is broken as it was just read, or none.

        A deletion can test its pod alone. So the workload is read after the pod, as the last thing before it.
        """
        place = RequestTarget(PODS, workload.key.namespace, change.name)
        for attempt in range(1, _ATTEMPTS + 1):
            version = await self._broken(place, change.uid, timeout)
            if not version:
                return f"the pod {change.name} is gone or no longer broken"
            live = await self._live(driver, workload, timeout)
            driver.check(live, workload, "")
            plan = driver.planned(live, workload, change, {})
            try:
                await self._client.delete(place, uid=change.uid, version=version, timeout=timeout)
            except NotFoundError:
                return f"the pod {change.name} is gone"
            except ConflictError:
                if attempt == _ATTEMPTS:
                    raise
                continue
            return plan.sentence
        raise AssertionError("the last attempt returns or raises")

    async def _broken(self, place: RequestTarget, uid: str, timeout: float) -> str:
        """The version of the pod where it is there and not ready; else empty."""
        try:
            raw = await self._client.get(place, timeout=timeout)
        except NotFoundError:
            return ""
        pod = trim_pod(raw).pod
        broken = pod.uid == uid and not pod.ready and not pod.deleting
        return text(mapping(raw.get("metadata")).get("resourceVersion")) if broken else ""

    async def _disown(self, place: RequestTarget, live: RawObject) -> None:
        """Give up our claim on what was written; without it the change stands all the same."""
        try:
            await self._give_up(place, live)
        except ClusterError:
            try:  # A controller wrote its status in between, and with it the list of entries.
                await self._give_up(place, await self._client.get(place, timeout=_CLEANUP_TIMEOUT))
            except ClusterError as error:
                log.warning("our managedFields entry of %s stays: %s", place, error)

    async def _give_up(self, place: RequestTarget, live: RawObject) -> None:
        operations = patches.disown(live, MANAGER)
        if operations:
            await self._client.json_patch(place, list(operations), timeout=_CLEANUP_TIMEOUT)

    async def _stored(self, driver: Driver, workload: Workload, target: RevisionRef, timeout: float) -> Json:
        """The object that holds the target's template, read afresh."""
        known = workload.revision(target.digest)
        name = known.stored_in.name if known and known.stored_in else driver.stored(workload, target)
        gone = f"the template of {target} is gone: no object of {workload.key} holds it"
        if not name:
            raise NotFoundError(gone, reason="TargetGone", status=404)
        try:
            place = RequestTarget(driver.history, workload.key.namespace, name)
            stored = await self._client.get(place, timeout=timeout)
        except NotFoundError as error:
            raise NotFoundError(gone, reason="TargetGone", status=404) from error
        owner = controller_of(mapping(stored.get("metadata")))[2]
        if (
            owner not in {workload.uid, *(part.uid for part in workload.parts)}
            or driver.digests(stored)[0] != target.digest
        ):
            raise NotFoundError(gone, reason="TargetGone", status=404)
        return stored

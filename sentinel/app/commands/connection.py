"""The connection to the cluster that the flags of a command give."""

import asyncio
import os
from collections.abc import AsyncIterator, Collection, Coroutine, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import TypeVar

from sentinel.adapters.kubernetes.api.access import load_access
from sentinel.adapters.kubernetes.api.client import UNOBSERVED, ApiClient, ExchangeObserver
from sentinel.adapters.kubernetes.api.context import current_namespace
from sentinel.adapters.kubernetes.inspect.reading import ClusterReader
from sentinel.adapters.kubernetes.workloads.changer import WorkloadChanger
from sentinel.app.commands.flags import Place
from sentinel.app.commands.naming import workload_name
from sentinel.domain.errors import ConfigurationError, ForbiddenError, NotFoundError
from sentinel.domain.record.record import Record
from sentinel.domain.workload.facts import Workload, WorkloadKey
from sentinel.domain.workload.kinds import MEMBER_KIND, PAIRED, USUAL_KIND
from sentinel.domain.workload.pairing import Pairing
from sentinel.ports import SystemClock
from sentinel.values import dataclass

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ClusterConnection:
    """An open connection to the cluster, and what reads and changes it."""

    place: Place
    client: ApiClient
    reader: ClusterReader
    changer: WorkloadChanger

    async def workload(
        self, name: str, *, pods: bool = False, pairings: Collection[Pairing] | None = None
    ) -> Workload:
        """The workload of this name, or the pair that it is a member of. Raises NotFoundError.

        Without `pairings` those of rollouts on record count.
        """
        named = workload_name(name)
        key = WorkloadKey(named.kind or USUAL_KIND, self.place.namespace, named.name)
        if pairings is None and key.kind in (MEMBER_KIND, *PAIRED):
            pairings = await self._pairings()
        return await self.reader.workload(key, pods=pods, pairings=pairings or ())

    async def _pairings(self) -> tuple[Pairing, ...]:
        """The pairs of rollouts on record; none where there are no records, or we may not read them."""
        try:
            return pairings_on_record(await self.reader.records(self.place.namespace))
        except (ForbiddenError, NotFoundError):
            return ()

    async def records(self, workload: Workload) -> tuple[Record, ...]:
        """The records of this very workload (by uid), newest first."""
        found = await self.reader.records(workload.key.namespace, workload.key.name)
        return tuple(record for record in found if record.workload_uid == workload.uid)


def pairings_on_record(records: Iterable[Record]) -> tuple[Pairing, ...]:
    """The pairs that policies of rollouts on record make, as the newest of these records, which come first, have it."""
    newest: dict[WorkloadKey, Record] = {}
    for record in records:
        if record.key.kind in PAIRED:
            newest.setdefault(record.key, record)
    if not newest:
        return ()
    from sentinel.policies.load import restore

    found = []
    for key, record in newest.items():
        with suppress(ConfigurationError):
            pairing = restore(record.policy_document).strategy.pairing
            if pairing is not None:
                found.append(replace(pairing, namespaces=(key.namespace,)))
    return tuple(found)


def place(namespace: str, context: str, kubeconfig: str, *, everywhere: bool = False) -> Place:
    """The place that the flags name."""
    chosen = "" if everywhere else namespace
    if not chosen and not everywhere:
        chosen = current_namespace(kubeconfig or None, context or None, os.environ)
    return Place(chosen, kubeconfig or None, context or None)


@asynccontextmanager
async def connected(at: Place, observer: ExchangeObserver = UNOBSERVED) -> AsyncIterator[ClusterConnection]:
    """A connection for the length of one command. Raises ConfigurationError for a kubeconfig that cannot be used."""
    access = await load_access(at.kubeconfig, at.context, SystemClock())
    async with ApiClient(access, observer) as client:
        yield ClusterConnection(at, client, ClusterReader(client), WorkloadChanger(client))


async def find_record(cluster: ClusterConnection, name: str) -> Record:
    """The record of this name, else the newest of the workload of this name.

    The workload itself may be gone: its history stays. Raises NotFoundError if neither exists.
    """
    records = await cluster.reader.records(cluster.place.namespace)
    exact = next((record for record in records if record.name == name), None)
    named = workload_name(name)
    found = exact or next((r for r in records if named.fits(r.key.kind, r.key.name)), None)
    if found is None:
        raise NotFoundError(
            f"namespace {cluster.place.namespace} has neither a RolloutRecord {name} nor one of a workload "
            f"{named.name}",
            reason="NotFound",
            status=404,
        )
    return found


def run(work: Coroutine[object, object, T]) -> T:
    """Run a command's work to its end."""
    return asyncio.run(work)

"""Kubernetes Events on the workloads, beside the critical path: best effort, bounded."""

import asyncio
import logging

from sentinel.domain.errors import ClusterError
from sentinel.domain.record.entries import DecisionEntry
from sentinel.domain.words import deed
from sentinel.domain.workload.facts import Workload
from sentinel.ports import Cluster
from sentinel.runtime.logfields import about_workload
from sentinel.values import dataclass

log = logging.getLogger(__name__)

MAX_WAITING = 1_000


@dataclass(frozen=True, slots=True)
class _Announcement:
    workload: Workload
    entry: DecisionEntry


class Announcements:
    """Writes one Event per decision. An Event that cannot be written is logged and dropped: the record has it all."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._waiting: asyncio.Queue[_Announcement] = asyncio.Queue(MAX_WAITING)

    def announce(self, workload: Workload, entry: DecisionEntry) -> None:
        """Have the decision announced on its workload."""
        try:
            self._waiting.put_nowait(_Announcement(workload, entry))
        except asyncio.QueueFull:
            log.warning("event dropped: the queue is full", extra=about_workload(workload.key))

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            one = await self._waiting.get()
            entry = one.entry
            reason = "Sentinel" + "".join(word.capitalize() for word in deed(entry).split("-"))
            message = f"{entry.reason}: {entry.message}"
            warning = entry.escalated or entry.action.value == "undo"
            try:
                await self._cluster.announce(one.workload, reason, message, warning=warning)
            except ClusterError as error:
                log.warning("event not written: %s", error, extra=about_workload(one.workload.key))

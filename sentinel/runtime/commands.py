"""The commands of humans, oldest first, each answered once; what they come to is decided by the engine."""

import logging
from collections.abc import Callable, Iterable

from sentinel.domain.command import Command, CommandPhase
from sentinel.domain.workload import WorkloadKey
from sentinel.ports import Clock, CommandStore, Telemetry
from sentinel.runtime.fence import Fence, fenced

log = logging.getLogger(__name__)

KEPT = 20
"""So many commands of a workload are kept once they were answered, for people to read."""


class CommandDesk:
    """What waits to be done for a workload, and the answers."""

    def __init__(self, store: CommandStore, clock: Clock, telemetry: Telemetry, fence: Fence) -> None:
        self._store = store
        self._clock = clock
        self._telemetry = telemetry
        self._fence = fence

    def subscribe(self, listener: Callable[[WorkloadKey], None]) -> None:
        """Call the listener whenever a command for a workload came in."""
        self._store.subscribe(listener)

    def workloads(self) -> Iterable[WorkloadKey]:
        """The workloads for which something waits."""
        return [key for key in self._store.workloads() if self.next(key) is not None]

    def next(self, key: WorkloadKey) -> Command | None:
        """The oldest command for this workload that has no answer yet."""
        commands = self._store.of_workload(key)
        return next((command for command in commands if command.phase is CommandPhase.PENDING), None)

    async def answer(self, command: Command, phase: CommandPhase, message: str) -> None:
        """Write down what became of a command, and drop answered ones that are too many. Raises ClusterError."""
        now = self._clock.now()
        await fenced(self._fence, lambda _limit: self._store.answer(command, phase, message, now))
        self._telemetry.count("commands_total", action=command.action.value, outcome=phase.value.lower())
        log.info("%s: %s: %s", command, phase, message, extra={"workload": str(command.key)})
        await self._prune(command.key)

    async def refuse_all(self, key: WorkloadKey, why: str) -> None:
        """Answer whatever waits for a workload of which nothing can be asked."""
        while (command := self.next(key)) is not None:
            await self.answer(command, CommandPhase.REFUSED, why)

    async def _prune(self, key: WorkloadKey) -> None:
        answered = [c for c in self._store.of_workload(key) if c.phase is not CommandPhase.PENDING]
        for command in answered[:-KEPT]:
            await self._store.delete(command)

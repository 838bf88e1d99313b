"""The commands of humans, oldest first, each answered once; what they come to is decided by the engine."""

import logging
from collections.abc import Callable, Iterable

from sentinel.domain.command import Command, CommandPhase
from sentinel.domain.errors import ClusterError
from sentinel.domain.workload.facts import WorkloadKey
from sentinel.metric_names import MetricName
from sentinel.ports import Clock, CommandStore, Telemetry
from sentinel.runtime.fence import Fence, fenced
from sentinel.runtime.logfields import about_workload

log = logging.getLogger(__name__)

KEPT = 20
"""So many commands of a workload are kept once they were answered, for people to read."""


class CommandHandler:
    """What waits to be done for a workload, and the answers."""

    def __init__(self, store: CommandStore, clock: Clock, telemetry: Telemetry, fence: Fence) -> None:
        self._store = store
        self._clock = clock
        self._telemetry = telemetry
        self._fence = fence
        self._unanswerable: set[str] = set()

    def subscribe(self, listener: Callable[[WorkloadKey], None]) -> None:
        """Call the listener whenever a command for a workload came in."""
        self._store.subscribe(listener)

    def workloads(self) -> Iterable[WorkloadKey]:
        """The workloads for which something waits."""
        return [key for key in self._store.workloads() if self.next(key) is not None]

    def next(self, key: WorkloadKey) -> Command | None:
        """The oldest command for this workload that has no answer yet, and may get one."""
        commands = self._store.of_workload(key)
        return next((command for command in commands if self._waits(command)), None)

    def _waits(self, command: Command) -> bool:
        return command.phase is CommandPhase.PENDING and command.uid not in self._unanswerable

    async def answer(self, command: Command, phase: CommandPhase, message: str, refusal: str = "") -> None:
        """Write the outcome of a command into it, and drop the oldest answered commands beyond the limit.

        Raises ClusterError where a retry can help. Where a retry cannot help, e.g. a permission is missing, the
        command is ignored from now on: a command that cannot be answered must not keep rollouts from being judged.
        """
        now = self._clock.now()
        try:
            await fenced(
                self._fence,
                command.key.namespace,
                lambda _limit: self._store.answer(command, phase, message, now, refusal),
            )
            await self._prune(command.key)
        except ClusterError as error:
            if error.retryable:
                raise
            self._unanswerable.add(command.uid)
            log.error("%s was %s, but the answer was not written: %s", command, phase, error)
        self._telemetry.count(
            MetricName.COMMANDS_TOTAL, action=command.action.value, outcome=phase.value.lower()
        )
        log.info("%s: %s: %s", command, phase, message, extra=about_workload(command.key))

    async def _prune(self, key: WorkloadKey) -> None:
        answered = [c for c in self._store.of_workload(key) if c.phase is not CommandPhase.PENDING]
        for command in answered[:-KEPT]:
            await self._store.delete(command)

"""The long-running tasks of the daemon: started together, watched, and ended in order."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from sentinel.ports import Clock

log = logging.getLogger(__name__)

RESTART_AFTER = 1.0


class Supervisor:
    """Runs tasks that should never end. One that ends or fails is logged and started again after a second."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tasks: list[asyncio.Task[None]] = []
        self.restarts: dict[str, int] = {}

    def start(self, tasks: Mapping[str, Callable[[], Awaitable[None]]]) -> None:
        """Start these, each by its name."""
        for name, run in tasks.items():
            task = asyncio.get_running_loop().create_task(self._keep_running(name, run), name=name)
            self._tasks.append(task)

    async def _keep_running(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await run()
                log.error("%s ended unexpectedly; restarting it", name)
            except Exception:
                log.exception("%s failed; restarting it", name)
            self.restarts[name] = self.restarts.get(name, 0) + 1
            await self._clock.sleep(RESTART_AFTER)

    @property
    def ended(self) -> list[str]:
        """A sentence for each task that is no longer running."""
        return [f"{task.get_name()} is not running" for task in self._tasks if task.done()]

    async def stop(self) -> None:
        """Cancel all of them and wait for their ends."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

"""Tasks that should never end are started again, and end together."""

from __future__ import annotations

import asyncio

from sentinel.runtime.supervisor import Supervisor
from tests.runtime.doubles import LoopClock


async def test_a_task_that_fails_or_ends_is_started_again() -> None:
    """After a second, and counted."""
    supervisor, began = Supervisor(LoopClock()), []

    async def flaky() -> None:
        began.append(asyncio.get_running_loop().time())
        if len(began) == 1:
            raise ValueError("a defect")
        if len(began) == 3:
            await asyncio.sleep(3600)

    supervisor.start({"flaky": flaky})
    await asyncio.sleep(10)
    assert [round(at - began[0]) for at in began] == [0, 1, 2]
    assert (supervisor.restarts, supervisor.ended) == ({"flaky": 2}, [])
    await supervisor.stop()


async def test_a_task_that_was_cancelled_from_outside_is_named() -> None:
    """Only a restart of the process mends that."""
    supervisor = Supervisor(LoopClock())
    supervisor.start({"passes": lambda: asyncio.sleep(3600)})
    await asyncio.sleep(1)
    next(task for task in asyncio.all_tasks() if task.get_name() == "passes").cancel()
    await asyncio.sleep(1)
    assert supervisor.ended == ["passes is not running"]
    await supervisor.stop()


async def test_a_stop_ends_every_task() -> None:
    """And waits until they did."""
    supervisor, ended = Supervisor(LoopClock()), []

    async def careful() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append(True)

    supervisor.start({"one": careful, "two": careful})
    await asyncio.sleep(1)
    await supervisor.stop()
    assert ended == [True, True]
    assert supervisor.ended == []

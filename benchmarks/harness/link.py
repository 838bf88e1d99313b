"""Child processes of a benchmark, and the messages exchanged with them: tuples over a pipe, read on the event loop."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

Message = tuple[Any, ...]
_SPAWN = multiprocessing.get_context("spawn")
_STOP_SECONDS = 10.0


class Link:
    """One end of a pipe. `ended` is set when the other end is gone."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._loop: asyncio.AbstractEventLoop | None = None
        self.ended = asyncio.Event()

    def send(self, *message: Any) -> None:
        """Send a message; one to a process that has gone is lost."""
        try:
            self._connection.send(message)
        except (BrokenPipeError, ConnectionResetError):
            self.ended.set()

    def listen(self, heed: Callable[[Message], None]) -> None:
        """Call `heed` with each message from now on; needs a running event loop."""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._connection.fileno(), self._read, heed)

    async def until(self, told: asyncio.Event) -> None:
        """Wait for what a message tells. Raises RuntimeError where the other end is gone before."""
        waits = [asyncio.create_task(each.wait()) for each in (told, self.ended)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()
        if not told.is_set():
            raise RuntimeError("the process at the other end ended before it had told anything")

    def close(self) -> None:
        """Listen no more."""
        if self._loop is not None:
            self._loop.remove_reader(self._connection.fileno())
            self._loop = None

    def _read(self, heed: Callable[[Message], None]) -> None:
        try:
            while self._connection.poll():
                heed(self._connection.recv())
        except (EOFError, ConnectionResetError):
            self.close()
            self.ended.set()


class Child:
    """A process that runs `main(connection, *arguments)`, and the link to it."""

    def __init__(self, main: Callable[..., None], *arguments: Any) -> None:
        ours, theirs = _SPAWN.Pipe()
        self.link = Link(ours)
        self._process: BaseProcess = _SPAWN.Process(target=main, args=(theirs, *arguments), daemon=True)
        self._process.start()
        theirs.close()

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process.pid is not None
        return self._process.pid

    def stop(self) -> None:
        """Ask it to stop, and end it where it does not."""
        self.link.send("stop")
        self.link.close()
        self._process.join(_STOP_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

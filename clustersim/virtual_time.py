"""An asyncio event loop on virtual time: a day of sleeping takes milliseconds, real sockets still work.

The clock of `VirtualTimeLoop` stands still while anything can run and jumps to the next timer when nothing
can. "Nothing can run" means: no callback is ready, no socket is readable or writable, and no executor job is
under way. Peers must live in the same process: what one side sends over the loopback is at once readable by
the other. What connects to a server of the same loop is joined to it in memory: the same bytes, and no system call
for them; a loop with `sockets` makes these connections over the loopback too.

Executor jobs (`run_in_executor`, `asyncio.to_thread`, name resolution) take real time in which the virtual
clock stands still. A job that takes longer than `job_grace` real seconds makes the clock flow at real speed
until it ends, so that a deadline on a hung job still fires.
"""

from __future__ import annotations

import asyncio
import os
import selectors
import threading
import time
import weakref
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Executor
from contextvars import ContextVar, copy_context
from datetime import UTC, datetime, timedelta
from socket import socket
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple, Unpack

from clustersim.connections import Address, ListeningServer, ProtocolFactory, connect

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike as FileObject

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

DEFAULT_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
"""The wall-clock time of virtual second 0, unless the caller names another."""

_JOB_SLICE = 0.002
_FAR_JUMP = 0.25
_POLLS_BEFORE_FAR_JUMP = 3
_OWN_SOCKETS = 1
_SOCKETS: ContextVar[bool] = ContextVar("sockets", default=False)
"""Whether what is connected now needs a socket, also where a server of the same loop listens."""


class VirtualTimeDeadlockError(RuntimeError):
    """Nothing can ever happen again: no timer is set and no I/O arrived for the allowed real time."""


class _VirtualSelector(selectors.BaseSelector):
    """Wraps the real selector; waits in virtual time."""

    def __init__(self, deadlock_after: float, job_grace: float) -> None:
        self._real = selectors.DefaultSelector()
        self._deadlock_after = deadlock_after
        self._job_grace = job_grace
        self._jobs_since: float | None = None
        self._jobs = 0
        self._silent: set[int] = set()
        self.now = 0.0

    def job_started(self) -> None:
        """Counts an executor job; the clock does not jump until it has finished."""
        self._jobs += 1
        if self._jobs_since is None:
            self._jobs_since = time.monotonic()

    def job_finished(self) -> None:
        """Takes an executor job back out of the count."""
        self._jobs -= 1
        self._jobs_since = time.monotonic() if self._jobs else None

    def silent(self, descriptor: int) -> None:
        """Of a registered socket: nothing is under way on it unless an executor job is."""
        if descriptor >= 0 and descriptor in self._real.get_map():
            self._silent.add(descriptor)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Real I/O if there is any; else lets virtual time pass, at most `timeout` seconds of it."""
        events = self._real.select(0)
        if events or (timeout is not None and timeout <= 0):
            return events
        if self._jobs:
            return self._wait_for_jobs(timeout)
        if timeout is None:
            return self._wait_for_io()
        if timeout >= _FAR_JUMP and len(self._real.get_map()) > _OWN_SOCKETS + len(self._silent):
            for _ in range(_POLLS_BEFORE_FAR_JUMP):
                os.sched_yield()  # the kernel may still be carrying loopback data to its reader
                events = self._real.select(0)
                if events:
                    return events
        self.now += timeout
        return []

    def _wait_for_jobs(self, timeout: float | None) -> list[tuple[selectors.SelectorKey, int]]:
        began = time.monotonic()
        patience = _JOB_SLICE if timeout is None else min(_JOB_SLICE, timeout)
        events = self._real.select(patience)
        if self._jobs_since is not None and began - self._jobs_since > self._job_grace:
            passed = time.monotonic() - began
            self.now += passed if timeout is None else min(passed, timeout)
        return events

    def _wait_for_io(self) -> list[tuple[selectors.SelectorKey, int]]:
        events = self._real.select(self._deadlock_after)
        if not events:
            raise VirtualTimeDeadlockError(
                f"no timer is set and no I/O arrived within {self._deadlock_after:g} real seconds: "
                f"everything waits for something that cannot come. Waiting tasks: {_waiting_tasks()}"
            )
        return events

    def register(self, fileobj: FileObject, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: FileObject) -> selectors.SelectorKey:
        key = self._real.unregister(fileobj)
        self._silent.discard(key.fd)
        return key

    def modify(self, fileobj: FileObject, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_key(self, fileobj: FileObject) -> selectors.SelectorKey:
        return self._real.get_key(fileobj)

    def get_map(self) -> Mapping[FileObject, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()


def _waiting_tasks() -> str:
    try:
        tasks = asyncio.all_tasks()
    except RuntimeError:  # not called from inside the loop
        return "unknown"
    return ", ".join(sorted(task.get_name() for task in tasks)) or "none"


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose `time()` is virtual and starts at 0.

    `deadlock_after`: real seconds without a timer or I/O after which `VirtualTimeDeadlockError` is raised.
    `job_grace`: real seconds an executor job may take before the virtual clock flows along with it.
    `sockets`: whether connections to servers of this loop go over the loopback too.
    """

    def __init__(
        self, *, deadlock_after: float = 20.0, job_grace: float = 3.0, sockets: bool = False
    ) -> None:
        self._virtual = _VirtualSelector(deadlock_after, job_grace)
        self._sockets = sockets
        self._served: dict[Address, ListeningServer] = {}
        self._unconnected: weakref.WeakKeyDictionary[socket, Any] = weakref.WeakKeyDictionary()
        super().__init__(self._virtual)

    @property
    def over_sockets(self) -> bool:
        """Whether connections to servers of this loop go over the loopback too."""
        return self._sockets

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._virtual.now

    async def create_server(
        self, protocol_factory: ProtocolFactory, *arguments: Any, ssl: Any = None, **how: Any
    ) -> asyncio.Server:
        """As the base class does; what connects to it from this loop needs no socket, unless it speaks TLS."""
        server: asyncio.Server = await super().create_server(protocol_factory, *arguments, ssl=ssl, **how)
        if not ssl and not self._sockets:
            for each in server.sockets:
                self._served[each.getsockname()[:2]] = ListeningServer(
                    server, protocol_factory, copy_context()
                )
                self._virtual.silent(each.fileno())
        return server

    def _make_socket_transport(self, sock: socket, *arguments: Any, server: Any = None, **how: Any) -> Any:
        """As the base class does. What connects to a server that is joined in memory, over a socket, is a job."""
        made = super()._make_socket_transport(sock, *arguments, server=server, **how)  # type: ignore[misc]
        if server is not None and sock.getsockname()[:2] in self._served:
            self.call_soon(lambda: self._virtual.silent(sock.fileno()))  # it is registered by then
        return made

    async def sock_connect(self, sock: socket, address: Any) -> None:
        """As the base class does; to a server of this loop only when it is known what for."""
        if self._listener(address) is None or _SOCKETS.get():
            await super().sock_connect(sock, address)
        else:
            self._unconnected[sock] = address

    async def create_connection(
        self, protocol_factory: Any, *arguments: Any, sock: socket | None = None, ssl: Any = None, **how: Any
    ) -> Any:
        """As the base class does; in memory where a server of this loop listens and neither side wants TLS."""
        address = self._unconnected.pop(sock, None) if sock is not None else arguments[:2]
        listener = self._listener(address) if address else None
        if listener is not None and not ssl:
            if sock is not None:
                sock.close()
            return connect(self, protocol_factory, listener, (address[0], address[1]))
        token = _SOCKETS.set(True)
        try:
            if sock is not None and address:
                await super().sock_connect(sock, address)
            return await super().create_connection(protocol_factory, *arguments, sock=sock, ssl=ssl, **how)
        finally:
            _SOCKETS.reset(token)

    def _listener(self, address: Any) -> ListeningServer | None:
        listener = self._served.get(address[:2])
        return listener if listener is not None and listener.server.is_serving() else None

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """As the base class does; the clock does not jump until the returned future is done."""
        future = super().run_in_executor(executor, func, *args)
        self._count(future)
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Waits, in real time, for the default executor's threads to end."""
        executor = getattr(self, "_default_executor", None)
        if executor is None:
            return
        self._executor_shutdown_called = True
        done: asyncio.Future[None] = self.create_future()
        self._count(done)

        def shut_down() -> None:
            executor.shutdown(wait=True)
            self.call_soon_threadsafe(done.set_result, None)

        thread = threading.Thread(target=shut_down)
        thread.start()
        await done
        thread.join()

    def _count(self, future: asyncio.Future[Any]) -> None:
        self._virtual.job_started()
        future.add_done_callback(lambda _: self._virtual.job_finished())


def run(main: Coroutine[Any, Any, T], *, deadlock_after: float = 20.0) -> T:
    """Runs a coroutine to its end on a new `VirtualTimeLoop`, as `asyncio.run` does on a real one."""
    with asyncio.Runner(loop_factory=lambda: VirtualTimeLoop(deadlock_after=deadlock_after)) as runner:
        return runner.run(main)


def wall_clock(
    loop: asyncio.AbstractEventLoop | None = None, epoch: datetime = DEFAULT_EPOCH
) -> Callable[[], datetime]:
    """A `now` that follows the loop's time: virtual on a virtual loop, real seconds on any other.

    `epoch` is what it says at the moment of this call. Without `loop`, the running one.
    """
    followed = loop or asyncio.get_running_loop()
    start = followed.time()

    def now() -> datetime:
        return epoch + timedelta(seconds=followed.time() - start)

    return now

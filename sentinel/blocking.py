"""Blocking calls without blocking the event loop: a bounded pool of threads, and answers shared by all who ask.

A thread cannot be cancelled. So in a pool a call that was given up keeps its slot until it has really ended, and the
pool refuses new calls rather than let them pile up behind a server that hangs.
"""

import asyncio  # noqa: TID251 - a tool of the adapters, outside the pure core
import logging  # noqa: TID251 - the same
import math
import threading
import traceback
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial
from typing import Generic, ParamSpec, Protocol, TypeVar, TypeVarTuple, Unpack

from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import MissingReason

P = ParamSpec("P")
_log = logging.getLogger(__name__)

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
K = TypeVar("K", bound=Hashable)

HEAVY = 1000
"""So many samples take a millisecond or two to work through: with fewer, a thread costs more than it saves."""


class PoolBusyError(Exception):
    """Every thread is taken and as many calls as may wait are waiting."""


class PoolClosedError(Exception):
    """The pool takes no more calls."""


class BlockingPool:
    """At most `threads` blocking calls at once, and at most `waiting` more in line.

    `run` ends at its deadline whatever the call does.
    """

    def __init__(self, name: str, *, threads: int = 4, waiting: int = 64) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._limit = threads + waiting
        self._lock = threading.Lock()
        self._taken = 0
        self._closed = False

    @property
    def taken(self) -> int:
        """Calls that run or wait now, those given up by their callers included."""
        return self._taken

    async def run(self, call: Callable[[], T], *, deadline: float) -> T:
        """The call's result, or its error.

        Raises TimeoutError after `deadline` seconds (time in line counts), PoolBusyError, PoolClosedError.
        """
        if self._closed:
            raise PoolClosedError
        self._take_slot()
        given_up = threading.Event()
        job = asyncio.get_running_loop().run_in_executor(self._executor, self._work, call, given_up)
        job.add_done_callback(_retrieve)
        try:
            # Not asyncio.timeout: what it raises holds the task, which would hold what it raised.
            if not (await asyncio.wait({job}, timeout=deadline))[0]:
                raise TimeoutError
            return job.result()
        finally:
            given_up.set()
            del job  # it holds the error, whose traceback holds this frame

    def close(self) -> None:
        """Take no more calls. Those in line end unmade, those under way end on their own."""
        self._closed = True
        self._executor.shutdown(wait=False)

    def _take_slot(self) -> None:
        with self._lock:
            if self._taken >= self._limit:
                raise PoolBusyError
            self._taken += 1

    def _work(self, call: Callable[[], T], given_up: threading.Event) -> T:
        try:
            if self._closed or given_up.is_set():
                raise PoolClosedError
            return call()
        except BaseException as error:
            _empty_frames(error)
            raise
        finally:
            with self._lock:
                self._taken -= 1


async def computed(weight: int, compute: Callable[[Unpack[Ts]], T], *arguments: *Ts) -> T:
    """What a computation over so many samples comes to, made in a thread where the event loop would feel it."""
    if weight < HEAVY:
        return compute(*arguments)
    return await asyncio.to_thread(compute, *arguments)


class Together(Protocol):
    """Awaits several questions; returns their answers in the same order."""

    def __call__(self, *questions: Awaitable[T]) -> Awaitable[Sequence[T]]:
        """The answers."""
        ...


def side_by_side(*questions: Awaitable[T]) -> Awaitable[Sequence[T]]:
    """All at once: for servers, whose answers take a while."""
    return asyncio.gather(*questions)


async def in_turn(*questions: Awaitable[T]) -> Sequence[T]:
    """One after the other: what is answered at once, from memory, needs no tasks."""
    return [await question for question in questions]


def on_own_thread(call: Callable[[], T], name: str) -> "asyncio.Future[T]":
    """The outcome of a call on a separate thread, for what may hang forever: files on a file system that is gone.

    Unlike the event loop's own threads it does not keep the process from ending. A caller that stops waiting (with
    `asyncio.shield`, as the future must not be cancelled) decides whether to begin another.
    """
    outcome = asyncio.get_running_loop().run_in_executor(_OwnThread(name), call)
    outcome.add_done_callback(_retrieve)
    return outcome


class _OwnThread(Executor):
    """A daemon thread for each call, which the interpreter does not wait for as it does for those of pools."""

    def __init__(self, name: str) -> None:
        self._name = name

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Begin the call."""
        outcome: Future[T] = Future()

        def work() -> None:
            try:
                found = fn(*args, **kwargs)
            except BaseException as error:
                outcome.set_exception(error)
            else:
                outcome.set_result(found)

        threading.Thread(target=work, name=self._name, daemon=True).start()
        return outcome


async def ask_source(pool: BlockingPool, call: Callable[[], T], *, deadline: float, source: str) -> T:
    """A call to a metrics source, whose name with its place is `source`: what the pool says becomes a SourceError."""
    try:
        return await pool.run(call, deadline=deadline)
    except TimeoutError as error:
        message = f"{source} did not answer within {deadline:g} s."
        raise SourceError(message, reason=MissingReason.SOURCE_TIMEOUT) from error
    except PoolBusyError as error:
        message = f"Too many questions to {source} are waiting already; not asked."
        raise SourceError(message, reason=MissingReason.NOT_ASKED, asked=False) from error
    except PoolClosedError as error:
        message = f"The daemon is stopping; {source} is no longer queried."
        raise SourceError(message, reason=MissingReason.SOURCE_UNREACHABLE) from error
    except SourceError:
        raise
    except Exception as error:
        # What a client's library raises of answers and credentials that nobody foresaw: told, and named.
        _log.exception("%s could not be asked", source)
        message = f"{source} could not be asked: {type(error).__name__}."
        raise SourceError(message, reason=MissingReason.SOURCE_REFUSED) from error


def _empty_frames(error: BaseException | None) -> None:
    """Drop the local variables of the calls that have failed: among them are whole answers and connections.

    Libraries keep errors in variables, which makes cycles that nothing but a walk over the whole heap would find.
    """
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def _retrieve(job: "asyncio.Future[T]") -> None:
    """Look at the outcome of a job whose caller has gone, so that asyncio does not complain of it."""
    if not job.cancelled():
        job.exception()


class SharedAnswers(Generic[K, T]):
    """Asks each question once: those who ask the same while it is under way share the answer, and the newest
    answers are remembered. Failures are shared by those who wait and not remembered.

    `weigh` gives the size of an answer; all that are remembered weigh at most `capacity` together. An answer that
    nobody has asked for within `keep` seconds is forgotten, whether or not anything else is asked. `at_once`: the
    answers are there at once, so that nobody waits and could share.
    """

    def __init__(
        self,
        *,
        capacity: int,
        weigh: Callable[[T], int] = lambda _: 1,
        keep: float = math.inf,
        at_once: bool = False,
    ) -> None:
        self._capacity = capacity
        self._weigh = weigh
        self._keep = keep
        self._at_once = at_once
        self._weight = 0
        self._remembered: OrderedDict[K, tuple[float, T]] = OrderedDict()
        self._asking: dict[K, asyncio.Task[T]] = {}
        self._sweeps = False

    async def get(self, key: K, ask: Callable[[], Awaitable[T]]) -> T:
        """The answer of this question; `ask` is called if nobody has it or is at it."""
        known = self._remembered.get(key)
        if known is not None:
            self._remembered[key] = (asyncio.get_running_loop().time(), known[1])
            self._remembered.move_to_end(key)
            return known[1]
        if self._at_once:
            return self._remember(key, await ask())
        task = self._asking.get(key)
        if task is None:
            task = asyncio.ensure_future(self._ask(key, ask))
            task.add_done_callback(_retrieve)
            task.add_done_callback(partial(self._no_longer_asking, key))
            self._asking[key] = task
        try:
            return await asyncio.shield(task)
        finally:
            del task  # it holds the error, whose traceback holds this frame

    async def _ask(self, key: K, ask: Callable[[], Awaitable[T]]) -> T:
        try:
            answer = await ask()
        finally:
            self._asking.pop(key)
        return self._remember(key, answer)

    def _remember(self, key: K, answer: T) -> T:
        self._remembered[key] = (asyncio.get_running_loop().time(), answer)
        self._weight += self._weigh(answer)
        while self._weight > self._capacity and len(self._remembered) > 1:
            self._forget_oldest()
        if not self._sweeps and self._keep < math.inf:
            self._sweep()
        return answer

    def _no_longer_asking(self, key: K, task: asyncio.Task[T]) -> None:
        """One that was cancelled before its first step has not cleaned up, and would cancel all who ask later."""
        if self._asking.get(key) is task:
            del self._asking[key]

    def _sweep(self) -> None:
        """Forget what is too old, and come again when the oldest of the others will be."""
        loop = asyncio.get_running_loop()
        while self._remembered:
            used_at, _ = next(iter(self._remembered.values()))
            if loop.time() < used_at + self._keep:
                loop.call_at(used_at + self._keep, self._sweep)
                break
            self._forget_oldest()
        self._sweeps = bool(self._remembered)

    def _forget_oldest(self) -> None:
        _, (_, oldest) = self._remembered.popitem(last=False)
        self._weight -= self._weigh(oldest)

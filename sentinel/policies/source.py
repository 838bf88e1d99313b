"""The rule set in force, and how it is exchanged for an edited one."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from sentinel.blocking import on_own_thread
from sentinel.bounded import BoundedDict
from sentinel.domain.errors import ConfigurationError
from sentinel.domain.policy.policy import Policy
from sentinel.policies.convert import digest_of
from sentinel.policies.load import DEFAULTS, Options, PolicySet, describe, load, restore, rule_files
from sentinel.policies.mistakes import PolicyError

log = logging.getLogger(__name__)

DEBOUNCE_MILLISECONDS = 500
CHECK_SECONDS = 30.0
"""Edits that the file system does not report (a network file system, a folder created again) are seen this soon."""
MAX_RESTORED = 1024


class FilePolicySource:
    """Holds the set in force. An edit is taken as a whole or not at all."""

    def __init__(self, paths: Iterable[Path | str], current: PolicySet, options: Options = DEFAULTS) -> None:
        self._paths = tuple(paths)
        self._current = current
        self._options = options
        self._restored: BoundedDict[str, Policy] = BoundedDict(MAX_RESTORED)
        self._seen = fingerprint(self._paths)

    @classmethod
    def open(cls, paths: Iterable[Path | str], options: Options = DEFAULTS) -> "FilePolicySource":
        """The source with its first set. Raises ConfigurationError that lists every mistake."""
        paths = tuple(paths)
        result = load(paths, options)
        if isinstance(result, PolicySet):
            return cls(paths, result, options)
        raise ConfigurationError(describe(result))

    @property
    def current(self) -> PolicySet:
        """The set in force."""
        return self._current

    def policies(self) -> tuple[Policy, ...]:
        """All policies in force."""
        return self._current.policies

    def reload(self) -> list[PolicyError]:
        """Read the files again: none wrong, and the new set is in force; else the last good one stays.

        Reads files: call it in a thread, or use `refresh`.
        """
        self._seen = fingerprint(self._paths)
        result = load(self._paths, self._options)
        if isinstance(result, PolicySet):
            self._current = result
            return []
        return result

    def reload_edited(self) -> list[PolicyError] | None:
        """Reload if a file changed, came or went since they were read last; None where none did."""
        return None if fingerprint(self._paths) == self._seen else self.reload()

    def restore(self, document: Mapping[str, object]) -> Policy:
        """The policy that a rollout began with. Raises ConfigurationError when it no longer loads."""
        key = digest_of(document)
        if key not in self._restored:
            self._restored[key] = restore(document, self._options)
        return self._restored[key]


async def watch(
    directory: Path,
    on_change: Callable[[], Awaitable[None]],
    *,
    every: float = CHECK_SECONDS,
    stop: asyncio.Event | None = None,
) -> None:
    """Call `on_change` after files in a directory changed, once for a burst of changes, and each `every` seconds.

    The directory itself is watched, never a file: a ConfigMap's files are symlinks that the kubelet swaps by renaming
    one link beside them. One that is gone is watched again once it is there. Returns when `stop` is set. A file
    system that hangs blocks a separate thread, but neither the event loop nor the end of the process.
    """
    stopped = stop or asyncio.Event()
    while not stopped.is_set():
        error = await _watch_for_a_while(directory, on_change, every, stopped)
        if error is not None:
            log.warning("%s cannot be watched, next check in %.0f s: %s", directory, every, error)
            await on_change()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(every):
                    await stopped.wait()


async def _watch_for_a_while(
    directory: Path, on_change: Callable[[], Awaitable[None]], every: float, stopped: asyncio.Event
) -> OSError | None:
    """Until nothing has changed for a time: a replaced directory is not reported, so whatever has its name then is
    watched again. What kept it from being watched, None where it was.
    """
    loop = asyncio.get_running_loop()
    changed, ending = asyncio.Event(), threading.Event()

    def look() -> None:
        from watchfiles import watch as changes_of  # here: a MiB for those who have files watched

        with contextlib.suppress(RuntimeError):  # the loop is closed
            for changes in changes_of(
                directory,
                stop_event=ending,
                debounce=DEBOUNCE_MILLISECONDS,
                recursive=False,
                rust_timeout=round(every * 1000),
                yield_on_timeout=True,
                raise_interrupt=False,
            ):
                loop.call_soon_threadsafe(changed.set)
                if not changes:
                    return

    ended = on_own_thread(look, f"watch {directory}")
    stop = asyncio.ensure_future(stopped.wait())
    try:
        while not (ended.done() or stop.done()):
            told = asyncio.ensure_future(changed.wait())
            awaited: set[asyncio.Future[Any]] = {ended, stop, told}
            try:
                await asyncio.wait(awaited, timeout=2 * every, return_when=asyncio.FIRST_COMPLETED)
            finally:
                told.cancel()
            if changed.is_set() or not (ended.done() or stop.done()):
                changed.clear()
                await on_change()
    finally:
        ending.set()
        stop.cancel()
    error = ended.exception() if ended.done() else None
    if error is not None and not isinstance(error, OSError):
        raise error
    return error


def fingerprint(paths: Iterable[Path | str]) -> tuple[object, ...]:
    """What the rule files are now, without reading them: which there are, and size, age and identity of each."""
    return tuple(_identity(file) for file in rule_files(paths))


def _identity(file: Path) -> tuple[object, ...]:
    try:
        found = file.stat()
    except OSError as error:
        return str(file), error.errno
    return str(file), found.st_mtime_ns, found.st_size, found.st_ino

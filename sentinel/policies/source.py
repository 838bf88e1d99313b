"""The rule set in force, and how it is exchanged for an edited one."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path

from watchfiles import awatch

from sentinel.domain.errors import ConfigurationError
from sentinel.domain.policy import Policy
from sentinel.policies.convert import digest_of
from sentinel.policies.load import DEFAULTS, Options, PolicySet, describe, load, restore
from sentinel.policies.mistakes import PolicyError

DEBOUNCE_MILLISECONDS = 500
MAX_RESTORED = 1024


class PolicySource:
    """Holds the set in force. An edit is taken as a whole or not at all."""

    def __init__(self, paths: Iterable[Path | str], current: PolicySet, options: Options = DEFAULTS) -> None:
        self._paths = tuple(paths)
        self._current = current
        self._options = options
        self._restored: dict[str, Policy] = {}

    @classmethod
    def open(cls, paths: Iterable[Path | str], options: Options = DEFAULTS) -> "PolicySource":
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
        result = load(self._paths, self._options)
        if isinstance(result, PolicySet):
            self._current = result
            return []
        return result

    async def refresh(self) -> list[PolicyError]:
        """Reload without blocking the event loop."""
        return await asyncio.to_thread(self.reload)

    def restore(self, document: Mapping[str, object]) -> Policy:
        """The policy that a rollout began with. Raises ConfigurationError when it no longer loads."""
        key = digest_of(document)
        if key not in self._restored:
            if len(self._restored) >= MAX_RESTORED:
                self._restored.clear()
            self._restored[key] = restore(document, self._options)
        return self._restored[key]


async def watch(
    directory: Path, on_change: Callable[[], Awaitable[None]], *, stop: asyncio.Event | None = None
) -> None:
    """Call `on_change` after files in a directory changed, once for a burst of changes.

    The directory itself is watched, never a file: a ConfigMap's files are symlinks that the kubelet swaps by
    renaming one link beside them. Returns when `stop` is set.
    """
    async for _ in awatch(directory, stop_event=stop, debounce=DEBOUNCE_MILLISECONDS, recursive=False):
        await on_change()

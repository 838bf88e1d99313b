"""A Git repository as the tools see it: a revision, and the manifests of one folder in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

JsonObject = dict[str, Any]
ABSENT = object()


class Git:
    """One branch. What follows it is notified of every commit."""

    def __init__(self, *manifests: JsonObject) -> None:
        self.manifests: tuple[JsonObject, ...] = manifests
        self.revision = "commit-1"
        self._commits = 1
        self._followers: list[Callable[[], None]] = []

    def follow(self, follower: Callable[[], None]) -> None:
        """Call this after every commit, as a webhook does."""
        self._followers.append(follower)

    def commit(self, *manifests: JsonObject, revision: str = "") -> None:
        """The next revision, with these manifests; without any only another file changed."""
        self.manifests = manifests or self.manifests
        self._commits += 1
        self.revision = revision or f"commit-{self._commits}"
        for follower in self._followers:
            follower()


def differs(live: Any, wanted: Any, path: str, ignored: frozenset[str]) -> bool:
    """Whether a field that the manifest names is another one in the cluster, ignored ones (JSON pointers) apart."""
    if path in ignored:
        return False
    if isinstance(wanted, Mapping):
        return not isinstance(live, Mapping) or any(
            differs(live.get(name, ABSENT), value, f"{path}/{name}", ignored)
            for name, value in wanted.items()
        )
    if isinstance(wanted, list):
        return not isinstance(live, list) or (
            len(live) != len(wanted)
            or any(differs(live[i], item, f"{path}/{i}", ignored) for i, item in enumerate(wanted))
        )
    return bool(live != wanted)


def merged(live: Any, wanted: Any, path: str, kept: frozenset[str]) -> Any:
    """The live object with every field that the manifest names, fields that are `kept` (JSON pointers) apart."""
    if path in kept and live is not None:
        return live
    if isinstance(wanted, Mapping):
        before = live if isinstance(live, Mapping) else {}
        fields = {
            name: merged(before.get(name), value, f"{path}/{name}", kept) for name, value in wanted.items()
        }
        return {**before, **fields}
    if isinstance(wanted, list) and isinstance(live, list) and len(live) == len(wanted):
        return [merged(live[i], item, f"{path}/{i}", kept) for i, item in enumerate(wanted)]
    return wanted

"""Somebody else's write between two of ours, on raw objects."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any, cast

from clustersim.storage.patching import json_patch
from sentinel.adapters.kubernetes.api.client import ApiClient, RequestTarget

JsonObject = dict[str, Any]


class _Server:
    """Reads and patches these objects by name; before the first patch of one, somebody else writes."""

    def __init__(
        self, live: Callable[[], list[JsonObject]], patched: str, meanwhile: Callable[[], None]
    ) -> None:
        self._live, self._patched, self._meanwhile = live, patched, meanwhile

    def _named(self, name: str) -> JsonObject:
        return next(one for one in self._live() if one["metadata"]["name"] == name)

    async def get(self, target: RequestTarget, *, timeout: float) -> JsonObject:
        return deepcopy(self._named(target.name))

    async def json_patch(
        self, target: RequestTarget, operations: list[JsonObject], *, timeout: float
    ) -> JsonObject:
        if target.name == self._patched:
            self._patched = ""
            self._meanwhile()
        found = self._named(target.name)
        patched = json_patch(deepcopy(found), operations)
        found.clear()
        found.update(patched)
        return found


def interleaved(
    live: Callable[[], list[JsonObject]], patched: str, meanwhile: Callable[[], None]
) -> ApiClient:
    """A client of these objects; `meanwhile` writes between what was read and the first patch of the one so named."""
    return cast("ApiClient", _Server(live, patched, meanwhile))

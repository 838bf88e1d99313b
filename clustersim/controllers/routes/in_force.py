"""The routes as the proxies have them: behind what is stored, until the gateway has taken it in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

JsonObject = dict[str, Any]


class RouteKey(NamedTuple):
    """Names one route: plural of its kind, namespace, name."""

    plural: str
    namespace: str
    name: str


@dataclass(slots=True)
class RoutesInForce:
    """The specs that the proxies act on.

    `held`: whether the gateway is down and takes nothing in. `refused`: routes that it does not accept, with
    the reason of their `Accepted` condition.
    """

    held: bool = False
    refused: dict[RouteKey, str] = field(default_factory=dict)
    _specs: dict[RouteKey, JsonObject] = field(default_factory=dict)
    _listeners: list[Callable[[], None]] = field(default_factory=list)

    def find(self, key: RouteKey) -> JsonObject | None:
        """The spec that is in force."""
        return self._specs.get(key)

    def of(self, plural: str, namespace: str) -> list[JsonObject]:
        """The specs in force of one kind and namespace."""
        return [spec for key, spec in self._specs.items() if key[:2] == (plural, namespace)]

    def put(self, key: RouteKey, spec: JsonObject | None) -> None:
        """Put a spec in force, or (None) take the route away."""
        if self._specs.get(key) == spec:
            return
        if spec is None:
            del self._specs[key]
        else:
            self._specs[key] = spec
        for listener in self._listeners:
            listener()

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` after each change; returns the unsubscriber."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

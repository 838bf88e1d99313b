"""Which notices go to a channel."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from sentinel.domain.notice import Bulletin, Notice
from sentinel.domain.record.entries import Action, NoticeRef
from sentinel.ports import Channel

_CHANGES = frozenset(
    {Action.PROMOTE, Action.UNDO, Action.HOLD, Action.RESTORED, Action.RESTART, Action.ESCALATE}
)


class NoticeScope(StrEnum):
    """How much of a rollout a channel gets."""

    ALL = "all"
    CHANGES = "changes"
    """Undos, holds, promotions, and what calls people."""
    CALLS = "calls"
    """What calls people alone."""


@dataclass(frozen=True, slots=True)
class Route:
    """The notices that go to a channel: of these policies and namespaces (globs; none: of all)."""

    policies: Sequence[str] = ()
    namespaces: Sequence[str] = ()
    wanted: NoticeScope = NoticeScope.ALL

    def takes(self, notice: Notice) -> bool:
        """Whether the notice goes there."""
        record, entry = notice.record, notice.entry
        if not (_named(record.policy, self.policies) and _named(record.key.namespace, self.namespaces)):
            return False
        if self.wanted is NoticeScope.ALL or notice.urgent:
            return True
        return self.wanted is NoticeScope.CHANGES and entry is not None and entry.action in _CHANGES


class RoutedChannel:
    """Implements `ports.Channel`: passes on the notices of a route, and all news of the sentinel."""

    def __init__(self, channel: Channel, route: Route) -> None:
        self._channel = channel
        self._route = route

    async def publish(self, notice: Notice) -> NoticeRef | None:
        """Pass it on, or drop it. Raises NoticeError."""
        return await self._channel.publish(notice) if self._route.takes(notice) else None

    async def broadcast(self, bulletin: Bulletin) -> None:
        """Pass it on. Raises NoticeError."""
        await self._channel.broadcast(bulletin)


def _named(name: str, globs: Sequence[str]) -> bool:
    return not globs or any(fnmatchcase(name, glob) for glob in globs)

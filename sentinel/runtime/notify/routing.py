"""Which notices go to a channel."""

from collections.abc import Sequence
from enum import StrEnum
from fnmatch import fnmatchcase

from sentinel.domain.notice import Bulletin, Notice
from sentinel.domain.record.entries import Action, NoticeRef
from sentinel.ports import Channel
from sentinel.values import dataclass

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
    """The notices that go to a channel: those of policies that name it, and, of policies that name none, those of
    `policies` and `namespaces` (globs; none: of all); of both as much as is `wanted`."""

    policies: Sequence[str] = ()
    namespaces: Sequence[str] = ()
    wanted: NoticeScope = NoticeScope.ALL

    def takes(self, notice: Notice, name: str) -> bool:
        """Whether the notice goes to the channel of this name; progress does where a message shows it already."""
        if not (name in notice.channels if notice.channels else self._covers(notice)):
            return False
        if self.wanted is NoticeScope.ALL or notice.urgent:
            return True
        if notice.entry is None:
            return notice.place is not None
        return self.wanted is NoticeScope.CHANGES and notice.entry.action in _CHANGES

    def _covers(self, notice: Notice) -> bool:
        record = notice.record
        return _named(record.policy, self.policies) and _named(record.key.namespace, self.namespaces)


class RoutedChannel:
    """Implements `ports.Channel`: passes on the notices of a route, and all news of the sentinel."""

    def __init__(self, name: str, channel: Channel, route: Route) -> None:
        self._name = name
        self._channel = channel
        self._route = route

    async def publish(self, notice: Notice) -> NoticeRef | None:
        """Pass it on, or drop it. Raises NoticeError."""
        return await self._channel.publish(notice) if self._route.takes(notice, self._name) else None

    async def broadcast(self, bulletin: Bulletin) -> None:
        """Pass it on. Raises NoticeError."""
        await self._channel.broadcast(bulletin)


def _named(name: str, globs: Sequence[str]) -> bool:
    return not globs or any(fnmatchcase(name, glob) for glob in globs)

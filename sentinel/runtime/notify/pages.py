"""Where people find on the web page what a notice is about."""

from dataclasses import replace
from urllib.parse import quote

from sentinel.domain.notice import Bulletin, Notice
from sentinel.domain.record.entries import NoticeRef
from sentinel.domain.record.record import Record
from sentinel.ports import Channel
from sentinel.values import dataclass


@dataclass(frozen=True, slots=True)
class PageLinks:
    """`url` is the page's address as people reach it."""

    url: str

    def rollout(self, record: Record) -> str:
        """The rollout's address."""
        return self._of("rollouts", record.key.namespace, record.name)

    def reason(self, reason: str) -> str:
        """The address of what a reason means."""
        return self._of("reasons", reason)

    def _of(self, *parts: str) -> str:
        return "/".join([f"{self.url}/ui", *(quote(part, safe="") for part in parts)])


class LinkedChannel:
    """Implements `ports.Channel`: passes notices on with their addresses on the web page."""

    def __init__(self, channel: Channel, links: PageLinks) -> None:
        self._channel = channel
        self._links = links

    async def publish(self, notice: Notice) -> NoticeRef | None:
        """Pass it on. Raises NoticeError."""
        newest = notice.entry or next(iter(reversed(notice.record.decisions)), None)
        linked = replace(
            notice,
            page=self._links.rollout(notice.record),
            reason_page=self._links.reason(newest.reason) if newest is not None and newest.reason else "",
        )
        return await self._channel.publish(linked)

    async def broadcast(self, bulletin: Bulletin) -> None:
        """Pass it on. Raises NoticeError."""
        await self._channel.broadcast(bulletin)

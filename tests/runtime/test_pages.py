"""The addresses on the web page that notices have."""

from __future__ import annotations

from dataclasses import replace

from sentinel.domain.notice import Bulletin, Notice
from sentinel.domain.record.entries import Action, NoticeRef
from sentinel.runtime.notify.pages import LinkedChannel, PageLinks
from tests.engine.builders import entry, in_state


class Kept:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.notices: list[Notice] = []

    async def publish(self, notice: Notice) -> NoticeRef | None:
        """Keep it."""
        self.notices.append(notice)
        return None

    async def broadcast(self, bulletin: Bulletin) -> None:
        """Nothing."""


async def test_a_notice_has_the_addresses_of_its_rollout_and_its_reason() -> None:
    """The newest decision's where only the message is brought up to date."""
    kept = Kept()
    channel = LinkedChannel(kept, PageLinks("https://s.example.com"))
    record = replace(in_state(), decisions=(entry(Action.HOLD, "EvidenceMissing"),))
    await channel.publish(Notice(record, None))
    (notice,) = kept.notices
    assert notice.page == f"https://s.example.com/ui/rollouts/{record.key.namespace}/{record.name}"
    assert notice.reason_page == "https://s.example.com/ui/reasons/EvidenceMissing"

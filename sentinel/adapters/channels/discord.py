"""Discord: one message per rollout, edited as it goes, and another one where people are called."""

import re

from sentinel.adapters.channels.posting import Poster
from sentinel.adapters.channels.texts import NoticeText, told_bulletin, told_decision, told_rollout
from sentinel.bounded import BoundedDict
from sentinel.domain.errors import NoticeError
from sentinel.domain.notice import Bulletin, Notice
from sentinel.domain.record.entries import NoticeRef
from sentinel.secret import Secret

MAX_TITLE = 256
REMEMBERED = 2_000
MAX_DESCRIPTION = 4_000
_RED, _GREEN, _GREY = 0xD64545, 0x2E8B57, 0x7A8288
_MARKDOWN = re.compile(r"([\\*_~`|>#\[\]()<:@-])")


class DiscordNotifier:
    """Implements `ports.Channel`, by the URL of a webhook. The place of a message is its id."""

    def __init__(self, name: str, url: Secret, *, timeout: float) -> None:
        self._name = name
        self._url = url
        self._poster = Poster("Discord", timeout=timeout)
        self._posted: BoundedDict[str, NoticeRef] = BoundedDict(REMEMBERED)

    async def publish(self, notice: Notice) -> NoticeRef | None:
        """Bring the rollout's message up to date; post what calls people as well. Raises NoticeError."""
        place = await self._rollout(notice)
        if notice.urgent and notice.entry is not None:
            await self._post(message_of(told_decision(notice, notice.entry), _RED))
        return place

    async def broadcast(self, bulletin: Bulletin) -> None:
        """Post it. Raises NoticeError."""
        await self._post(message_of(told_bulletin(bulletin), _GREEN if bulletin.good else _RED))

    async def close(self) -> None:
        """Close the connections."""
        await self._poster.close()

    async def _rollout(self, notice: Notice) -> NoticeRef:
        message = message_of(told_rollout(notice), _RED if notice.urgent else _GREY)
        known = self._posted.get(notice.record.uid) or notice.place
        if known is not None:
            url = f"{self._url()}/messages/{known.ts}"
            if await self._poster.send("PATCH", url, message, absent=True) is not None:
                return known
        # Kept until the record has it: what fails meanwhile must not post it again.
        place = self._posted[notice.record.uid] = NoticeRef(self._name, await self._post(message))
        return place

    async def _post(self, message: dict[str, object]) -> str:
        """Post it, and return its id."""
        made = await self._poster.send("POST", f"{self._url()}?wait=true", message)
        ident = made.get("id") if isinstance(made, dict) else None
        if not isinstance(ident, str):
            raise NoticeError("Discord's answer lacks the message's id", retryable=False)
        return ident


def message_of(told: NoticeText, colour: int) -> dict[str, object]:
    """The message: one embed in which nothing is a mention, a heading, or a link but ours."""
    links = "\n".join(f"[{text}]({url})" for text, url in told.links)
    description = "\n".join(map(escape, told.lines()))[: MAX_DESCRIPTION - len(links) - 1]
    embed = {
        "title": escape(told.title)[:MAX_TITLE],
        "description": f"{description}\n{links}" if links else description,
        "color": colour,
    }
    return {"embeds": [embed], "allowed_mentions": {"parse": []}}


def escape(text: str) -> str:
    """The text as it is, whatever Discord's Markdown would make of it."""
    return _MARKDOWN.sub(r"\\\1", text)

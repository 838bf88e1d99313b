"""Microsoft Teams: adaptive cards, posted to the URL of a workflow."""

from sentinel.adapters.channels.posting import Poster
from sentinel.adapters.channels.texts import NoticeText, told_bulletin, told_decision
from sentinel.domain.notice import Bulletin, Notice
from sentinel.domain.record.entries import NoticeRef
from sentinel.secret import Secret

MAX_LINES = 40
"""A workflow takes 28 KB; a card of so many lines of 500 characters fits."""

Element = dict[str, object]


class TeamsNotifier:
    """Implements `ports.Channel`: a card for each decision. A workflow cannot update one."""

    def __init__(self, name: str, url: Secret, *, timeout: float) -> None:
        self._name = name
        self._url = url
        self._poster = Poster("Teams", timeout=timeout)

    async def publish(self, notice: Notice) -> NoticeRef | None:
        """Post the decision; progress alone is not posted. Raises NoticeError."""
        if notice.entry is None:
            return None
        await self._post(told_decision(notice, notice.entry), urgent=notice.urgent)
        return NoticeRef(self._name, "")

    async def broadcast(self, bulletin: Bulletin) -> None:
        """Post it. Raises NoticeError."""
        await self._post(told_bulletin(bulletin), urgent=not bulletin.good)

    async def close(self) -> None:
        """Close the connections."""
        await self._poster.close()

    async def _post(self, told: NoticeText, *, urgent: bool) -> None:
        card = {
            "type": "message",
            "attachments": [
                {
                    "contentType": "application/vnd.microsoft.card.adaptive",
                    "contentUrl": None,
                    "content": card_of(told, urgent=urgent),
                }
            ],
        }
        await self._poster.send("POST", self._url(), card)


def card_of(told: NoticeText, *, urgent: bool) -> Element:
    """The card. Its texts are runs of rich text: there Teams reads no Markdown, so nothing is a link or a mention."""
    lines = [line for text in told.lines() for line in text.split("\n")]
    return {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "fallbackText": told.title,
        "msteams": {"width": "Full"},
        "body": [
            _rich(told.title, weight="Bolder", size="Medium", color="Attention" if urgent else "Default"),
            *(_rich(line) for line in lines[:MAX_LINES] if line),
        ],
        "actions": [{"type": "Action.OpenUrl", "title": text, "url": url} for text, url in told.links],
    }


def _rich(text: str, **more: str) -> Element:
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text[:500], **more}]}

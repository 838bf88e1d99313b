"""Grafana: each rollout is a region of annotations, on every dashboard that shows its tags."""

from collections.abc import Iterator
from html import escape

from sentinel.adapters.channels.posting import Poster
from sentinel.adapters.channels.texts import NoticeText, told_rollout
from sentinel.domain.errors import NoticeError
from sentinel.domain.notice import Bulletin, Notice
from sentinel.domain.record.entries import NoticeRef
from sentinel.domain.words import standing
from sentinel.secret import Secret


class GrafanaNotifier:
    """Implements `ports.Channel`. The place of a rollout's annotation is its id."""

    def __init__(self, name: str, url: str, token: Secret, *, timeout: float) -> None:
        self._name = name
        self._url = f"{url}/api/annotations"
        self._token = token
        self._poster = Poster("Grafana", timeout=timeout)

    async def publish(self, notice: Notice) -> NoticeRef | None:
        """Bring the rollout's annotation up to date. Raises NoticeError."""
        headers = {"Authorization": f"Bearer {self._token()}"}
        annotation = annotation_of(notice)
        known = notice.place
        if known is not None:
            url = f"{self._url}/{known.ts}"
            if await self._poster.send("PATCH", url, annotation, headers=headers, absent=True) is not None:
                return known
        made = await self._poster.send("POST", self._url, annotation, headers=headers)
        ident = made.get("id") if isinstance(made, dict) else None
        if not isinstance(ident, int):
            raise NoticeError("Grafana's answer lacks the annotation's id", retryable=False)
        return NoticeRef(self._name, str(ident))

    async def broadcast(self, bulletin: Bulletin) -> None:
        """News of the sentinel itself belongs to no graph."""

    async def close(self) -> None:
        """Close the connections."""
        await self._poster.close()


def annotation_of(notice: Notice) -> dict[str, object]:
    """The annotation; Grafana shows HTML in its text."""
    record = notice.record
    told = told_rollout(notice)
    last = notice.entry.at if notice.entry is not None else record.started_at
    ended = record.state.ending.ended_at or last
    return {
        "time": int(record.started_at.timestamp() * 1000),
        "timeEnd": int(max(ended, record.started_at).timestamp() * 1000),
        "tags": [
            "rollback-sentinel",
            f"namespace:{record.key.namespace}",
            f"workload:{record.key.name}",
            f"standing:{standing(record).value}",
        ],
        "text": "\n".join([escape(f"{told.title}\n{told.text}", quote=False), *_anchors(told)]),
    }


def _anchors(told: NoticeText) -> Iterator[str]:
    for text, url in told.links:
        yield f'<a href="{escape(url)}">{escape(text)}</a>'

"""PagerDuty and Opsgenie: an incident where people are called, resolved when its cause is over."""

from collections.abc import Mapping
from typing import Protocol
from urllib.parse import quote

from sentinel.adapters.channels.posting import Poster
from sentinel.adapters.channels.texts import NoticeText, details_of, told_decision, workload_of
from sentinel.domain.notice import Bulletin, Notice
from sentinel.domain.record.entries import Action, NoticeRef
from sentinel.domain.record.record import Record
from sentinel.secret import Secret

_OVER = frozenset(
    {
        Action.RESUME,
        Action.PROMOTE,
        Action.RESTORED,
        Action.SUPERSEDE,
        Action.CLOSE,
        Action.FORGIVE,
        Action.RELEASE,
    }
)
"""What ends the reason for which people were called."""


class IncidentApi(Protocol):
    """A service that keeps one incident for a key. Raises NoticeError."""

    async def trigger(self, key: str, told: NoticeText, source: str, details: Mapping[str, str]) -> None:
        """Open it, or add to the one that is open."""
        ...

    async def resolve(self, key: str, note: str) -> None:
        """End it; one that is not open is fine."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


class IncidentNotifier:
    """Implements `ports.Channel`: an incident has the rollout's key, so it is opened once."""

    def __init__(self, name: str, api: IncidentApi) -> None:
        self._name = name
        self._api = api

    async def publish(self, notice: Notice) -> NoticeRef | None:
        """Open or resolve the rollout's incident; other decisions do not concern it. Raises NoticeError."""
        entry, record = notice.entry, notice.record
        if entry is None:
            return None
        if notice.urgent:
            source = f"{record.key.namespace}/{record.key.name}"
            details = {**details_of(notice, entry), "What to do next": "\n".join(notice.advice)}
            await self._api.trigger(key_of(record), told_decision(notice, entry), source, details)
        elif entry.action not in _OVER or not any(before.escalated for before in record.decisions):
            return None
        else:
            await self._api.resolve(
                key_of(record), f"{entry.action.value} of {workload_of(record)}: {entry.message}"
            )
        return NoticeRef(self._name, "")

    async def broadcast(self, bulletin: Bulletin) -> None:
        """News of the sentinel itself wakes nobody: Prometheus' alerts on its metrics do."""

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()


def key_of(record: Record) -> str:
    """The incident's key: the same whichever replica opens it."""
    return f"rollback-sentinel/{record.key.namespace}/{record.name[:160]}/{record.uid[:8]}"


class PagerDuty:
    """Events API v2, by an integration's key. The host is events.pagerduty.com, or events.eu.pagerduty.com."""

    def __init__(self, url: str, key: Secret, *, timeout: float) -> None:
        self._url = f"{url}/v2/enqueue"
        self._key = key
        self._poster = Poster("PagerDuty", timeout=timeout)

    async def trigger(self, key: str, told: NoticeText, source: str, details: Mapping[str, str]) -> None:
        """See `IncidentApi.trigger`."""
        payload = {
            "summary": f"{told.title}: {told.text}"[:1024],
            "source": source,
            "severity": "critical",
            "component": source,
            "class": "rollout",
            "custom_details": details,
        }
        await self._send(key, event_action="trigger", client="Rollback Sentinel", payload=payload)

    async def resolve(self, key: str, note: str) -> None:
        """See `IncidentApi.resolve`; PagerDuty takes no note."""
        await self._send(key, event_action="resolve")

    async def close(self) -> None:
        """Close the connections."""
        await self._poster.close()

    async def _send(self, key: str, **event: object) -> None:
        await self._poster.send("POST", self._url, {"routing_key": self._key(), "dedup_key": key, **event})


class Opsgenie:
    """The Alert API, by an integration's key. The host is api.opsgenie.com, or api.eu.opsgenie.com."""

    def __init__(self, url: str, key: Secret, *, timeout: float) -> None:
        self._url = f"{url}/v2/alerts"
        self._key = key
        self._poster = Poster("Opsgenie", timeout=timeout)

    async def trigger(self, key: str, told: NoticeText, source: str, details: Mapping[str, str]) -> None:
        """See `IncidentApi.trigger`."""
        alert = {
            "message": told.title[:130],
            "alias": key,
            "description": told.text,
            "entity": source,
            "source": "Rollback Sentinel",
            "priority": "P1",
            "tags": ["rollback-sentinel"],
            "details": details,
        }
        await self._poster.send("POST", self._url, alert, headers=self._headers())

    async def resolve(self, key: str, note: str) -> None:
        """See `IncidentApi.resolve`."""
        url = f"{self._url}/{quote(key, safe='')}/close?identifierType=alias"
        body = {"source": "Rollback Sentinel", "note": note[:1_000]}
        await self._poster.send("POST", url, body, headers=self._headers(), absent=True)

    async def close(self) -> None:
        """Close the connections."""
        await self._poster.close()

    def _headers(self) -> Mapping[str, str]:
        return {"Authorization": f"GenieKey {self._key()}"}

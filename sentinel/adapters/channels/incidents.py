"""PagerDuty and Opsgenie: an incident where people are called, resolved when its cause is over."""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol
from urllib.parse import quote

from sentinel.adapters.channels.posting import Poster
from sentinel.adapters.channels.texts import NoticeText, told_decision, workload_of
from sentinel.domain.notice import Bulletin, Notice
from sentinel.domain.record.entries import Action, DecisionEntry, NoticeRef
from sentinel.domain.record.record import Record
from sentinel.domain.severity import Severity
from sentinel.secret import Secret
from sentinel.values import dataclass

SOURCE = "Rollback Sentinel"
_OVER = frozenset(
    {
        Action.START,
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


@dataclass(frozen=True, slots=True)
class Call:
    """What people are called for. `key` is the incident's, `again`: it may be open from an earlier call."""

    key: str
    told: NoticeText
    source: str
    severity: Severity
    details: Mapping[str, str]
    at: datetime
    again: bool = False


class IncidentApi(Protocol):
    """A service that keeps one incident for a key. Raises NoticeError."""

    async def trigger(self, call: Call) -> None:
        """Open it, or bring the one that is open up to date."""
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
            await self._api.trigger(call_of(notice, entry))
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


def call_of(notice: Notice, entry: DecisionEntry) -> Call:
    """The call for one decision."""
    record = notice.record
    told = told_decision(notice, entry)
    return Call(
        key_of(record),
        told,
        f"{record.key.namespace}/{record.key.name}",
        notice.severity,
        {**dict(told.facts), "What to do next": "\n".join(notice.advice)},
        entry.at,
        again=any(before.escalated and before.id != entry.id for before in record.decisions),
    )


class PagerDuty:
    """Events API v2, by an integration's key. The host is events.pagerduty.com, or events.eu.pagerduty.com.

    `severities` are those there by ours, where another word is wanted. A further trigger with the same key adds to the
    incident that is open.
    """

    def __init__(
        self, url: str, key: Secret, *, timeout: float, severities: Mapping[Severity, Severity] | None = None
    ) -> None:
        self._url = f"{url}/v2/enqueue"
        self._key = key
        self._severities = severities or {}
        self._poster = Poster("PagerDuty", timeout=timeout)

    async def trigger(self, call: Call) -> None:
        """See `IncidentApi.trigger`."""
        told = call.told
        payload = {
            "summary": f"{told.title}: {told.text}"[:1024],
            "source": call.source,
            "severity": self._severities.get(call.severity, call.severity).value,
            "timestamp": call.at.isoformat(),
            "component": call.source,
            "class": "rollout",
            "custom_details": call.details,
        }
        links = [{"href": url, "text": text} for text, url in told.links]
        client = {"client": SOURCE, **({"client_url": links[0]["href"]} if links else {})}
        await self._send(call.key, event_action="trigger", payload=payload, links=links, **client)

    async def resolve(self, key: str, note: str) -> None:
        """See `IncidentApi.resolve`; PagerDuty takes no note."""
        await self._send(key, event_action="resolve")

    async def close(self) -> None:
        """Close the connections."""
        await self._poster.close()

    async def _send(self, key: str, **event: object) -> None:
        await self._poster.send("POST", self._url, {"routing_key": self._key(), "dedup_key": key, **event})


PRIORITIES: Mapping[Severity, str] = {
    Severity.CRITICAL: "P1",
    Severity.ERROR: "P2",
    Severity.WARNING: "P3",
    Severity.INFO: "P5",
}
"""Opsgenie's priorities by our severities, unless the settings say others."""


class Opsgenie:
    """The Alert API, by an integration's key. The host is api.opsgenie.com, or api.eu.opsgenie.com.

    `priorities` are those there by our severities. An alert that is open only counts what comes again by its alias: so
    its text is added as a note, and the priority is set.
    """

    def __init__(
        self, url: str, key: Secret, *, timeout: float, priorities: Mapping[Severity, str] | None = None
    ) -> None:
        self._url = f"{url}/v2/alerts"
        self._key = key
        self._priorities = {**PRIORITIES, **(priorities or {})}
        self._poster = Poster("Opsgenie", timeout=timeout)

    async def trigger(self, call: Call) -> None:
        """See `IncidentApi.trigger`."""
        told, priority = call.told, self._priorities[call.severity]
        links = [f"{text}: {url}" for text, url in told.links]
        alert = {
            "message": told.title[:130],
            "alias": call.key,
            "description": "\n".join([told.text, *links]),
            "entity": call.source,
            "source": SOURCE,
            "priority": priority,
            "tags": ["rollback-sentinel", f"severity:{call.severity}"],
            "details": call.details,
        }
        await self._poster.send("POST", self._url, alert, headers=self._headers())
        if call.again:
            note = {"source": SOURCE, "note": f"{told.title}: {told.text}"}
            await self._poster.send("POST", self._of(call.key, "notes"), note, headers=self._headers())
            await self._poster.send(
                "PUT", self._of(call.key, "priority"), {"priority": priority}, headers=self._headers()
            )

    async def resolve(self, key: str, note: str) -> None:
        """See `IncidentApi.resolve`."""
        body = {"source": SOURCE, "note": note[:1_000]}
        await self._poster.send("POST", self._of(key, "close"), body, headers=self._headers(), absent=True)

    async def close(self) -> None:
        """Close the connections."""
        await self._poster.close()

    def _of(self, key: str, what: str) -> str:
        return f"{self._url}/{quote(key, safe='')}/{what}?identifierType=alias"

    def _headers(self) -> Mapping[str, str]:
        return {"Authorization": f"GenieKey {self._key()}"}

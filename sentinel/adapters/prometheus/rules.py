"""How long an alert is pending before it fires, from the rules of who evaluates them: Prometheus, vmalert, a ruler."""

import asyncio
import logging
from collections.abc import Mapping

from sentinel.adapters.prometheus.http.client import PrometheusClient
from sentinel.domain.errors import SourceError

_log = logging.getLogger(__name__)


class PrometheusAlertRules:
    """Implements `ports.AlertRules`. The rules are asked for at most once in `keep` seconds, failures included.

    What was known up to ten times as long ago is answered at once while it is renewed: an undo waits for the answer.
    """

    def __init__(self, client: PrometheusClient, *, keep: float = 60.0) -> None:
        self._client = client
        self._keep = keep
        self._pending: Mapping[str, float] = {}
        self._fetched_at: float | None = None
        self._known_at: float | None = None
        self._renewal: asyncio.Task[None] | None = None

    async def pending_for(self, alertname: str) -> float | None:
        """The longest `for:` in seconds of the rules of this name, None where Prometheus does not tell.

        The longest, because an alert that began earlier is less likely to be laid at a rollout's door.
        """
        now = asyncio.get_running_loop().time()
        renewing = self._renewal is not None and not self._renewal.done()
        if not renewing and _older(self._fetched_at, now, self._keep):
            self._renewal = asyncio.create_task(self._fetch())
        if self._renewal is not None and _older(self._known_at, now, 10 * self._keep):
            await asyncio.shield(self._renewal)
        return self._pending.get(alertname)

    @property
    def url(self) -> str:
        """Who is asked."""
        return self._client.url

    async def durations(self) -> Mapping[str, float]:
        """The `for:` of each alerting rule, in seconds by name, asked for now. Raises SourceError."""
        return _durations(await self._client.get("/api/v1/rules", {"type": "alert"}))

    async def alertmanagers(self) -> tuple[str, ...]:
        """Where it posts alerts to: the addresses of its Alertmanagers' lists of alerts. Raises SourceError."""
        data = await self._client.get("/api/v1/alertmanagers", {})
        active = data.get("activeAlertmanagers") if isinstance(data, Mapping) else None
        urls = [one.get("url") for one in active or () if isinstance(one, Mapping)]
        return tuple(url for url in urls if isinstance(url, str))

    async def _fetch(self) -> None:
        now = self._fetched_at = asyncio.get_running_loop().time()
        try:
            self._pending = await self.durations()
        except SourceError as error:  # the caller falls back to its lookback; what was known before stays
            _log.warning("the alert rules cannot be read: %s", error)
            return
        self._known_at = now


def _older(at: float | None, now: float, seconds: float) -> bool:
    return at is None or now - at >= seconds


def _durations(data: object) -> dict[str, float]:
    """The `for:` of each alerting rule; anything that is not shaped like one is ignored."""
    pending: dict[str, float] = {}
    groups = data.get("groups") if isinstance(data, Mapping) else None
    for group in groups if isinstance(groups, list) else []:
        rules = group.get("rules") if isinstance(group, Mapping) else None
        for rule in rules if isinstance(rules, list) else []:
            name, duration = _duration(rule)
            if name:
                pending[name] = max(duration, pending.get(name, 0.0))
    return pending


def _duration(rule: object) -> tuple[str, float]:
    """A rule's name, empty if it is not an alerting rule, and its `for:`; a ruler may leave out one of 0."""
    if not isinstance(rule, Mapping) or rule.get("type", "alerting") != "alerting":
        return "", 0.0  # vmalert tells its recording rules as well
    name, duration = rule.get("name"), rule.get("duration", 0.0)
    if not isinstance(name, str) or not isinstance(duration, int | float):
        return "", 0.0
    return name, float(duration)

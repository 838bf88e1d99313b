"""How long an alert is pending before it fires, from Prometheus' own rules."""

import asyncio
import logging
from collections.abc import Mapping

from sentinel.adapters.prometheus.client import PrometheusClient
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

    async def _fetch(self) -> None:
        now = self._fetched_at = asyncio.get_running_loop().time()
        try:
            data = await self._client.get("/api/v1/rules", {"type": "alert"})
        except SourceError as error:  # the caller falls back to its lookback; what was known before stays
            _log.warning("the alert rules cannot be read: %s", error)
            return
        self._pending, self._known_at = _durations(data), now


def _older(at: float | None, now: float, seconds: float) -> bool:
    return at is None or now - at >= seconds


def _durations(data: object) -> dict[str, float]:
    """The `for:` of each alerting rule; anything that is not shaped like one is passed over."""
    pending: dict[str, float] = {}
    groups = data.get("groups") if isinstance(data, Mapping) else None
    for group in groups if isinstance(groups, list) else []:
        rules = group.get("rules") if isinstance(group, Mapping) else None
        for rule in rules if isinstance(rules, list) else []:
            name, duration = rule.get("name"), rule.get("duration")
            if isinstance(name, str) and isinstance(duration, int | float):
                pending[name] = max(float(duration), pending.get(name, 0.0))
    return pending

"""Alerts as they came in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class AlertStatus(StrEnum):
    """Alertmanager's two states."""

    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert of a notification. `starts_at` is when it fired, after its rule's `for:`.

    `pending_for` is that `for:` in seconds where it could be looked up.
    """

    fingerprint: str
    status: AlertStatus
    labels: Mapping[str, str]
    starts_at: datetime
    received_at: datetime
    ends_at: datetime | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)
    generator_url: str = ""
    pending_for: float | None = None

    @property
    def name(self) -> str:
        """Its alertname."""
        return self.labels.get("alertname", "(unnamed alert)")


@dataclass(frozen=True, slots=True)
class Notification:
    """One webhook post: its alerts, and how many more Alertmanager cut off."""

    alerts: tuple[Alert, ...]
    truncated: int = 0
    receiver: str = ""

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
class OddAlert:
    """An alert of a post that cannot be read, and is left out alone.

    `place` counts from 0 in the post, `why` is a sentence that names the JSON path. `name` and `fingerprint` are
    empty where they cannot be read either.
    """

    place: int
    why: str
    name: str = ""
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Notification:
    """One post: its alerts in their order, those that are left out, and how many more Alertmanager cut off."""

    alerts: tuple[Alert, ...]
    truncated: int = 0
    receiver: str = ""
    odd: tuple[OddAlert, ...] = ()


class AlertOutcome(StrEnum):
    """What became of one alert of a post."""

    RECORDED = "recorded"
    """It stands in the record of each rollout that it concerns."""
    IDLE = "idle"
    """It concerns workloads that we know, and nothing can happen to any of them now."""
    UNKNOWN = "unknown"
    """A policy means it, and it names nothing that we know."""
    UNMATCHED = "unmatched"
    """No policy means it."""
    OTHER_CLUSTER = "other-cluster"
    """It says that it is about another cluster."""
    FORBIDDEN = "forbidden"
    """Whoever posted it may not post alerts of its namespace."""
    DROPPED = "dropped"
    """It cannot be read."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one alert, and a sentence on why where there is something to say."""

    outcome: AlertOutcome
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a notification: in how many rollouts' records it stands, and each alert's fate, in order."""

    recorded: int
    fates: tuple[Fate, ...]


@dataclass(frozen=True, slots=True)
class ClusterIdentity:
    """Which cluster this is: the value that the alerts of this cluster, and of no other, have under a label."""

    label: str
    name: str

    def is_another(self, labels: Mapping[str, str]) -> bool:
        """Whether an alert says that it is about another cluster; one without the label may be about this one."""
        return labels.get(self.label, "") not in ("", self.name)

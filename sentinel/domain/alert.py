"""Alerts as they came in, which of a storm a record keeps one by one, and what it keeps of the others."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from datetime import datetime
from enum import StrEnum
from typing import Protocol, TypeVar

from sentinel.values import dataclass, replace


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
    """It is in the record of each rollout that it concerns."""
    IDLE = "idle"
    """It concerns workloads that we know, and nothing can happen to any of them now."""
    UNKNOWN = "unknown"
    """A policy means it, and it names nothing that we know."""
    UNMATCHED = "unmatched"
    """No policy means it."""
    OTHER_CLUSTER = "other-cluster"
    """It says that it is about another cluster."""
    FORBIDDEN = "forbidden"
    """The credentials may not post alerts of its namespace."""
    DROPPED = "dropped"
    """It cannot be read."""


@dataclass(frozen=True, slots=True)
class AlertFate:
    """What became of one alert, and a sentence on why where there is something to say."""

    outcome: AlertOutcome
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The outcome for a notification: in how many rollouts' records it is, and each alert's fate, in order."""

    recorded: int
    fates: tuple[AlertFate, ...]


@dataclass(frozen=True, slots=True)
class ClusterIdentity:
    """Which cluster this is: the value that the alerts of this cluster, and of no other, have under a label."""

    label: str
    name: str

    def is_another(self, labels: Mapping[str, str]) -> bool:
        """Whether an alert says that it is about another cluster; one without the label may be about this one."""
        return labels.get(self.label, "") not in ("", self.name)


MAX_FINGERPRINTS = 400


MAX_NAMES = 20


class Recorded(Protocol):
    """What decides about an alert's place."""

    @property
    def fingerprint(self) -> str:
        """By which it is known."""
        ...

    @property
    def name(self) -> str:
        """Its alertname."""
        ...

    @property
    def status(self) -> AlertStatus:
        """Whether it fires."""
        ...

    @property
    def starts_at(self) -> datetime:
        """When it fired."""
        ...


T = TypeVar("T", bound=Recorded)


@dataclass(frozen=True, slots=True)
class AlertsBeyond:
    """Alerts that a record has no place for: how many at least, of which names, when the first and the last fired.

    `fingerprints` are the first of them, up to 400, so that a repeat is not counted again.
    """

    count: int
    first_at: datetime
    last_at: datetime
    names: tuple[str, ...] = ()
    fingerprints: tuple[str, ...] = ()


def make_room(alerts: Sequence[T], places: int) -> tuple[tuple[T, ...], tuple[T, ...]]:
    """The alerts that keep a place, in their order, and those that do not.

    Firing ones go before resolved ones, the names share the places evenly, and of one name those that fired last
    stay; of those that fired together the ones that came first, so that a repeated storm changes nothing.
    """
    if len(alerts) <= places:
        return tuple(alerts), ()
    newest_first = sorted(range(len(alerts)), key=lambda index: alerts[index].starts_at, reverse=True)
    ranks: dict[int, tuple[bool, int]] = {}
    of_name: Counter[tuple[bool, str]] = Counter()
    for index in newest_first:
        resolved = alerts[index].status is AlertStatus.RESOLVED
        ranks[index] = (resolved, of_name[resolved, alerts[index].name])
        of_name[resolved, alerts[index].name] += 1
    staying = set(sorted(newest_first, key=lambda index: ranks[index])[:places])
    kept = tuple(alert for index, alert in enumerate(alerts) if index in staying)
    return kept, tuple(alert for index, alert in enumerate(alerts) if index not in staying)


def counted_beyond(beyond: AlertsBeyond | None, dropped: Iterable[Recorded]) -> AlertsBeyond | None:
    """What is kept of these as well, and of those before.

    Once the fingerprints are full, repeats cannot be recognised: then only those count that fired later than all
    others before.
    """
    known = set(beyond.fingerprints) if beyond is not None else set()
    full = len(known) >= MAX_FINGERPRINTS
    last = beyond.last_at if beyond is not None else None
    new = [
        alert
        for alert in dropped
        if alert.fingerprint not in known and not (full and last is not None and alert.starts_at <= last)
    ]
    if not new:
        return beyond
    starts = [alert.starts_at for alert in new]
    before = beyond or AlertsBeyond(0, starts[0], starts[0])
    names = dict.fromkeys((*before.names, *(alert.name for alert in new)))
    fingerprints = dict.fromkeys((*before.fingerprints, *(alert.fingerprint for alert in new)))
    return replace(
        before,
        count=before.count + len(new),
        first_at=min(before.first_at, *starts),
        last_at=max(before.last_at, *starts),
        names=tuple(names)[:MAX_NAMES],
        fingerprints=tuple(fingerprints)[:MAX_FINGERPRINTS],
    )

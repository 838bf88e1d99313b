"""Turns posted alerts into a notification: those of Alertmanager's webhook, and those meant for Alertmanager itself.

Two shapes are understood. Alertmanager's webhook payload, version 4, which Mimir's Alertmanager sends as well, and
Grafana's contact points under version 1. And the plain list of alerts that Prometheus, vmalert and the rulers of Mimir
and Thanos post to an Alertmanager: it has no status (an alert is resolved once its end is past) and no fingerprint.
"""

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime

import orjson

from sentinel.domain.alert import Alert, AlertStatus, Notification, OddAlert

VERSIONS = ("4", "1")
"""Of the webhook payload: Alertmanager's, and Grafana's of the same shape."""
INCIDENTS = {
    "PagerDuty": (("event", "messages", "routing_key"),),
    "Opsgenie": (("alert",), ("action",)),
    "Splunk On-Call": (("INCIDENT", "STATE"),),
}
"""What is told apart by its keys: of each group, a post has one."""
MAX_ALERTS = 10_000
MAX_LABELS = 128
MAX_NAME = 256
MAX_VALUE = 4096
MAX_FINGERPRINT = 256
MAX_COUNT = 2**31 - 1

_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})")


def parse(body: bytes, received_at: datetime) -> Notification:
    """The notification of one post.

    Unknown keys are ignored. An alert that cannot be read, or whose labels are longer than can be matched by, is left
    out alone and listed under `odd`. What is only shown (annotations, where it came from, how many were cut off)
    never costs an alert: it is shortened, or ignored if it has another type.

    Raises ValueError with a sentence that names the JSON path where the post as a whole is not one of the two shapes.
    """
    try:
        payload = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"The body is not JSON: {error}.") from error
    if isinstance(payload, list):
        return _notification(payload, "$", received_at, plain=True)
    if not isinstance(payload, Mapping):
        raise _wrong("$", "an object, or a list of alerts", payload)
    version = payload.get("version")
    if version not in VERSIONS:
        _refuse_incidents(payload)
        raise ValueError(
            f'$.version must be "4", Alertmanager\'s webhook format, or "1", Grafana\'s; it is {_show(version)}.'
        )
    alerts = payload.get("alerts")
    if not isinstance(alerts, list):
        raise _wrong("$.alerts", "a list of alerts", alerts)
    return _notification(
        alerts,
        "$.alerts",
        received_at,
        truncated=_count(payload.get("truncatedAlerts")),
        receiver=_shown(payload.get("receiver")),
    )


def _refuse_incidents(payload: Mapping[str, object]) -> None:
    """Raises ValueError where a post reports what people are called for, without the labels of the alerts behind it."""
    for product, keys in INCIDENTS.items():
        if all(any(key in payload for key in choice) for choice in keys):
            raise ValueError(
                f"This is a webhook of {product}, about incidents: it does not have the labels that name a workload. "
                "Let the sender of those alerts (Alertmanager, Grafana) post them to the sentinel as well."
            )


def _notification(
    entries: list[object],
    path: str,
    received_at: datetime,
    *,
    plain: bool = False,
    truncated: int = 0,
    receiver: str = "",
) -> Notification:
    if len(entries) > MAX_ALERTS:
        raise ValueError(
            f"{path} has {len(entries)} alerts, more than the {MAX_ALERTS} that one request may carry: set "
            "max_alerts in Alertmanager's webhook_config."
        )
    alerts: list[Alert] = []
    odd: list[OddAlert] = []
    for place, entry in enumerate(entries):
        try:
            alerts.append(_alert(entry, f"{path}[{place}]", received_at, plain=plain))
        except ValueError as error:
            odd.append(_odd(place, entry, str(error)))
    return Notification(tuple(alerts), truncated, receiver, tuple(odd))


def _alert(value: object, path: str, received_at: datetime, *, plain: bool) -> Alert:
    entry = _mapping(value, path)
    labels = _labels(entry.get("labels"), f"{path}.labels")
    ends_at = _time(entry["endsAt"], f"{path}.endsAt") if entry.get("endsAt") is not None else None
    if plain:
        resolved = ends_at is not None and ends_at <= received_at
        status = AlertStatus.RESOLVED if resolved else AlertStatus.FIRING
        fingerprint = _fingerprint_of(labels)
    else:
        status = _status(entry.get("status"), f"{path}.status")
        fingerprint = _fingerprint(entry.get("fingerprint"), f"{path}.fingerprint")
    starts_at = _time(entry.get("startsAt"), f"{path}.startsAt")
    if starts_at is None:
        raise ValueError(f"{path}.startsAt is not set (its year is 1).")
    return Alert(
        fingerprint=fingerprint,
        status=status,
        labels=labels,
        starts_at=starts_at,
        received_at=received_at,
        ends_at=ends_at,
        annotations=_annotations(entry.get("annotations")),
    )


def _odd(place: int, value: object, why: str) -> OddAlert:
    """What is known about an alert that cannot be read."""
    entry = value if isinstance(value, Mapping) else {}
    labels = entry.get("labels")
    name = labels.get("alertname") if isinstance(labels, Mapping) else None
    return OddAlert(place, why, _shown(name)[:MAX_NAME], _shown(entry.get("fingerprint"))[:MAX_FINGERPRINT])


def _status(value: object, path: str) -> AlertStatus:
    if not isinstance(value, str) or value not in set(AlertStatus):
        raise ValueError(f'{path} must be "firing" or "resolved"; it is {_show(value)}.')
    return AlertStatus(value)


def _fingerprint(value: object, path: str) -> str:
    text = _text(value, path)
    if not text:
        raise ValueError(f"{path} is empty; the sentinel tells alerts apart by it.")
    if len(text) > MAX_FINGERPRINT:
        raise ValueError(f"{path} has {len(text)} characters, more than {MAX_FINGERPRINT}.")
    return text


def _fingerprint_of(labels: Mapping[str, str]) -> str:
    """The same for the same labels in any order, as Alertmanager's own is."""
    return hashlib.blake2b(orjson.dumps(labels, option=orjson.OPT_SORT_KEYS), digest_size=8).hexdigest()


def _labels(value: object, path: str) -> dict[str, str]:
    labels = {name: _text(text, f"{path}.{name[:MAX_NAME]}") for name, text in _mapping(value, path).items()}
    if not labels:
        raise ValueError(f"{path} is empty, so the alert does not say what it is about.")
    if len(labels) > MAX_LABELS:
        raise ValueError(f"{path} has {len(labels)} labels, more than {MAX_LABELS}.")
    for name, text in labels.items():
        if len(name) > MAX_NAME:
            raise ValueError(f"{path} has a label name of {len(name)} characters, more than {MAX_NAME}.")
        if len(text) > MAX_VALUE:
            raise ValueError(f"{path}.{name} has {len(text)} characters, more than {MAX_VALUE}.")
    return labels


def _annotations(value: object) -> dict[str, str]:
    entries = list(value.items())[:MAX_LABELS] if isinstance(value, Mapping) else []
    return {name[:MAX_NAME]: text[:MAX_VALUE] for name, text in entries if isinstance(text, str)}


def _mapping(value: object, path: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise _wrong(path, "an object", value)
    return value


def _text(value: object, path: str) -> str:
    if not isinstance(value, str):
        raise _wrong(path, "text", value)
    return value


def _shown(value: object) -> str:
    """Text that is only shown; empty for any other type."""
    return value if isinstance(value, str) else ""


def _count(value: object) -> int:
    """A number that is only shown; 0 for any other type."""
    if not isinstance(value, int | float) or isinstance(value, bool) or value < 0:
        return 0
    return int(min(value, MAX_COUNT))


def _time(value: object, path: str) -> datetime | None:
    """An RFC 3339 time in UTC; Go's zero time, year 1, means that none is set."""
    text = _text(value, path)
    if text.startswith("0001-01-01T"):
        return None
    try:
        if not _TIME.fullmatch(text):
            raise ValueError(text)
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise _wrong(path, "an RFC 3339 time such as 2026-01-01T12:00:00Z", value) from None


def _wrong(path: str, wanted: str, value: object) -> ValueError:
    return ValueError(f"{path} must be {wanted}; it is {_show(value)}.")


def _show(value: object) -> str:
    """A value of the payload as one reads it in a sentence."""
    if value is None:
        return "missing or null"
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list):
        return "a list"
    text = repr(value) if isinstance(value, str) else str(value).lower()
    return text if len(text) <= 60 else f"{text[:57]}..."

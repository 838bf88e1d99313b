"""Alertmanager's webhook payload, version 4: checked and turned into a notification."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime

import orjson

from sentinel.domain.alert import Alert, AlertStatus, Notification

VERSION = "4"
MAX_ALERTS = 10_000
MAX_LABELS = 128
MAX_NAME = 256
MAX_VALUE = 4096
MAX_FINGERPRINT = 256
MAX_COUNT = 2**31 - 1

_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})")


def parse(body: bytes, received_at: datetime) -> Notification:
    """The notification of one post.

    Keys that are not known are passed over. Raises ValueError with a sentence that names the JSON path of what is
    wrong. Labels are what alerts are matched by, so too long ones are refused; annotations are only shown, so they
    are cut.
    """
    try:
        payload = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"The body is not JSON: {error}.") from error
    root = _mapping(payload, "$")
    version = root.get("version")
    if version != VERSION:
        raise ValueError(
            f'$.version must be "{VERSION}", Alertmanager\'s webhook format; it is {_show(version)}.'
        )
    alerts = root.get("alerts")
    if not isinstance(alerts, list):
        raise _wrong("$.alerts", "a list of alerts", alerts)
    if len(alerts) > MAX_ALERTS:
        raise ValueError(
            f"$.alerts has {len(alerts)} alerts, more than the {MAX_ALERTS} taken in one post: set max_alerts in "
            "Alertmanager's webhook_config."
        )
    return Notification(
        tuple(_alert(entry, f"$.alerts[{index}]", received_at) for index, entry in enumerate(alerts)),
        truncated=_count(root.get("truncatedAlerts", 0), "$.truncatedAlerts"),
        receiver=_text(root.get("receiver", ""), "$.receiver"),
    )


def _alert(value: object, path: str, received_at: datetime) -> Alert:
    entry = _mapping(value, path)
    status = entry.get("status")
    if not isinstance(status, str) or status not in set(AlertStatus):
        raise ValueError(f'{path}.status must be "firing" or "resolved"; it is {_show(status)}.')
    fingerprint = _text(entry.get("fingerprint"), f"{path}.fingerprint")
    if not fingerprint:
        raise ValueError(f"{path}.fingerprint is empty: alerts are told apart by it.")
    if len(fingerprint) > MAX_FINGERPRINT:
        raise ValueError(
            f"{path}.fingerprint has {len(fingerprint)} characters, more than {MAX_FINGERPRINT}."
        )
    starts_at = _time(entry.get("startsAt"), f"{path}.startsAt")
    if starts_at is None:
        raise ValueError(f"{path}.startsAt is year 1, that is not set.")
    return Alert(
        fingerprint=fingerprint,
        status=AlertStatus(status),
        labels=_labels(entry.get("labels"), f"{path}.labels"),
        starts_at=starts_at,
        received_at=received_at,
        ends_at=_time(entry["endsAt"], f"{path}.endsAt") if entry.get("endsAt") is not None else None,
        annotations=_annotations(entry.get("annotations"), f"{path}.annotations"),
        generator_url=_text(entry.get("generatorURL", ""), f"{path}.generatorURL"),
    )


def _labels(value: object, path: str) -> dict[str, str]:
    labels = {name: _text(text, f"{path}.{name[:MAX_NAME]}") for name, text in _mapping(value, path).items()}
    if len(labels) > MAX_LABELS:
        raise ValueError(f"{path} has {len(labels)} labels, more than {MAX_LABELS}.")
    for name, text in labels.items():
        if len(name) > MAX_NAME:
            raise ValueError(f"{path} has a label name of {len(name)} characters, more than {MAX_NAME}.")
        if len(text) > MAX_VALUE:
            raise ValueError(f"{path}.{name} has {len(text)} characters, more than {MAX_VALUE}.")
    return labels


def _annotations(value: object, path: str) -> dict[str, str]:
    if value is None:
        return {}
    entries = list(_mapping(value, path).items())[:MAX_LABELS]
    return {name[:MAX_NAME]: _text(text, f"{path}.{name[:MAX_NAME]}")[:MAX_VALUE] for name, text in entries}


def _mapping(value: object, path: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise _wrong(path, "an object", value)
    return value


def _text(value: object, path: str) -> str:
    if not isinstance(value, str):
        raise _wrong(path, "text", value)
    return value


def _count(value: object, path: str) -> int:
    if isinstance(value, float) and value.is_integer():  # 3.0 is 3 in JSON
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_COUNT:
        raise _wrong(path, f"a whole number from 0 to {MAX_COUNT}", value)
    return value


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

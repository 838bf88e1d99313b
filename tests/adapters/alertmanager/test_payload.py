"""The webhook payload: what is taken in, and what is refused with which sentence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.adapters.alertmanager import payload
from sentinel.domain.alert import AlertStatus, Notification

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def alert(**changes: Any) -> dict[str, Any]:
    return {
        "status": "firing",
        "labels": {"alertname": "HighErrorRate", "namespace": "shop"},
        "annotations": {"summary": "many errors"},
        "startsAt": "2026-01-01T11:59:00.123456789Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus/graph",
        "fingerprint": "c0ffee",
    } | changes


def post(*alerts: dict[str, Any], **changes: Any) -> bytes:
    body = {
        "version": "4",
        "receiver": "sentinel",
        "status": "firing",
        "truncatedAlerts": 0,
        "alerts": alerts,
    }
    return orjson.dumps(body | changes)


def read(body: bytes) -> Notification:
    return payload.parse(body, NOW)


def test_a_post_of_alertmanager_is_understood() -> None:
    """Labels, annotations, times, receiver and the number cut off come through."""
    notification = read(post(alert(), truncatedAlerts=3))
    assert (notification.receiver, notification.truncated) == ("sentinel", 3)
    (one,) = notification.alerts
    assert (one.name, one.status, one.fingerprint) == ("HighErrorRate", AlertStatus.FIRING, "c0ffee")
    assert one.starts_at == datetime(2026, 1, 1, 11, 59, 0, 123456, tzinfo=UTC)
    assert (one.ends_at, one.received_at) == (None, NOW)
    assert one.annotations == {"summary": "many errors"}


def test_a_resolved_alert_has_its_end() -> None:
    """The end of a resolved alert is read, whatever its time zone."""
    (one,) = read(post(alert(status="resolved", endsAt="2026-01-01T14:00:00+02:00"))).alerts
    assert (one.status, one.ends_at) == (AlertStatus.RESOLVED, NOW)


def test_unknown_keys_are_passed_over() -> None:
    """A newer Alertmanager may say more."""
    assert len(read(post(alert(colour="red"), shape="round")).alerts) == 1


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"not json", r"The body is not JSON"),
        (b"[]", r"\$ must be an object; it is a list"),
        (post(alert(), version="3"), r'\$\.version must be "4".* it is \'3\''),
        (post(alert(), version=4), r'\$\.version must be "4"'),
        (post(alerts=None), r"\$\.alerts must be a list of alerts; it is missing or null"),
        (post(alerts=["x"]), r"\$\.alerts\[0\] must be an object; it is 'x'"),
        (post(alert(), alert(status="pending")), r"\$\.alerts\[1\]\.status must be .* it is 'pending'"),
        (post(alert(status=["firing"])), r"\$\.alerts\[0\]\.status must be .* it is a list"),
        (post(alert(fingerprint="")), r"\$\.alerts\[0\]\.fingerprint is empty"),
        (
            post(alert(fingerprint="f" * 300)),
            r"\$\.alerts\[0\]\.fingerprint has 300 characters, more than 256",
        ),
        (
            post(alert(), truncatedAlerts=1e300),
            r"\$\.truncatedAlerts must be a whole number from 0 to 2147483647",
        ),
        (post(alert(fingerprint=7)), r"\$\.alerts\[0\]\.fingerprint must be text; it is 7"),
        (post(alert(labels={"pod": 3})), r"\$\.alerts\[0\]\.labels\.pod must be text; it is 3"),
        (post(alert(labels=None)), r"\$\.alerts\[0\]\.labels must be an object"),
        (post(alert(startsAt="yesterday")), r"\$\.alerts\[0\]\.startsAt must be an RFC 3339 time"),
        (post(alert(startsAt="2026-01-01T12:00:00")), r"startsAt must be an RFC 3339 time"),
        (post(alert(startsAt="2026-13-01T12:00:00Z")), r"startsAt must be an RFC 3339 time"),
        (post(alert(startsAt="0001-01-01T00:00:00Z")), r"startsAt is year 1"),
        (post(alert(endsAt=5)), r"\$\.alerts\[0\]\.endsAt must be text"),
        (post(alert(), truncatedAlerts=-1), r"\$\.truncatedAlerts must be a whole number"),
        (post(alert(), truncatedAlerts=True), r"\$\.truncatedAlerts must be a whole number.* it is true"),
        (post(alert(labels={"a": "x" * 5000})), r"\$\.alerts\[0\]\.labels\.a has 5000 characters"),
        (post(alert(labels={"a" * 300: "x"})), r"label name of 300 characters"),
        (post(alert(labels={f"l{n}": "" for n in range(200)})), r"labels has 200 labels, more than 128"),
        (post(*[{}] * 10_001), r"\$\.alerts has 10001 alerts.*max_alerts"),
    ],
)
def test_a_wrong_payload_is_refused_by_path(body: bytes, sentence: str) -> None:
    """Each mistake is named with its JSON path and what would be right."""
    with pytest.raises(ValueError, match=sentence):
        read(body)


def test_long_annotations_are_cut_not_refused() -> None:
    """An annotation is only shown: its length loses no alert."""
    (one,) = read(post(alert(annotations={"description": "x" * 10_000}))).alerts
    assert len(one.annotations["description"]) == payload.MAX_VALUE


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=8,
)


@given(key=st.sampled_from(sorted(alert())), value=JSON)
def test_any_value_in_any_place_is_taken_or_refused_by_path(key: str, value: Any) -> None:
    """Whatever stands in an alert's place is either understood or refused with the alert's path."""
    try:
        read(post(alert(**{key: value})))
    except ValueError as error:
        assert str(error).startswith("$.alerts[0].")  # noqa: PT017 - either way is fine


@given(st.binary(max_size=200))
def test_garbage_is_refused(body: bytes) -> None:
    """Bytes that are no payload give a sentence, never another error."""
    with pytest.raises(ValueError, match=r"\.$"):
        read(body)


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=20_000)), st.integers(-14, 14))
def test_times_are_the_same_instant(since: timedelta, zone: int) -> None:
    """A start time in any zone is read as the instant it names."""
    moment = NOW + since
    text = moment.astimezone(timezone(timedelta(hours=zone))).isoformat()
    (one,) = read(post(alert(startsAt=text))).alerts
    assert one.starts_at == moment

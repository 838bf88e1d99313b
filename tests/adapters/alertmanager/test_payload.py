"""The webhook payload: what is taken in, and what is refused with which sentence."""

from __future__ import annotations

import re
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
        (b"7", r"\$ must be an object, or a list of alerts; it is 7"),
        (post(alert(), version="3"), r'\$\.version must be "4".* it is \'3\''),
        (post(alert(), version=4), r'\$\.version must be "4"'),
        (post(alerts=None), r"\$\.alerts must be a list of alerts; it is missing or null"),
        (post(*[{}] * 10_001), r"\$\.alerts has 10001 alerts.*max_alerts"),
        (orjson.dumps([{}] * 10_001), r"\$ has 10001 alerts"),
    ],
)
def test_a_post_of_another_shape_is_refused_by_path(body: bytes, sentence: str) -> None:
    """What is wrong with the whole of it is named with its JSON path and what would be right."""
    with pytest.raises(ValueError, match=sentence):
        read(body)


ODD = [
    ("x", r"\$\.alerts\[1\] must be an object; it is 'x'"),
    (alert(status="pending"), r"\$\.alerts\[1\]\.status must be .* it is 'pending'"),
    (alert(status=["firing"]), r"\$\.alerts\[1\]\.status must be .* it is a list"),
    (alert(fingerprint=""), r"\$\.alerts\[1\]\.fingerprint is empty"),
    (alert(fingerprint="f" * 300), r"\$\.alerts\[1\]\.fingerprint has 300 characters, more than 256"),
    (alert(fingerprint=7), r"\$\.alerts\[1\]\.fingerprint must be text; it is 7"),
    (alert(labels={"pod": 3}), r"\$\.alerts\[1\]\.labels\.pod must be text; it is 3"),
    (alert(labels={"pod": None}), r"\$\.alerts\[1\]\.labels\.pod must be text; it is missing or null"),
    (alert(labels=None), r"\$\.alerts\[1\]\.labels must be an object"),
    (alert(labels={}), r"\$\.alerts\[1\]\.labels is empty"),
    (alert(startsAt=None), r"\$\.alerts\[1\]\.startsAt must be text; it is missing or null"),
    (alert(startsAt="yesterday"), r"\$\.alerts\[1\]\.startsAt must be an RFC 3339 time"),
    (alert(startsAt="2026-01-01T12:00:00"), r"startsAt must be an RFC 3339 time"),
    (alert(startsAt="2026-13-01T12:00:00Z"), r"startsAt must be an RFC 3339 time"),
    (alert(startsAt="0001-01-01T00:00:00Z"), r"startsAt is not set"),
    (alert(endsAt=5), r"\$\.alerts\[1\]\.endsAt must be text"),
    (alert(labels={"a": "x" * 5000}), r"\$\.alerts\[1\]\.labels\.a has 5000 characters"),
    (alert(labels={"a" * 300: "x"}), r"label name of 300 characters"),
    (alert(labels={f"l{n}": "" for n in range(200)}), r"labels has 200 labels, more than 128"),
]


@pytest.mark.parametrize(("odd", "sentence"), ODD, ids=[sentence for _, sentence in ODD])
def test_an_odd_alert_is_left_out_alone(odd: Any, sentence: str) -> None:
    """Its neighbours are read; of itself it is said where it stands, what is wrong, and who it is as far as known."""
    notification = read(post(alert(fingerprint="before"), odd, alert(fingerprint="after")))
    assert [one.fingerprint for one in notification.alerts] == ["before", "after"]
    (left_out,) = notification.odd
    assert left_out.place == 1
    assert re.search(sentence, left_out.why)
    known = odd["labels"] if isinstance(odd, dict) and isinstance(odd["labels"], dict) else {}
    assert left_out.name == known.get("alertname", "")


@pytest.mark.parametrize(
    "changes",
    [
        {"annotations": None},
        {"annotations": 7},
        {"annotations": {"runbook": 7}},
        {"annotations": {"description": "x" * 10_000}},
        {"generatorURL": None},
        {"values": {"B": 1.5}, "imageURL": None},
    ],
    ids=str,
)
def test_what_is_only_shown_costs_no_alert(changes: dict[str, Any]) -> None:
    """It is cut or passed over."""
    (one,) = read(post(alert(**changes))).alerts
    assert all(len(text) <= payload.MAX_VALUE for text in one.annotations.values())


@pytest.mark.parametrize(
    ("said", "count"), [(None, 0), (-1, 0), (True, 0), ("3", 0), (3.0, 3), (1e300, 2**31 - 1)]
)
def test_a_number_cut_off_that_is_none_costs_no_alert(said: Any, count: int) -> None:
    """It is only recorded; and so is who received it."""
    notification = read(post(alert(), truncatedAlerts=said, receiver=None))
    assert (len(notification.alerts), notification.truncated, notification.receiver) == (1, count, "")


def test_a_post_of_grafana_is_understood() -> None:
    """Its contact points say version 1 and more than Alertmanager does; the rest is the same."""
    told = alert(
        startsAt="2026-01-01T12:58:00.000+01:00",
        labels={"alertname": "HighErrorRate", "grafana_folder": "Shop", "namespace": "shop"},
        values={"B": 44.2},
        valueString="[ var='B' labels={} value=44.2 ]",
        silenceURL="http://grafana/alerting/silence/new",
        dashboardURL="",
        panelURL="",
    )
    extra = {
        "orgId": 1,
        "title": "[FIRING:1]",
        "state": "alerting",
        "message": "**Firing**",
        "groupKey": "{}",
    }
    (one,) = read(post(told, version="1", **extra)).alerts
    assert one.starts_at == datetime(2026, 1, 1, 11, 58, tzinfo=UTC)


def plain(**changes: Any) -> dict[str, Any]:
    """An alert as Prometheus and vmalert post it to an Alertmanager."""
    told = alert(endsAt="2026-01-01T12:04:00Z") | changes
    return {key: value for key, value in told.items() if key not in ("status", "fingerprint")}


def test_alerts_as_posted_to_an_alertmanager_are_understood() -> None:
    """They fire until their end, and are told apart by their labels, in any order."""
    later = plain(labels={"namespace": "shop", "alertname": "HighErrorRate"}, endsAt="2026-01-01T11:59:30Z")
    other = plain(labels={"alertname": "HighErrorRate", "namespace": "bank"}, endsAt=None)
    firing, resolved, different = read(orjson.dumps([plain(), later, other])).alerts
    states = [one.status for one in (firing, resolved, different)]
    assert states == [AlertStatus.FIRING, AlertStatus.RESOLVED, AlertStatus.FIRING]
    assert firing.fingerprint == resolved.fingerprint != different.fingerprint


def test_an_odd_alert_of_a_plain_list_is_left_out_alone() -> None:
    """As of a webhook's post."""
    notification = read(orjson.dumps([{"labels": {}}, plain(), {"labels": {"alertname": "Slow"}}]))
    assert len(notification.alerts) == 1
    assert [one.why.partition(" ")[0] for one in notification.odd] == ["$[0].labels", "$[2].startsAt"]


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
def test_any_value_in_any_place_loses_no_other_alert(key: str, value: Any) -> None:
    """Whatever stands in an alert's place is either understood or left out with the alert's path."""
    notification = read(post(alert(**{key: value}), alert(fingerprint="other")))
    assert notification.alerts[-1].fingerprint == "other"
    assert len(notification.alerts) + len(notification.odd) == 2
    assert all(one.why.startswith("$.alerts[0].") for one in notification.odd)


@given(JSON)
def test_any_alert_loses_no_other_alert(value: Any) -> None:
    """The same of a whole alert."""
    notification = read(post(value, alert(fingerprint="other")))
    assert notification.alerts[-1].fingerprint == "other"


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


@pytest.mark.parametrize(
    ("body", "product"),
    [
        ({"event": {"event_type": "incident.triggered", "data": {"id": "PGR0VU2"}}}, "PagerDuty"),
        ({"routing_key": "x", "event_action": "trigger", "payload": {"summary": "a"}}, "PagerDuty"),
        ({"action": "Create", "alert": {"alertId": "1", "message": "a"}}, "Opsgenie"),
        ({"INCIDENT": {"INCIDENT_ID": "7"}, "STATE": {}}, "Splunk On-Call"),
    ],
)
def test_webhooks_about_incidents_are_no_alerts(body: dict[str, Any], product: str) -> None:
    """The answer names the product, and who has the labels that are needed."""
    with pytest.raises(
        ValueError, match=f"a webhook of {product}, about incidents.*post them to the sentinel"
    ):
        read(orjson.dumps(body))


def test_what_newer_alertmanagers_add_is_ignored() -> None:
    """`routeLabels` and `notification_reason` of 0.35 say nothing about the alert itself."""
    body = post(
        alert(),
        routeLabels={"team": "shop", "runbook": "HighErrorRate"},
        notification_reason="repeat interval elapsed",
        groupKey='{}:{alertname="HighErrorRate"}',
    )
    assert [one.name for one in read(body).alerts] == ["HighErrorRate"]

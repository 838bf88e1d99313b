"""Alerts of then, from Prometheus' own series of them."""

from datetime import timedelta

from sentinel.app.rehearsal.alerting import SENT_AFTER, STEP, entries_of
from sentinel.app.rehearsal.history import RangeSeries
from sentinel.domain.alert import AlertStatus
from sentinel.domain.policy.policy import Policy
from sentinel.domain.policy.selection import AlertMatcher, AlertRule, MatchOperator
from sentinel.domain.record.entries import AlertEntry
from tests.app.rehearsal.results import T0, rollout

POLICY = Policy("p", "d", alerts=(AlertRule((AlertMatcher("alertname", MatchOperator.EQUAL, "Bad"),)),))
UNTIL = T0 + timedelta(minutes=30)


def alerts(state: str, *spans: tuple[int, int], **labels: str) -> RangeSeries:
    """An alert that was in a state in these spans of minutes after the rollout began."""
    named = {"alertname": "Bad", "namespace": "shop", "deployment": "web", **labels}
    step = int(timedelta(minutes=1) / STEP)
    points = [(T0 + STEP * index, 1.0) for begin, end in spans for index in range(begin * step, end * step)]
    return RangeSeries({"__name__": "ALERTS", "alertstate": state, **named}, tuple(points))


def entries(*series: RangeSeries) -> list[AlertEntry]:
    """The alerts in these series."""
    return list(entries_of(series, rollout(), POLICY, UNTIL))


def test_an_alert_comes_in_when_it_fired_and_waited_as_long_as_it_was_pending() -> None:
    """startsAt is when it fired; how long it was pending tells when it began."""
    (entry,) = entries(alerts("pending", (2, 5)), alerts("firing", (5, 30)))
    assert (entry.starts_at, entry.pending_for) == (T0 + timedelta(minutes=5), 180.0)
    assert entry.received_at == entry.starts_at + SENT_AFTER
    assert "alertstate" not in entry.labels


def test_an_alert_that_ends_is_resolved() -> None:
    """One notification more, of the same alert."""
    fired, resolved = entries(alerts("firing", (5, 10)))
    assert (fired.status, resolved.status) == (AlertStatus.FIRING, AlertStatus.RESOLVED)
    assert fired.fingerprint == resolved.fingerprint
    assert fired.starts_at == resolved.starts_at
    assert resolved.received_at >= T0 + timedelta(minutes=10)


def test_an_alert_that_fires_twice_is_two() -> None:
    """A gap ends the first."""
    found = [
        entry for entry in entries(alerts("firing", (5, 10), (20, 30))) if entry.status is AlertStatus.FIRING
    ]
    assert [entry.starts_at for entry in found] == [T0 + timedelta(minutes=5), T0 + timedelta(minutes=20)]


def test_alerts_of_others_and_alerts_that_no_policy_means_are_left_out() -> None:
    """By the same labels as in the daemon; a pod belongs to the workload by its name."""
    assert not entries(alerts("firing", (5, 30), deployment="api"))
    assert not entries(alerts("firing", (5, 30), alertname="Other"))
    assert entries(alerts("firing", (5, 30), deployment="", pod="web-new1-abcde"))
    assert not entries(alerts("pending", (5, 30)))

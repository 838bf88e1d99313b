"""Which workload and revision an alert concerns, and what it does."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.domain.alert import AlertStatus
from sentinel.domain.policy.selection import AlertAction, AlertRule
from sentinel.domain.record.entries import Action, AlertEntry
from sentinel.domain.record.record import Record
from sentinel.domain.verdict import RuleVerdict, VerdictKind
from sentinel.domain.workload.facts import WorkloadKey
from sentinel.domain.workload.kinds import WorkloadKind
from sentinel.domain.workload.pods import Pod
from sentinel.engine.alerts.attribution import Attribution, attribute, merge_alerts
from tests.engine.builders import entry
from tests.engine.snapshots import KEY, NEW, OLD, at, pod, record, revision, workload

UNDO, HOLD, ESCALATE = AlertAction.UNDO, AlertAction.HOLD, AlertAction.ESCALATE
RULE = AlertRule(())
WEB = WorkloadKey(WorkloadKind.DEPLOYMENT, "shop", "web")
DB = WorkloadKey(WorkloadKind.STATEFULSET, "shop", "db")
PODS = (pod("api-1"), pod("api-2"), pod("api-3", OLD), pod("api-4", OLD))

# Hashes as the controller makes them, for pods that are gone.
HASHED = revision("new", hash="7c9f5d8b64")
HASHED_OLD = revision("old", hash="5b4c7d9f68")


def alert(
    starts: float = 600, *, fingerprint: str = "f1", name: str = "HighErrorRate", **labels: str
) -> AlertEntry:
    """A firing alert, five minutes and more into the rollout."""
    return AlertEntry(
        fingerprint,
        name,
        AlertStatus.FIRING,
        {"alertname": name, "namespace": "shop"} | labels,
        starts_at=at(starts),
        received_at=at(starts + 1),
    )


def attributed(
    entry: AlertEntry,
    *,
    action: AlertAction = UNDO,
    others: tuple[tuple[WorkloadKey, datetime], ...] = (),
    verdicts: tuple[RuleVerdict, ...] = (),
    pods: tuple[Pod, ...] = PODS,
    of: Record | None = None,
    key: WorkloadKey = KEY,
    beside: tuple[AlertEntry, ...] = (),
    **rest: Any,
) -> Attribution:
    """What an alert comes to for the rollout of NEW, which began at 0."""
    rollout = of or record()
    rollout = replace(rollout, key=key, alerts=(entry, *beside))
    snapshot = workload(*pods, key=key)
    return attribute(entry, replace(RULE, action=action), rollout, snapshot, others, verdicts, **rest)


def came_to(result: Attribution) -> tuple[AlertAction | None, str]:
    """Effect and reason."""
    return result.effect, result.reason


# Pods.


def test_an_alert_on_a_candidate_pod_undoes() -> None:
    """A pod label gives the alert to that pod's revision."""
    result = attributed(replace(alert(pod="api-1"), summary="12 % of requests fail"))
    assert came_to(result) == (UNDO, "Alert")
    assert result.message == "alert HighErrorRate fires for pod api-1 of the candidate: 12 % of requests fail"


def test_an_alert_on_a_baseline_pod_never_undoes() -> None:
    """A stable pod's alert is not the candidate's, whatever the rule asks for."""
    for action in AlertAction:
        assert came_to(attributed(alert(pod="api-3"), action=action)) == (None, "OtherRevision")


def test_a_candidate_pods_alert_needs_no_time() -> None:
    """The pod is of the candidate, even if it fired before a sentinel saw the rollout."""
    assert attributed(alert(-30, pod="api-1")).effect is UNDO


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("api-7c9f5d8b64-x2k9z", (UNDO, "Alert")),
        ("api-5b4c7d9f68-x2k9z", (None, "OtherRevision")),
        ("api-backend-7c9f5d8b64-x2k9z", (HOLD, "NotOneWorkload")),
        ("kube-state-metrics-0", (HOLD, "NotOneWorkload")),
    ],
)
def test_a_pod_that_is_gone_is_told_by_its_name(name: str, outcome: tuple[AlertAction | None, str]) -> None:
    """A Deployment's pods carry their revision's hash in their names; other pods are of nobody here."""
    assert came_to(attributed(alert(pod=name), of=record(HASHED, HASHED_OLD), pods=())) == outcome


def test_the_hash_may_come_after_the_record() -> None:
    """A record made before the ReplicaSet existed learns its hash from the workload, unless that has moved on."""
    early = record(replace(NEW, hash=""))
    assert attributed(alert(pod="api-1"), of=early).effect is UNDO
    superseded = record(revision("older", hash=""))
    assert came_to(attributed(alert(pod="api-1"), of=superseded)) == (None, "OtherRevision")


@pytest.mark.parametrize(
    ("kind", "name", "outcome"),
    [
        (WorkloadKind.STATEFULSET, "api-2", (HOLD, "UnknownPod")),
        (WorkloadKind.DAEMONSET, "api-x2k9z", (HOLD, "UnknownPod")),
        (WorkloadKind.STATEFULSET, "other-2", (UNDO, "Alert")),
    ],
)
def test_a_gone_pod_without_a_hash_in_its_name_holds(
    kind: WorkloadKind, name: str, outcome: tuple[AlertAction, str]
) -> None:
    """Its revision cannot be told any more; an exporter's pod says nothing."""
    key = WorkloadKey(kind, "shop", "api")
    labels = {kind.lower(): "api", "pod": name}
    assert came_to(attributed(alert(**labels), key=key, pods=())) == outcome


def test_a_pod_of_another_namespace_is_not_ours() -> None:
    """The same pod name elsewhere is another pod."""
    elsewhere = alert(pod="api-1", namespace="test", deployment="api")
    assert came_to(attributed(elsewhere)) == (UNDO, "Alert")
    assert attributed(elsewhere).message == "alert HighErrorRate fires for deployment/shop/api"


# Without a pod.


@pytest.mark.parametrize("labels", [{"deployment": "api"}, {"workload": "api"}, {"service": "api"}], ids=str)
def test_an_alert_that_names_exactly_this_workload_undoes(labels: dict[str, str]) -> None:
    """By its kind's label, `workload`, or a service of its name."""
    assert came_to(attributed(alert(**labels))) == (UNDO, "Alert")


def test_the_rules_own_label_names_the_workload() -> None:
    """`workloadLabel` is one of the usual ones then."""
    entry = alert(app="api")
    assert attributed(entry).reason == "NotOneWorkload"
    labelled = AlertRule((), workload_label="app")
    assert attribute(entry, labelled, record(), workload(*PODS), (), ()).effect is UNDO


@pytest.mark.parametrize(
    ("labels", "named", "said"),
    [
        ({}, None, "names no workload"),
        ({"service": "frontend"}, None, "names frontend"),
        ({"service": "shared"}, (KEY, WEB), "names api, web"),
        ({"deployment": "api"}, (KEY, KEY._replace(namespace="test")), "names api, deployment/test/api"),
    ],
)
def test_an_alert_that_names_not_exactly_one_workload_holds(
    labels: dict[str, str], named: tuple[WorkloadKey, ...] | None, said: str
) -> None:
    """None, several, or a service that may be anybody's: hold, no undo."""
    result = attributed(alert(**labels), named=named)
    assert came_to(result) == (HOLD, "NotOneWorkload")
    assert said in result.message


def test_a_service_that_stands_for_this_workload_alone_undoes() -> None:
    """What the cluster knows of the service counts."""
    assert attributed(alert(service="frontend"), named=(KEY,)).effect is UNDO


@pytest.mark.parametrize(
    ("starts", "pending_for", "outcome"),
    [
        (-1, 0.0, (None, "BeganBefore")),
        (0, 0.0, (UNDO, "Alert")),
        (59, 60.0, (None, "BeganBefore")),
        (60, 60.0, (UNDO, "Alert")),
        (299, None, (HOLD, "MayHaveBegunBefore")),
        (300, None, (UNDO, "Alert")),
    ],
)
def test_an_alert_must_have_begun_after_the_rollout(
    starts: float, pending_for: float | None, outcome: tuple[AlertAction | None, str]
) -> None:
    """`startsAt` less the rule's `for:`; less the look-back where that is unknown, and then it is only a doubt."""
    entry = replace(alert(starts, deployment="api"), pending_for=pending_for)
    assert came_to(attributed(entry)) == outcome


# Doubt.

OUTAGE = RuleVerdict(
    "error-rate", VerdictKind.INCONCLUSIVE, "BothArmsOverLimit", "both at 30 %", everywhere=True
)


@pytest.mark.parametrize("labels", [{"deployment": "api"}, {"pod": "api-1"}], ids=str)
def test_an_alert_while_the_baseline_is_equally_bad_holds(labels: dict[str, str]) -> None:
    """An outage of both revisions is held, not undone."""
    result = attributed(alert(**labels), verdicts=(OUTAGE,))
    assert came_to(result) == (HOLD, "BaselineEquallyBad")
    assert "both at 30 %" in result.message
    well = replace(OUTAGE, everywhere=False)
    assert attributed(alert(**labels), verdicts=(well,)).effect is UNDO


def test_an_alert_on_as_many_baseline_pods_holds() -> None:
    """When the same alert fires for the same share of the other pods it is the environment's."""
    mine = alert(pod="api-1")
    twin = alert(pod="api-3", fingerprint="f2")
    assert came_to(attributed(mine, beside=(twin,))) == (HOLD, "BaselineEquallyBad")
    both = alert(pod="api-2", fingerprint="f3")
    assert attributed(mine, beside=(twin, both)).effect is UNDO
    assert attributed(mine, beside=(replace(twin, status=AlertStatus.RESOLVED),)).effect is UNDO
    assert attributed(mine, beside=(replace(twin, name="Other"),)).effect is UNDO
    assert attributed(mine, pods=PODS[:2]).effect is UNDO


@pytest.mark.parametrize("action", list(AlertAction))
def test_the_rule_says_what_an_alert_does(action: AlertAction) -> None:
    """An attributed alert does what its rule asks for."""
    assert attributed(alert(pod="api-1"), action=action).effect is action


def test_doubt_takes_the_undo_away_but_not_the_telling() -> None:
    """Where an undo would be unsure it is held; an alert that only escalates still does."""
    assert attributed(alert(), action=HOLD).effect is HOLD
    assert attributed(alert(), action=ESCALATE).effect is ESCALATE


def test_a_resolved_alert_does_nothing() -> None:
    """It is withdrawn."""
    assert came_to(attributed(replace(alert(pod="api-1"), status=AlertStatus.RESOLVED))) == (None, "Resolved")


# Storms.


def others(*seconds: float) -> tuple[tuple[WorkloadKey, datetime], ...]:
    """Alerts of WEB and DB, in turn, received at these times."""
    return tuple((key, at(second)) for key, second in zip((WEB, DB) * 3, seconds, strict=False))


@pytest.mark.parametrize("labels", [{"deployment": "api"}, {"pod": "api-1"}, {"pod": "api-3"}], ids=str)
@pytest.mark.parametrize("action", list(AlertAction))
def test_alerts_on_three_workloads_are_a_storm(labels: dict[str, str], action: AlertAction) -> None:
    """All of them are held, whatever the alert names and its rule asks for."""
    result = attributed(alert(600, **labels), others=others(500, 610), action=action)
    assert came_to(result) == (HOLD, "AlertStorm")
    assert "deployment/shop/api, deployment/shop/web, statefulset/shop/db" in result.message


def test_a_storm_calls_people_at_its_first_workload_alone() -> None:
    """Each of the three is held; in the order of their names, the first one's people are called."""
    storm = (("deployment/shop/api", False), ("deployment/shop/web", True))
    for key, (name, elsewhere) in zip((KEY, WEB), storm, strict=True):
        assert str(key) == name
        rest = tuple((each, at(605)) for each in (KEY, WEB, DB) if each != key)
        result = attributed(alert(600, deployment=key.name), others=rest, key=key)
        assert (result.reason, result.told_elsewhere) == ("AlertStorm", elsewhere)


def test_an_unknown_pod_is_held_for_that_whatever_else_fires() -> None:
    """That the baseline alerts as much says nothing of a pod whose revision is unknown."""
    stateful = WorkloadKey(WorkloadKind.STATEFULSET, "shop", "api")
    twin = alert(pod="api-3", fingerprint="f2")
    result = attributed(alert(pod="api-2"), key=stateful, pods=(pod("api-3", OLD),), beside=(twin,))
    assert came_to(result) == (HOLD, "UnknownPod")


@pytest.mark.parametrize(
    ("seconds", "storm"),
    [
        ((601, 601), True),
        ((482, 601), True),
        ((481, 601), True),
        ((480, 601), False),
        ((481, 602), False),
        ((601, 721), True),
        ((541, 661), True),
        ((541, 662), False),
        ((601, 722), False),
    ],
)
def test_a_storm_takes_two_minutes_at_most(seconds: tuple[float, ...], storm: bool) -> None:
    """The three must lie within two minutes that hold this alert, which came at 601."""
    assert (attributed(alert(600, pod="api-1"), others=others(*seconds)).reason == "AlertStorm") is storm


def test_two_workloads_are_no_storm() -> None:
    """However many alerts they have."""
    many = tuple((WEB, at(600 + n)) for n in range(5))
    assert attributed(alert(600, pod="api-1"), others=many).effect is UNDO


def test_an_alert_that_fired_before_the_rollout_makes_no_storm() -> None:
    """What three workloads had for days holds no new rollout."""
    assert attributed(alert(-9000, deployment="api"), others=others(-9000, -9000)).reason == "BeganBefore"


# Merging.


def resolved(entry: AlertEntry) -> AlertEntry:
    """The end of an alert."""
    return replace(entry, status=AlertStatus.RESOLVED, received_at=entry.received_at + timedelta(minutes=5))


def test_a_repeat_is_no_new_alert() -> None:
    """What was received first stays, with what was made of it."""
    first = replace(alert(), verdict="undo")
    repeat = replace(alert(), received_at=at(9999))
    assert merge_alerts((first,), [repeat]) == (first,)


def test_resolved_ends_an_alert_for_good() -> None:
    """It keeps its verdict, and a late copy of its firing does not bring it back."""
    first = replace(alert(), verdict="undo")
    ended = merge_alerts((first,), [resolved(alert())])
    assert ended == (replace(first, status=AlertStatus.RESOLVED),)
    assert merge_alerts(ended, [alert()]) == ended


def test_an_alert_that_fires_anew_is_new() -> None:
    """A later start is another firing, nobody has looked at it, and it is the newest."""
    ended = replace(resolved(alert(100)), verdict="undo")
    other = alert(fingerprint="f2")
    assert merge_alerts((ended, other), [alert(900)]) == (other, alert(900))


def test_an_older_firing_that_arrives_late_is_dropped() -> None:
    """Notifications may arrive out of order."""
    for late in (alert(100), resolved(alert(100))):
        assert merge_alerts((alert(900),), [late]) == (alert(900),)


entries = st.lists(
    st.builds(
        lambda name, starts, over: (resolved if over else lambda e: e)(alert(starts, fingerprint=name)),
        st.sampled_from(["a", "b"]),
        st.sampled_from([100.0, 200.0]),
        st.booleans(),
    ),
    max_size=8,
)


@given(entries, st.randoms())
def test_merging_knows_no_order(received: list[AlertEntry], shuffler: Any) -> None:
    """However notifications arrive, and however often, the same alerts fire in the end."""

    def states(merged: tuple[AlertEntry, ...]) -> set[tuple[str, datetime, AlertStatus]]:
        return {(entry.fingerprint, entry.starts_at, entry.status) for entry in merged}

    once = merge_alerts((), received)
    shuffled = received * 2
    shuffler.shuffle(shuffled)
    assert states(merge_alerts((), shuffled)) == states(once)
    assert merge_alerts(once, received) == once


@given(
    st.sampled_from([{}, {"deployment": "api"}, {"pod": "api-1"}, {"pod": "api-3"}, {"service": "x"}]),
    st.floats(-1000, 1000),
    st.none() | st.floats(0, 600),
)
def test_only_an_undo_rule_ever_undoes(
    labels: dict[str, str], starts: float, pending_for: float | None
) -> None:
    """No doubt, storm or time makes more of an alert than its rule asks for."""
    entry = replace(alert(starts, **labels), pending_for=pending_for)
    assert attributed(entry, action=HOLD).effect in (HOLD, None)
    assert attributed(entry, action=ESCALATE).effect in (ESCALATE, None)


def test_an_alert_while_the_rollout_waits_for_its_controller_is_not_its_doing() -> None:
    """Nothing of the candidate runs yet; and once it does, an alert from before is still not about it."""
    waits = workload(*PODS, candidate=replace(NEW, digest="essence", hash=""), essence="essence")
    found = attribute(alert(600), RULE, record(), waits, (), (), named={KEY})
    assert came_to(found) == (None, "NotBegun")
    begun = replace(
        record(), decisions=(entry(Action.HOLD, "ControllerDown", 1), entry(Action.START, "NewRevision", 900))
    )
    assert came_to(attributed(alert(600), of=begun, named={KEY})) == (None, "BeganBefore")
    assert attributed(alert(1300), of=begun, named={KEY}).effect is UNDO

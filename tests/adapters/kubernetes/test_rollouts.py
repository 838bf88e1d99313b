"""Argo Rollouts' Rollout objects: where they stand in their own steps, and what each change to them comes to."""

from __future__ import annotations

from typing import Any

import pytest

from sentinel.adapters.kubernetes.workloads.digest import digest_of, template_digest
from sentinel.adapters.kubernetes.workloads.kinds.argo_steps import own_steps
from sentinel.adapters.kubernetes.workloads.kinds.replica_sets import stored_template, trim_replica_set
from sentinel.adapters.kubernetes.workloads.kinds.rollout import plan, trim_rollout
from sentinel.adapters.kubernetes.workloads.patches import check_judged
from sentinel.adapters.kubernetes.workloads.snapshot import build_workload
from sentinel.domain.decision import Change, Promote, Release, Restore
from sentinel.domain.errors import InvalidObjectError, PreconditionError
from sentinel.domain.record.state import RevisionRef
from sentinel.domain.workload.facts import OwnSteps, Stepping, Workload

Json = dict[str, Any]
STEPS = [{"setWeight": 25}, {"pause": {}}, {"setWeight": 50}, {"pause": {"duration": "5s"}}, {"pause": {}}]
TEMPLATE = {
    "metadata": {"labels": {"app": "web"}},
    "spec": {"containers": [{"name": "web", "image": "web:2"}]},
}
PAUSED = [{"reason": "CanaryPauseStep", "startTime": "2026-11-29T12:00:00Z"}]


def rollout(strategy: Json | None = None, spec: Json | None = None, **status: Any) -> Json:
    """A Rollout in flight, at its first pause unless its status says otherwise."""
    known = {
        "observedGeneration": "2",
        "currentPodHash": "new",
        "stableRS": "old",
        "currentStepIndex": 1,
        "pauseConditions": PAUSED,
        "controllerPause": True,
        "replicas": 5,
        "updatedReplicas": 1,
        "availableReplicas": 4,
        "phase": "Paused",
    }
    shown = {key: value for key, value in {**known, **status}.items() if value is not None}
    return {
        "metadata": {
            "name": "web",
            "namespace": "shop",
            "uid": "u1",
            "generation": 2,
        },
        "spec": {
            "replicas": 4,
            "strategy": strategy or {"canary": {"steps": STEPS}},
            **(spec or {"template": TEMPLATE}),
        },
        "status": shown,
    }


def replica_set(hash_: str, number: int, **annotations: str) -> Json:
    """A ReplicaSet of the Rollout, its template with a default that the Rollout's has not."""
    labels = {"app": "web", "rollouts-pod-template-hash": hash_}
    owner = {"kind": "Rollout", "name": "web", "uid": "u1", "controller": True}
    containers = [{"name": "web", "image": f"web:{number}", "terminationMessagePath": "/dev/termination-log"}]
    return {
        "metadata": {
            "name": f"web-{hash_}",
            "namespace": "shop",
            "uid": f"rs-{hash_}",
            "labels": labels,
            "annotations": {"rollout.argoproj.io/revision": str(number), **annotations},
            "ownerReferences": [owner],
        },
        "spec": {
            "replicas": 1,
            "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
        },
        "status": {"replicas": 1, "readyReplicas": 1, "availableReplicas": 1},
    }


OLD, NEW = replica_set("old", 1), replica_set("new", 2)


def snapshot(live: Json) -> Workload:
    """The workload that a Rollout with its two ReplicaSets is."""
    return build_workload(trim_rollout(live), [trim_replica_set(held) for held in (OLD, NEW)], (), set())


def planned(live: Json, change: Change) -> list[tuple[str, list[tuple[str, Any]]]]:
    """What a change writes: each patch's subresource or other object, and its writes without the tests."""
    found = plan(live, snapshot(live), change, OLD)
    return [
        (
            patch.subresource or patch.name,
            [(op["path"], op.get("value")) for op in patch.operations if op["op"] != "test"],
        )
        for patch in found.patches
    ]


def back(live: Json) -> Restore:
    """The change that puts the stable revision back."""
    stable = snapshot(live).revision("old")
    assert stable is not None
    return Restore(RevisionRef.of(stable))


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        (0, OwnSteps(0, 2, 0.25)),
        (1, OwnSteps(0, 2, 0.25, waits=True)),
        (2, OwnSteps(1, 2, 0.5)),
        (3, OwnSteps(1, 2, 0.5)),
        (4, OwnSteps(1, 2, 0.5, waits=True)),
        (5, OwnSteps(2, 2, 1.0)),
    ],
)
def test_stages_are_what_its_controller_goes_through_without_waiting(index: int, expected: OwnSteps) -> None:
    """A weight and its timed pauses are one; behind a pause without an end another begins."""
    paused = PAUSED if index in (1, 3, 4) else None
    assert own_steps(rollout(currentStepIndex=index, pauseConditions=paused)) == expected


def test_a_blue_green_rollout_waits_at_its_preview() -> None:
    """One stage; with an automatic promotion it goes on by itself; once its Service is switched it is past it."""
    waits = [{"reason": "BlueGreenPause", "startTime": "2026-11-29T12:00:00Z"}]
    by_hand = {"blueGreen": {"activeService": "web", "autoPromotionEnabled": False}}
    preview = {"blueGreen": {"activeSelector": "old"}, "pauseConditions": waits, "currentStepIndex": None}
    assert own_steps(rollout(by_hand, **preview)) == OwnSteps(0, 1, 1.0, waits=True)
    timed = {"blueGreen": {"activeService": "web", "autoPromotionSeconds": 30}}
    assert own_steps(rollout(timed, **preview)) == OwnSteps(0, 1, 1.0)
    switched = {"blueGreen": {"activeSelector": "new"}, "pauseConditions": None}
    assert own_steps(rollout(by_hand, **switched)) == OwnSteps(1, 1, 1.0)


def test_a_snapshot_tells_revisions_by_the_controllers_hash() -> None:
    """The ReplicaSet's template has defaults: its digest is never that of the Rollout's."""
    shown = snapshot(rollout())
    assert (shown.candidate.digest, shown.candidate.hash, shown.candidate.images) == (
        "new",
        "new",
        ("web:2",),
    )
    assert [(other.digest, other.number) for other in shown.others] == [("old", 1)]
    assert (shown.abilities.stepping, shown.observed, shown.rolled_out) == (Stepping.OWN, True, False)
    assert shown.written == digest_of(rollout())


def test_it_is_rolled_out_when_its_controller_says_so() -> None:
    """Old pods may stay for a while, as with blue-green."""
    done = {"phase": "Healthy", "stableRS": "new", "pauseConditions": None, "controllerPause": None}
    assert snapshot(rollout(currentStepIndex=5, **done)).rolled_out
    assert not snapshot(rollout(currentStepIndex=5, **{**done, "stableRS": "old"})).rolled_out


@pytest.mark.parametrize(
    ("status", "observed"),
    [({"observedGeneration": "1"}, False), ({"pauseConditions": None}, False), ({}, True)],
)
def test_what_its_controller_has_not_taken_up_is_told(status: Json, *, observed: bool) -> None:
    """A spec that it has not observed, a pause that somebody ended."""
    assert snapshot(rollout(**status)).observed is observed


def test_a_pause_in_its_spec_is_a_humans() -> None:
    """It is never ours: we end pauses of its steps alone."""
    shown = snapshot(rollout(spec={"paused": True, "template": TEMPLATE}))
    assert shown.brake.foreign


def test_a_promotion_ends_the_pause_that_was_judged() -> None:
    """And nothing else; where it waits no longer there is nothing to write."""
    assert planned(rollout(), Promote()) == [("status", [("/status/pauseConditions", None)])]
    assert planned(rollout(currentStepIndex=3), Promote()) == []
    (patch,) = plan(rollout(), snapshot(rollout()), Promote(), {}).patches
    assert [op["path"] for op in patch.operations if op["op"] == "test"] == [
        "/metadata/uid",
        "/status/currentPodHash",
        "/status/pauseConditions",
    ]


def test_an_inconclusive_analysis_is_promoted_with_the_step_after_it() -> None:
    """Its controller would pause again at once without the other two fields."""
    live = rollout(pauseConditions=[{"reason": "InconclusiveAnalysisRun"}])
    assert planned(live, Promote()) == [
        (
            "status",
            [
                ("/status/pauseConditions", None),
                ("/status/controllerPause", False),
                ("/status/currentStepIndex", 2),
            ],
        )
    ]


def test_a_full_promotion_is_asked_for_once_and_never_of_a_finished_rollout() -> None:
    """There nothing would clear it but its controller."""
    assert planned(rollout(), Promote(full=True)) == [("status", [("/status/promoteFull", True)])]
    assert planned(rollout(promoteFull=True), Promote(full=True)) == []
    assert planned(rollout(stableRS="new"), Promote(full=True)) == []


def test_an_undo_in_flight_aborts_before_it_puts_the_template_back() -> None:
    """The abort holds though something puts the bad template back; once it stands it is not written again."""
    template = {"metadata": {"labels": {"app": "web"}}, "spec": OLD["spec"]["template"]["spec"]}
    written = ("", [("/spec/template", template)])
    assert planned(rollout(), back(rollout())) == [("status", [("/status/abort", True)]), written]
    assert planned(rollout(abort=True), back(rollout())) == [written]
    finished = rollout(stableRS="new", phase="Healthy")
    assert planned(finished, back(finished)) == [written]


def test_a_template_from_elsewhere_is_put_back_there() -> None:
    """In the Deployment that it refers to, as its controller has last seen it; in no other kind."""
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "base"}
    live = rollout(spec={"workloadRef": reference}, workloadObservedGeneration="7", stableRS="new")
    (patch,) = plan(live, snapshot(live), back(live), OLD).patches
    assert (patch.resource is not None, patch.name) == (True, "base")
    assert [(op["op"], op["path"]) for op in patch.operations] == [
        ("test", "/metadata/generation"),
        ("replace", "/spec/template"),
    ]
    other = rollout(spec={"workloadRef": {**reference, "apiVersion": "v1", "kind": "PodTemplate"}})
    with pytest.raises(InvalidObjectError, match="PodTemplate base: only a Deployment's template"):
        plan(other, snapshot(other), back(other), OLD)


def test_it_takes_no_pause_of_ours() -> None:
    """Its steps are its own."""
    with pytest.raises(InvalidObjectError, match="a Rollout does not support Release"):
        plan(rollout(), snapshot(rollout()), Release(), {})


def test_what_was_put_into_a_replica_set_is_not_put_back() -> None:
    """The labels of canary pods, by the controller's own note of them."""
    held = replica_set("old", 1, **{"rollout.argoproj.io/ephemeral-metadata": '{"labels":{"role":"canary"}}'})
    held["spec"]["template"]["metadata"]["labels"]["role"] = "canary"
    assert template_digest(stored_template(held)) == template_digest(stored_template(OLD))
    unreadable = replica_set("old", 1, **{"rollout.argoproj.io/ephemeral-metadata": "{"})
    assert stored_template(unreadable) == OLD["spec"]["template"]


def test_a_template_that_was_changed_since_is_left_alone() -> None:
    """As written, whatever its revision is called."""
    judged = snapshot(rollout())
    check_judged(rollout(), judged)
    other = rollout(spec={"template": {**TEMPLATE, "metadata": {"labels": {"app": "web", "v": "3"}}}})
    with pytest.raises(PreconditionError, match="was changed by"):
        check_judged(other, judged)


def test_a_template_that_its_controller_has_not_taken_up_is_known_by_itself() -> None:
    """Until then the candidate is the revision that the controller has named last; nothing of it is changed."""
    another = {"template": {**TEMPLATE, "spec": {"containers": [{"name": "web", "image": "web:3"}]}}}
    live = rollout(spec=another, observedGeneration="1", pauseConditions=None)
    seen = snapshot(live)
    assert (seen.candidate.digest, seen.nameless) == ("new", False)
    assert seen.unnamed is not None
    assert (seen.unnamed.images, seen.unnamed.hash) == (("web:3",), "")
    with pytest.raises(
        PreconditionError, match="changed the pod template of rollout/shop/web since it was judged"
    ):
        plan(live, seen, back(live), OLD)
    asked = seen.as_asked_for()
    assert (asked.nameless, asked.candidate, asked.others[0]) == (True, seen.unnamed, seen.candidate)
    assert (asked.exposure.candidate, asked.exposure.old, asked.rolled_out) == (0, 5, False)


def test_what_else_is_not_taken_up_is_no_revision() -> None:
    """A new size, or other steps, leave the template as the controller has named it."""
    assert snapshot(rollout(observedGeneration="1")).unnamed is None


def test_a_rollout_that_no_controller_has_seen_is_its_template() -> None:
    """With no ReplicaSet, and no name."""
    live = rollout()
    del live["status"]
    seen = build_workload(trim_rollout(live), (), (), set())
    assert (seen.nameless, seen.candidate, seen.as_asked_for().others) == (True, seen.unnamed, ())


def test_blue_green_that_no_controller_has_seen_serves_nothing_yet() -> None:
    """It is before its switch, not after it."""
    live = rollout(strategy={"blueGreen": {"activeService": "web"}})
    live["status"] = {}
    assert own_steps(live).stage == 0


def test_a_template_from_before_is_known_by_its_name_before_the_controller_takes_it_up() -> None:
    """Put back while the controller is down, it is the stable revision and no new one."""
    former = {"template": {**TEMPLATE, "spec": {"containers": [{"name": "web", "image": "web:1"}]}}}
    seen = snapshot(rollout(spec=former, observedGeneration="1", pauseConditions=None))
    assert (seen.candidate.digest, seen.unnamed.digest) == ("new", "old")  # type: ignore[union-attr]
    asked = seen.as_asked_for()
    assert (asked.candidate.digest, [one.digest for one in asked.others]) == ("old", ["new"])
    assert not asked.nameless


def test_an_undo_that_was_cut_off_is_made_to_its_end_before_the_controller_takes_it_up() -> None:
    """The target's template is there already: that is our own doing, and no change by others."""
    undone = {"template": {**TEMPLATE, "spec": {"containers": [{"name": "web", "image": "web:1"}]}}}
    live = rollout(spec=undone, observedGeneration="1", abort=True, pauseConditions=None)
    found = plan(live, snapshot(live), back(rollout()), OLD)
    assert all(
        op["op"] == "test" or op["path"] != "/status/abort" for p in found.patches for op in p.operations
    )

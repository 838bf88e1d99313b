"""What a change comes to as a patch, applied to any object."""

from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustersim.storage.api_errors import ApiError
from clustersim.storage.patching import json_patch
from sentinel.adapters.kubernetes.workloads import patches
from sentinel.adapters.kubernetes.workloads.digest import digest_of
from sentinel.adapters.kubernetes.workloads.kinds import deployment
from sentinel.adapters.kubernetes.workloads.snapshot import build_workload
from sentinel.adapters.kubernetes.workloads.trim import CHANGE_CAUSE
from sentinel.domain.errors import PreconditionError
from sentinel.domain.record.state import RevisionRef
from sentinel.domain.workload.facts import PAUSED_ANNOTATION, Mark

MARK = Mark("web-1", datetime(2026, 1, 1, tzinfo=UTC))
TEXT = st.text(alphabet="abc~/.", min_size=1, max_size=6)


def template(image: str, hash_label: bool = False) -> dict[str, Any]:
    labels = {"app": "web", **({"pod-template-hash": "abc"} if hash_label else {})}
    return {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": image}]}}


@st.composite
def deployments(draw: st.DrawFn) -> dict[str, Any]:
    """A live Deployment: any annotations or none, paused by us, by others or not at all."""
    notes = draw(st.dictionaries(TEXT, TEXT, max_size=3))
    if draw(st.booleans()):
        notes[CHANGE_CAUSE] = "second"
    if draw(st.booleans()):
        notes[PAUSED_ANNOTATION] = str(MARK)
    metadata: dict[str, Any] = {"name": "web", "uid": "u-1", "generation": 4, "resourceVersion": "9"}
    if notes:
        metadata["annotations"] = notes
    spec: dict[str, Any] = {"replicas": draw(st.integers(0, 9)), "template": template("app:v2")}
    if draw(st.booleans()):
        spec["paused"] = True
    return {"metadata": metadata, "spec": spec}


def replica_set(cause: str | None) -> dict[str, Any]:
    metadata = {} if cause is None else {"annotations": {CHANGE_CAUSE: cause}}
    return {"metadata": metadata, "spec": {"template": template("app:v1", hash_label=True)}}


TARGET = RevisionRef(digest_of(replica_set(None)))


def applied(live: dict[str, Any], plan: patches.Plan) -> dict[str, Any]:
    return dict(json_patch(deepcopy(live), list(plan.operations)))


def notes_of(live: dict[str, Any]) -> dict[str, str]:
    return dict(live["metadata"].get("annotations") or {})


def ours(live: dict[str, Any]) -> bool:
    return PAUSED_ANNOTATION in notes_of(live)


@given(deployments(), st.none() | TEXT)
def test_a_restore_changes_what_it_should_and_nothing_else(live: dict[str, Any], cause: str | None) -> None:
    """Template and change-cause become the target's, our pause ends, all else stays."""
    after = applied(live, deployment.restore(live, replica_set(cause), TARGET))
    assert after["spec"]["template"] == template("app:v1")
    assert notes_of(after).get(CHANGE_CAUSE) == cause
    assert PAUSED_ANNOTATION not in notes_of(after)
    assert after["spec"]["replicas"] == live["spec"]["replicas"]
    was_paused = live["spec"].get("paused", False)
    assert after["spec"].get("paused", False) == (was_paused and not ours(live))
    special = (CHANGE_CAUSE, PAUSED_ANNOTATION)
    assert {k: v for k, v in notes_of(after).items() if k not in special} == {
        k: v for k, v in notes_of(live).items() if k not in special
    }


@given(deployments())
def test_a_restore_repeated_is_in_force(live: dict[str, Any]) -> None:
    """A restored Deployment is only tested for being so."""
    after = applied(live, deployment.restore(live, replica_set(None), TARGET))
    again = deployment.restore(after, replica_set(None), TARGET).operations
    assert {operation["op"] for operation in again} == {"test"}


@given(deployments())
def test_a_pause_is_ours_or_refused(live: dict[str, Any]) -> None:
    """A pause ends paused under our mark, or is refused where somebody else paused."""
    if live["spec"].get("paused") and not ours(live):
        with pytest.raises(PreconditionError):
            deployment.pause(live, MARK)
        return
    after = applied(live, deployment.pause(live, MARK))
    assert after["spec"]["paused"] is True
    assert notes_of(after)[PAUSED_ANNOTATION] == str(MARK)
    assert after["spec"]["template"] == live["spec"]["template"]
    assert deployment.pause(after, MARK).operations == ()


@given(deployments())
def test_a_resume_undoes_a_pause(live: dict[str, Any]) -> None:
    """Paused by us and resumed, a Deployment runs and carries no mark."""
    if live["spec"].get("paused") and not ours(live):
        with pytest.raises(PreconditionError):
            deployment.resume(live)
        return
    paused = applied(live, deployment.pause(live, MARK))
    after = applied(paused, deployment.resume(paused))
    assert not after["spec"].get("paused")
    assert PAUSED_ANNOTATION not in notes_of(after)


@given(deployments())
def test_every_patch_tests_the_object_and_the_template(live: dict[str, Any]) -> None:
    """No patch is without a test of the uid and of the whole template."""
    plans = [deployment.restore(live, replica_set(None), TARGET)]
    if not live["spec"].get("paused") or ours(live):
        plans += [deployment.pause(live, Mark("other", MARK.until)), deployment.resume(live)]
    for plan in plans:
        tests = {op["path"]: op["value"] for op in plan.operations if op["op"] == "test"}
        if plan.operations:
            assert tests["/metadata/uid"] == "u-1"
            assert tests["/spec/template"] == live["spec"]["template"]


def live_deployment(**metadata: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "web", "namespace": "n", "uid": "u-1", **metadata},
        "spec": {"template": template("app:v2")},
    }


def test_what_was_judged_passes() -> None:
    """The very Deployment with the very template is let through, or with the one that is as good."""
    judged = build_workload(deployment.trim_deployment(live_deployment()), [], [], ())
    patches.check_judged(live_deployment(), judged)
    other = live_deployment()
    other["spec"]["template"] = template("app:v1")
    patches.check_judged(other, judged, also=TARGET.digest)


@pytest.mark.parametrize(
    ("live", "reason"),
    [
        (live_deployment(uid="u-2"), "WorkloadReplaced"),
        (live_deployment(deletionTimestamp="2026-01-01T00:00:00Z"), "WorkloadDeleted"),
        ({**live_deployment(), "spec": {"template": template("app:v3")}}, "TemplateChanged"),
    ],
)
def test_what_was_not_judged_is_refused(live: dict[str, Any], reason: str) -> None:
    """Another object, one on its way out and another template are refused by name."""
    judged = build_workload(deployment.trim_deployment(live_deployment()), [], [], ())
    with pytest.raises(PreconditionError) as caught:
        patches.check_judged(live, judged)
    assert caught.value.reason == reason


def entry(manager: str, operation: str = "Update", **more: Any) -> dict[str, Any]:
    return {"manager": manager, "operation": operation, **more}


def test_only_our_own_plain_entry_is_dropped() -> None:
    """Of all entries only ours for updates of the main resource goes."""
    entries = [
        entry("helm", "Apply"),
        entry("us", subresource="status"),
        entry("us", "Apply"),
        entry("us"),
    ]
    live = live_deployment(managedFields=entries)
    after = json_patch(live, list(patches.disown(live, "us")))
    assert after["metadata"]["managedFields"] == entries[:3]


def test_a_claim_that_stands_alone_is_kept() -> None:
    """The last entry is not dropped: without any the server would own every field itself."""
    assert patches.disown(live_deployment(managedFields=[entry("us")]), "us") == ()
    assert patches.disown(live_deployment(), "us") == ()


@given(deployments())
def test_an_undo_that_comes_late_is_refused_though_the_template_is_the_same_again(
    live: dict[str, Any],
) -> None:
    """Another one has undone it meanwhile and people have put it back: the generation tells."""
    late = deployment.restore(live, replica_set(None), TARGET)
    since = deepcopy(live)
    since["metadata"]["generation"] += 2
    with pytest.raises(ApiError):
        applied(since, late)

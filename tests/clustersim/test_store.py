"""The store: versions, generations, deletion and the log of changes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustersim.storage.api_errors import ApiError
from clustersim.storage.resources import CONFIGMAPS, DEPLOYMENTS, NAMESPACES, PODS
from clustersim.storage.store import Event, Store

POD = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}}


def new_store(**options: Any) -> Store:
    return Store(lambda: datetime(2026, 1, 1, tzinfo=UTC), **options)


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "data": data}


def test_the_same_seed_gives_the_same_identities() -> None:
    """uids and generated names repeat from run to run."""
    made = [
        new_store(seed=7).create(CONFIGMAPS, {"metadata": {"generateName": "c-"}})["metadata"]
        for _ in range(2)
    ]
    assert made[0] == made[1]


def test_what_was_handed_out_does_not_change() -> None:
    """A snapshot taken before a change still shows the state before it."""
    store = new_store()
    before = store.create(CONFIGMAPS, config_map("c", a="1"))
    store.mutate(CONFIGMAPS, "default", "c", lambda obj: obj["data"].update(a="2"))
    assert before["data"] == {"a": "1"}


def test_an_update_from_an_old_version_conflicts() -> None:
    """409 when the given resourceVersion is not the current one."""
    store = new_store()
    old = store.create(CONFIGMAPS, config_map("c"))
    store.mutate(CONFIGMAPS, "default", "c", lambda obj: obj.update(data={"a": "1"}))
    with pytest.raises(ApiError) as refused:
        store.update(CONFIGMAPS, {**old, "data": {"a": "2"}})
    assert refused.value.code == 409


def test_nothing_changed_is_no_event() -> None:
    """A mutation that changes nothing tells nobody and makes no revision."""
    store = new_store()
    store.create(CONFIGMAPS, config_map("c"))
    events: list[Event] = []
    store.subscribe(events.append)
    revision = store.revision
    store.mutate(CONFIGMAPS, "default", "c", lambda _: None, manager="somebody")
    assert (events, store.revision) == ([], revision)


def test_listeners_that_write_see_the_changes_in_order() -> None:
    """A change made within a listener reaches everybody after the one that caused it."""
    store = new_store()
    seen: list[int] = []

    def react(event: Event) -> None:
        if event.type == "ADDED":
            store.mutate(CONFIGMAPS, "default", "c", lambda obj: obj.update(data={"a": "1"}))

    store.subscribe(react)
    store.subscribe(lambda event: seen.append(event.revision))
    store.create(CONFIGMAPS, config_map("c"))
    assert seen == sorted(seen)
    assert len(seen) == 2


def test_a_pod_on_a_node_is_given_its_grace_period() -> None:
    """A bound pod stays, marked, until it is deleted with no grace."""
    store = new_store()
    store.create(PODS, POD)
    store.mutate(PODS, "default", "p", lambda pod: pod["spec"].update(nodeName="n"))
    store.delete(PODS, "default", "p")
    marked = store.get(PODS, "default", "p")["metadata"]
    assert (marked["deletionTimestamp"], marked["deletionGracePeriodSeconds"]) == ("2026-01-01T00:00:30Z", 30)
    store.delete(PODS, "default", "p", grace_period=0)
    assert store.find(PODS, "default", "p") is None


def test_binding_a_pod_makes_no_new_generation() -> None:
    """The spec gains a node, the generation stays."""
    store = new_store()
    store.create(PODS, POD)
    bound = store.mutate(PODS, "default", "p", lambda pod: pod["spec"].update(nodeName="n"))
    assert bound["metadata"]["generation"] == 1


def test_foreground_deletion_waits_for_its_finalizer() -> None:
    """The object carries foregroundDeletion and goes when that is taken off."""
    store = new_store()
    store.create(CONFIGMAPS, config_map("c"))
    marked = store.delete(CONFIGMAPS, "default", "c", propagation="Foreground")
    assert marked["metadata"]["finalizers"] == ["foregroundDeletion"]
    store.mutate(CONFIGMAPS, "default", "c", lambda obj: obj["metadata"].pop("finalizers"))
    assert store.find(CONFIGMAPS, "default", "c") is None


def test_a_terminating_namespace_takes_nothing_new() -> None:
    """403 with the cause NamespaceTerminating."""
    store = new_store()
    store.create(NAMESPACES, {"metadata": {"name": "ending"}})
    store.delete(NAMESPACES, None, "ending")
    with pytest.raises(ApiError) as refused:
        store.create(CONFIGMAPS, {"metadata": {"name": "c", "namespace": "ending"}})
    assert refused.value.code == 403
    assert refused.value.details is not None
    assert refused.value.details["causes"][0]["reason"] == "NamespaceTerminating"


def test_an_unknown_namespace_takes_nothing() -> None:
    """404 that names the namespace."""
    with pytest.raises(ApiError, match='namespaces "nowhere" not found'):
        new_store().create(CONFIGMAPS, {"metadata": {"name": "c", "namespace": "nowhere"}})


def test_changes_beyond_the_history_are_gone() -> None:
    """A watch from a revision that the log no longer reaches is 410."""
    store = new_store(history=5)
    start = store.revision
    for number in range(9):
        store.create(CONFIGMAPS, config_map(f"c{number}"))
    with pytest.raises(ApiError) as refused:
        store.history.since(start, CONFIGMAPS)
    assert refused.value.code == 410


def test_annotations_count_in_the_generation_of_deployments_only() -> None:
    """A Deployment's generation follows its annotations through the object, not through the status."""
    store = new_store()
    template = {"metadata": {"labels": {"a": "b"}}, "spec": POD["spec"]}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    store.create(DEPLOYMENTS, {"metadata": {"name": "d"}, "spec": spec})

    def annotate(obj: dict[str, Any]) -> None:
        annotations = obj["metadata"].setdefault("annotations", {})
        annotations[f"n{len(annotations)}"] = "x"

    through_status = store.mutate(DEPLOYMENTS, "default", "d", annotate, subresource="status")
    through_object = store.mutate(DEPLOYMENTS, "default", "d", annotate)
    assert [o["metadata"]["generation"] for o in (through_status, through_object)] == [1, 2]


@given(
    st.lists(
        st.tuples(st.sampled_from(["create", "change", "delete"]), st.sampled_from("abc"), st.integers(0, 3)),
        max_size=25,
    )
)
def test_any_revision_of_the_log_can_be_listed_again(steps: list[tuple[str, str, int]]) -> None:
    """What `at` rebuilds is what `list` showed at that revision."""
    store = new_store()
    shown: dict[int, list[dict[str, Any]]] = {store.revision: []}
    for action, name, value in steps:
        exists = store.find(CONFIGMAPS, "default", name) is not None
        if action == "create" and not exists:
            store.create(CONFIGMAPS, config_map(name, v=str(value)))
        elif action == "change" and exists:
            store.mutate(CONFIGMAPS, "default", name, lambda obj, v=value: obj.update(data={"v": str(v)}))
        elif action == "delete" and exists:
            store.delete(CONFIGMAPS, "default", name)
        shown[store.revision] = store.list(CONFIGMAPS, "default")
    for revision, objects in shown.items():
        assert store.at(CONFIGMAPS, revision, "default") == objects

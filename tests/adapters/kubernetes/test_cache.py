"""The index of workloads, fed by hand and by a recording."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sentinel.adapters.kubernetes.api.raw import ObjectKey, key_of
from sentinel.adapters.kubernetes.workloads.cache import WorkloadCache
from sentinel.adapters.kubernetes.workloads.kinds.controller_revisions import trim_controller_revision
from sentinel.adapters.kubernetes.workloads.kinds.deployment import trim_deployment
from sentinel.adapters.kubernetes.workloads.kinds.replica_sets import trim_replica_set
from sentinel.adapters.kubernetes.workloads.kinds.statefulset import trim_stateful_set
from sentinel.adapters.kubernetes.workloads.trim import trim_node
from sentinel.adapters.kubernetes.workloads.trim_pods import trim_pod
from sentinel.domain.workload.facts import WorkloadKey
from sentinel.domain.workload.kinds import WorkloadKind
from tests.adapters.kubernetes.recordings import events

CR = WorkloadKey(WorkloadKind.DEPLOYMENT, "rec", "cr")
Event = dict[str, Any]


class Fed:
    """A cache that takes raw events as a reflector would hand them on."""

    def __init__(self) -> None:
        self.cache = WorkloadCache()
        self.told: list[WorkloadKey] = []
        self.cache.subscribe(self.told.append)
        self._entries: dict[tuple[str, ObjectKey], Any] = {}
        self._handlers: dict[str, tuple[Any, Any]] = {
            "deployments": (trim_deployment, self.cache.workload_changed),
            "statefulsets": (trim_stateful_set, self.cache.workload_changed),
            "controllerrevisions": (trim_controller_revision, self.cache.revision_changed),
            "replicasets": (trim_replica_set, self.cache.revision_changed),
            "pods": (trim_pod, self.cache.pod_changed),
            "nodes": (trim_node, self.cache.node_changed),
        }

    def take(self, event: Event) -> None:
        trim, changed = self._handlers[event["watch"]]
        raw = event["object"]
        place = (event["watch"], key_of(raw))
        before = self._entries.get(place)
        after = None if event["type"] == "DELETED" else trim(raw)
        self._entries[place] = after
        changed(place[1], before, after)

    def take_all(self, taken: list[Event]) -> "Fed":
        for event in taken:
            self.take(event)
        return self


def node(name: str, ready: str) -> Event:
    raw = {"metadata": {"name": name}, "status": {"conditions": [{"type": "Ready", "status": ready}]}}
    return {"watch": "nodes", "type": "MODIFIED", "object": raw}


def until_crash() -> list[Event]:
    """The recording up to the crash loop of the candidate."""
    taken = events()
    crash = next(i for i, event in enumerate(taken) if "CrashLoopBackOff" in str(event["object"]))
    return taken[: crash + 1]


def test_a_rollout_is_seen_whole() -> None:
    """Candidate, stable, counts and the pods of each arm come together from three watches."""
    workload = Fed().take_all(until_crash()).cache.workload(CR)
    assert workload is not None
    assert workload.candidate.images == ("app:v2-crash",)
    assert [revision.images for revision in workload.others] == [("app:v1",)]
    assert len(workload.pods_of(workload.others[0])) == 3
    (bad,) = workload.pods_of(workload.candidate)
    assert bad.containers[0].waiting == "CrashLoopBackOff"
    assert not workload.rolled_out


def test_an_undo_is_seen_whole() -> None:
    """After the whole recording the old template is the candidate again, with all its pods, under a new number."""
    workload = Fed().take_all(events()).cache.workload(CR)
    assert workload is not None
    assert workload.candidate.images == ("app:v1",)
    assert workload.candidate.number == 3
    assert workload.rolled_out
    assert len(workload.pods) == 3


@given(st.permutations(until_crash()[-8:]))
def test_the_order_of_watches_does_not_matter(shuffled: list[Event]) -> None:
    """Pods may come before their ReplicaSet and that before its Deployment: the snapshot is the same."""
    newest: dict[tuple[str, ObjectKey], Event] = {}
    for event in until_crash():
        newest[event["watch"], key_of(event["object"])] = event
    wanted = [event for event in shuffled if newest.get((event["watch"], key_of(event["object"]))) == event]
    rest = [event for event in newest.values() if event not in wanted]
    one = Fed().take_all(list(newest.values())).cache.workload(CR)
    other = Fed().take_all([*wanted, *rest]).cache.workload(CR)
    assert one is not None
    assert other is not None
    assert set(one.pods) == set(other.pods)
    assert (one.candidate, one.others, one.exposure) == (other.candidate, other.others, other.exposure)


def test_a_snapshot_is_built_once() -> None:
    """Until something of the workload changes the same snapshot is given."""
    fed = Fed().take_all(events()[:5])
    first = fed.cache.workload(CR)
    assert fed.cache.workload(CR) is first
    fed.take_all(events()[5:8])
    assert fed.cache.workload(CR) is not first


def test_every_change_is_told() -> None:
    """A change of the Deployment, of its ReplicaSet or of its pods names the workload."""
    fed = Fed().take_all(events()[:5])
    for event in events()[5:]:
        fed.told.clear()
        fed.take(event)
        assert fed.told == [CR]


def test_a_pod_leads_to_its_workload() -> None:
    """The owner of a pod is found by its name, and forgotten with the pod."""
    fed = Fed().take_all(until_crash())
    assert fed.cache.owner_of_pod("rec", "cr-c99b88b65-qblr7") == CR
    assert fed.cache.owner_of_pod("other", "cr-c99b88b65-qblr7") is None
    fed.take_all(events()[9:])
    assert fed.cache.owner_of_pod("rec", "cr-c99b88b65-qblr7") is None


def test_a_workload_that_is_gone_leaves_nothing() -> None:
    """After the deletion of a Deployment there is neither key nor snapshot nor owner."""
    fed = Fed().take_all(events())
    gone = {**events()[-1], "type": "DELETED"}
    fed.take(gone)
    assert fed.cache.workload(CR) is None
    assert list(fed.cache.keys()) == []
    assert fed.cache.owner_of_pod("rec", events()[0]["object"]["metadata"]["name"]) is None
    assert fed.told[-1] == CR


def test_an_unready_node_marks_its_pods() -> None:
    """A node that is not ready marks the pods on it, tells their workload, and only when that changes."""
    fed = Fed().take_all(until_crash())
    pod = events()[0]["object"]
    name = pod["spec"].get("nodeName") or "node-x"
    placed = {**pod, "spec": {**pod["spec"], "nodeName": name}}
    fed.take({"watch": "pods", "type": "MODIFIED", "object": placed})
    fed.told.clear()
    fed.take(node(name, "Unknown"))
    assert set(fed.told) == {CR}
    workload = fed.cache.workload(CR)
    assert workload is not None
    assert [p.name for p in workload.pods if not p.node_ready] == [
        p.name for p in workload.pods if p.node == name
    ]
    assert any(not p.node_ready for p in workload.pods)
    fed.told.clear()
    fed.take(node(name, "Unknown"))
    assert fed.told == []
    fed.take(node(name, "True"))
    workload = fed.cache.workload(CR)
    assert workload is not None
    assert all(p.node_ready for p in workload.pods)


def test_a_service_is_found_by_name() -> None:
    """A Service stands for the Deployment of its name, else for those whose pods are labelled so."""
    fed = Fed().take_all(events())
    assert fed.cache.workloads_behind("rec", "cr") == (CR,)
    assert fed.cache.workloads_behind("other", "cr") == ()
    raw = events()[-1]["object"]
    twin = {**raw, "metadata": {**raw["metadata"], "name": "twin", "uid": "twin"}}
    template = {
        **raw["spec"]["template"],
        "metadata": {"labels": {"app": "front", "app.kubernetes.io/name": "shop"}},
    }
    twin["spec"] = {**raw["spec"], "template": template}
    fed.take({"watch": "deployments", "type": "ADDED", "object": twin})
    assert [key.name for key in fed.cache.workloads_behind("rec", "shop")] == ["twin"]
    assert [key.name for key in fed.cache.workloads_behind("rec", "front")] == ["twin"]

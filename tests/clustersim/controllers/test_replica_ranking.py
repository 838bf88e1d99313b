"""Which pods go first, and how fast new ones come."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from clustersim.controllers.common.replica_ranking import slow_start_batches, to_delete
from clustersim.storage.store import timestamp
from clustersim.virtual_time import DEFAULT_EPOCH

NOW = DEFAULT_EPOCH + timedelta(days=1)


def pod(name: str, **facts: Any) -> dict[str, Any]:
    """A pod that has been ready for an hour, unless told otherwise."""
    since = timestamp(NOW - timedelta(seconds=facts.get("ready_for", 3600)))
    ready = {"type": "Ready", "status": "True" if facts.get("ready", True) else "False"}
    return {
        "metadata": {
            "name": name,
            "uid": name,
            "creationTimestamp": timestamp(NOW - timedelta(seconds=facts.get("age", 3600))),
            "annotations": facts.get("annotations", {}),
        },
        "spec": {"nodeName": facts.get("node", "n1")},
        "status": {
            "phase": facts.get("phase", "Running"),
            "conditions": [{**ready, "lastTransitionTime": since}],
            "containerStatuses": [{"restartCount": facts.get("restarts", 0)}],
        },
    }


def first(*pods: dict[str, Any]) -> str:
    """The name of the pod that goes first."""
    name: str = to_delete(pods, 1, NOW, pods)[0]["metadata"]["name"]
    return name


def test_unscheduled_pods_go_before_scheduled_ones() -> None:
    """A pod without a node is the cheapest to lose."""
    assert first(pod("b-bound"), pod("a-unbound", node="")) == "a-unbound"


def test_pending_pods_go_before_running_ones() -> None:
    """The phase counts before readiness."""
    assert first(pod("a", ready=False), pod("z", phase="Pending")) == "z"


def test_unready_pods_go_before_ready_ones() -> None:
    """A pod that serves nothing goes first."""
    assert first(pod("a"), pod("z", ready=False)) == "z"


def test_the_deletion_cost_annotation_decides_among_ready_pods() -> None:
    """The lower cost goes first."""
    cost = {"controller.kubernetes.io/pod-deletion-cost": "-5"}
    assert first(pod("a"), pod("z", annotations=cost)) == "z"


def test_pods_on_crowded_nodes_go_first() -> None:
    """Where one node carries more pods of the owner, that is where one goes."""
    assert first(pod("a", node="n1"), pod("y", node="n2"), pod("z", node="n2")) in ("y", "z")


def test_pods_that_were_ready_for_less_long_go_first() -> None:
    """An order of magnitude of time makes the difference."""
    assert first(pod("a", node="n1"), pod("z", node="n2", ready_for=10)) == "z"


def test_pods_that_restarted_more_go_first_among_unready_ones() -> None:
    """Restarts count where nothing before them decides."""
    assert first(pod("a", ready=False), pod("z", ready=False, restarts=4)) == "z"


@given(st.integers(0, 2000))
def test_batches_double_and_add_up(count: int) -> None:
    """1, 2, 4 ... until all are made."""
    batches = slow_start_batches(count)
    assert sum(batches) == count
    assert batches[:-1] == [2**power for power in range(max(len(batches) - 1, 0))]

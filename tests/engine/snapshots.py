"""Short words for the snapshots that the engine's tests are made of. Times are seconds after `at(0)`."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase, RevisionRef, RolloutState
from sentinel.domain.workload.facts import Abilities, Ability, Exposure, Stepping, Workload, WorkloadKey
from sentinel.domain.workload.kinds import WorkloadKind
from sentinel.domain.workload.pods import Container, Pod, Termination
from sentinel.domain.workload.revision import ObjectRef, Revision

KEY = WorkloadKey(WorkloadKind.DEPLOYMENT, "shop", "api")


def at(seconds: float) -> datetime:
    """A moment."""
    return datetime(2026, 3, 1, 12, tzinfo=UTC) + timedelta(seconds=seconds)


def revision(digest: str, **changes: Any) -> Revision:
    """A revision that the controller holds, named by its digest, and ordered by its number unless said otherwise."""
    held = ObjectRef("apps/v1", "ReplicaSet", "shop", f"api-{digest}")
    known = Revision(digest, hash=digest, number=1, images=(f"api:{digest}",), stored_in=held)
    return replace(known, **{"order": order_of(changes.get("number", 1)), **changes})


def order_of(number: int) -> int:
    """The place in the order that goes with a controller's number, also with one that is not positive."""
    return number + 10


OLD = revision("old", number=1)
NEW = revision("new", number=2)


def pod(name: str, of: Revision = NEW, **changes: Any) -> Pod:
    """A pod that was ready long before `at(0)` unless said otherwise."""
    healthy = Pod(
        name,
        uid=name,
        revision=of.hash,
        node="n1",
        phase="Running",
        created_at=at(-3600),
        scheduled_at=at(-3600),
        ready=True,
        ready_since=at(-3590),
        containers=(Container("app", ready=True, running_since=at(-3595), pulled=True),),
    )
    return replace(healthy, **changes)


def waiting(reason: str, *, name: str = "app", **changes: Any) -> Container:
    """A container that waits."""
    return replace(Container(name, waiting=reason), **changes)


def crashed(restarts: int = 4, *, finished: float = -10, reason: str = "Error", code: int = 1) -> Container:
    """A container in back-off after its last run ended."""
    last = Termination(reason, code, at(finished - 5), at(finished))
    return Container("app", restarts=restarts, waiting="CrashLoopBackOff", last=last, pulled=True)


def broken(name: str, container: Container, of: Revision = NEW, **changes: Any) -> Pod:
    """A pod that is not ready because of one container, scheduled at `at(0)`."""
    facts: dict[str, Any] = {
        "ready": False,
        "ready_since": None,
        "unready_since": at(0),
        "created_at": at(0),
        "scheduled_at": at(0),
        "phase": "Pending",
        "containers": (container,),
    }
    return pod(name, of, **(facts | changes))


def workload(*pods: Pod, **changes: Any) -> Workload:
    """A Deployment that goes from OLD to NEW."""
    size = len(pods)
    made = Workload(KEY, "uid-1", NEW, others=(OLD,), exposure=Exposure(size, old=size), pods=pods)
    return changed(made, **changes)


STEPS_NEED_ROLLING = Abilities(
    Stepping.NONE, stops=False, why_not={Ability.STEPPING: "it has Recreate: use RollingUpdate"}
)
"""Of a workload that replaces its pods all at once."""


def changed(world: Workload, **changes: Any) -> Workload:
    """The workload with other facts; of its exposure and its brake single parts may be named."""
    brake = {name: changes.pop(name) for name in ("on", "mark") if name in changes}
    counts = {
        n: changes.pop(n) for n in ("wanted", "candidate_pods", "ready", "available", "old") if n in changes
    }
    if "candidate_pods" in counts:
        counts["candidate"] = counts.pop("candidate_pods")
    world = replace(world, **changes)
    exposure = replace(world.exposure, **counts)
    new = exposure.candidate >= exposure.wanted and exposure.old == 0
    settled = world.observed and new and exposure.available >= exposure.wanted
    return replace(world, exposure=replace(exposure, settled=settled), brake=replace(world.brake, **brake))


def record(candidate: Revision = NEW, stable: Revision | None = OLD, **changes: Any) -> Record:
    """A rollout of this workload that began at `at(0)`."""
    made = Record(
        name=f"api-{candidate.digest}",
        key=KEY,
        workload_uid="uid-1",
        candidate=RevisionRef.of(candidate),
        stable=RevisionRef.of(stable) if stable else None,
        policy="api",
        policy_digest="p",
        started_at=at(0),
        state=RolloutState(Phase.BAKING),
    )
    return replace(made, **changes)

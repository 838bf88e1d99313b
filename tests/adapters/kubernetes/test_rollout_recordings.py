"""The driver of Rollouts against what a real Argo controller did: each snapshot, and each write that it took."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from clustersim.replay.recorded import RECORDINGS, RecordedEvent, RecordedWrite, story
from sentinel.adapters.kubernetes.api.raw import key_of
from sentinel.adapters.kubernetes.workloads.cache import WorkloadCache
from sentinel.adapters.kubernetes.workloads.kinds.replica_sets import trim_replica_set
from sentinel.adapters.kubernetes.workloads.kinds.rollout import plan, trim_rollout
from sentinel.adapters.kubernetes.workloads.trim_pods import trim_pod
from sentinel.domain.decision import Change, Promote, Restore
from sentinel.domain.record.state import RevisionRef
from sentinel.domain.workload.facts import Workload, WorkloadKey
from sentinel.domain.workload.kinds import WorkloadKind

STORIES = sorted(file.stem for file in (RECORDINGS / "argo").glob("*.jsonl"))
KEY = WorkloadKey(WorkloadKind.ROLLOUT, "rec", "web")
Json = dict[str, Any]


@dataclass
class Watched:
    """What the watches have shown so far."""

    cache: WorkloadCache = field(default_factory=WorkloadCache)
    entries: dict[tuple[str, Any], Any] = field(default_factory=dict)
    raw: dict[tuple[str, str], Json] = field(default_factory=dict)

    def see(self, event: RecordedEvent) -> None:
        """Take in one event."""
        trims = {
            "rollouts": (trim_rollout, self.cache.workload_changed),
            "replicasets": (trim_replica_set, self.cache.revision_changed),
            "pods": (trim_pod, self.cache.pod_changed),
        }
        name = event.object["metadata"]["name"]
        self.raw[event.watch, name] = event.object
        if event.watch not in trims:
            return
        trim, changed = trims[event.watch]
        key = (event.watch, key_of(event.object))
        after: Any = None if event.type == "DELETED" else trim(event.object)
        changed(key[1], self.entries.get(key), after)  # type: ignore[operator]
        self.entries[key] = after

    @property
    def workload(self) -> Workload:
        """The workload as it is now."""
        found = self.cache.workload(KEY)
        assert found is not None
        return found


def writes(name: str) -> Iterator[tuple[RecordedWrite, Watched]]:
    """Each step of a story, with what was seen just before it."""
    watched = Watched()
    for line in story("argo", name):
        if isinstance(line, RecordedWrite):
            yield line, watched
        else:
            watched.see(line)


def shown(name: str) -> dict[str, str]:
    """Of each step the workload just before: revision, stage, whether it waits, is finished, unseen, aborted."""
    found: dict[str, str] = {}
    for write, watched in writes(name):
        workload = watched.cache.workload(KEY)
        own = workload.own_steps if workload else None
        if workload is None or own is None:
            continue
        marks = {
            "waits": own.waits,
            "full": own.full,
            "aborted": bool(own.aborted),
            "done": workload.rolled_out,
            "unseen": not workload.observed,
            "paused": workload.brake.foreign,
        }
        image = workload.candidate.images[0].rpartition(":")[2] if workload.candidate.images else "?"
        words = [f"{image} at {own.stage}/{own.count}", *(word for word, holds in marks.items() if holds)]
        label = write.step if write.step not in found else f"{write.step} ({len(found)})"
        found[label] = " ".join(words)
    return found


def change_of(write: RecordedWrite, watched: Watched) -> Change | None:
    """The change that a write of the sentinel's was."""
    workload = watched.workload
    if write.step == "abort":
        return None
    if write.step.startswith("put version"):
        version = write.step.split()[2]
        (target,) = [r for r in workload.others if r.images[0].endswith(f":{version}")]
        return Restore(RevisionRef.of(target))
    return Promote(full=write.step == "promote in full")


COURSES = {
    "analysis-failed": {
        "update to version 2": "1 at 1/1 done",
        "end": "2 at 0/1 aborted",
    },
    "analysis-inconclusive": {
        "update to version 2": "1 at 1/1 done",
        "go on after the inconclusive analysis": "2 at 0/1 waits",
        "promote": "2 at 0/1 waits",
        "end": "2 at 1/1 done",
    },
    "blue-green": {
        "update to version 2": "1 at 1/1 done",
        "promote": "2 at 0/1 waits",
        "update to version 3": "2 at 1/1 done",
        "abort": "3 at 0/1 waits",
        "put version 2 back": "3 at 0/1 aborted",
        "update to version 4": "2 at 1/1 done",
        "promote (6)": "4 at 0/1 waits",
        "put version 2 back (7)": "4 at 1/1 done",
        "end": "2 at 1/1 done",
    },
    "by-hand": {
        "update to version 2": "1 at 2/2 done",
        "pause by hand": "2 at 0/2 waits",
        "scale to 6": "2 at 0/2 waits paused",
        "resume by hand": "2 at 0/2 waits paused",
        "promote by hand": "2 at 0/2 waits",
        "put version 1 back by hand": "2 at 1/2",
        "end": "1 at 2/2 done",
    },
    "canary-aborted": {
        "update to version 2": "1 at 1/1 done",
        "abort": "2 at 0/1 waits",
        "the same version 2 again: nothing starts": "2 at 0/1 aborted",
        "put version 1 back": "2 at 0/1 aborted",
        "version 2 once more: starts like a new one": "1 at 1/1 done",
        "end": "2 at 0/1 waits",
    },
    "canary-crash-loop": {
        "update to version 2-crash": "1 at 1/1 done",
        "abort": "2-crash at 0/1",
        "put version 1 back": "2-crash at 0/1",
        "end": "1 at 1/1 done",
    },
    "canary-promoted": {
        "update to version 2": "1 at 2/2 done",
        "promote": "2 at 0/2 waits",
        "end": "2 at 2/2 done",
    },
    "canary-undone-after-promotion": {
        "update to version 2": "1 at 1/1 done",
        "promote in full": "2 at 0/1 waits",
        "put version 1 back": "2 at 1/1 done",
        "promote in full (3)": "1 at 0/1 waits",
        "the same version 2 again": "1 at 1/1 done",
        "end": "2 at 0/1 waits",
    },
    "controller-down": {
        "the controller stops": "1 at 1/1 done",
        "update to version 2": "1 at 1/1 done",
        "the controller starts": "1 at 1/1 unseen",
        "the controller stops (3)": "2 at 0/1 waits",
        "promote": "2 at 0/1 waits",
        "the controller starts (5)": "2 at 0/1 unseen",
        "end": "2 at 1/1 done",
    },
    "workload-ref": {
        "update the Deployment to version 2": "1 at 1/1 done",
        "promote": "2 at 0/1 waits",
        "put version 1 back": "2 at 1/1 done",
        "promote in full": "1 at 0/1 waits",
        "update the Deployment to version 2 (4)": "1 at 1/1 done",
        "abort": "2 at 0/1 waits",
        "put version 1 back (6)": "2 at 0/1 aborted",
        "end": "1 at 1/1 done",
    },
}
"""What each step of each story found: the version in force, its stage of how many, and what else is so."""


@pytest.mark.parametrize("name", STORIES)
def test_every_step_finds_the_workload_as_its_controller_left_it(name: str) -> None:
    """Waiting at a pause, aborted, finished, or not taken up by a controller that is away."""
    assert shown(name) == COURSES[name]


@pytest.mark.parametrize("name", STORIES)
def test_the_driver_writes_what_the_controller_took(name: str) -> None:
    """Operation by operation, of a put back the template alone; every one of these writes was accepted."""
    for write, watched in writes(name):
        if write.by != "sentinel" or write.request is None:
            continue
        assert write.status == 200
        change = change_of(write, watched)
        if change is None:
            continue
        workload = watched.workload
        target = workload.revision(change.target.digest) if isinstance(change, Restore) else None
        stored = watched.raw["replicasets", target.stored_in.name] if target and target.stored_in else {}
        patch = plan(watched.raw["rollouts", "web"], workload, change, stored).patches[-1]
        assert wanted(patch.operations) == wanted(write.request["body"]), write.step


def wanted(operations: Any) -> list[Json]:
    """What is written, and of a status what is tested. To add what is there is to replace it."""
    kept = [op for op in operations if op["op"] != "test" or op["path"].startswith("/status")]
    written = [{**op, "op": "add"} if op["op"] == "replace" else op for op in kept]
    return [op for op in written if op["path"].startswith(("/status", "/spec/template"))]

"""The simulated cluster of the reaction benchmark, in a separate process: it stamps what arrives, and when.

All stamps are nanoseconds of CLOCK_MONOTONIC, which every process of one machine shares.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import yaml

from benchmarks.harness.drain import NodePool
from benchmarks.harness.link import Link, Message
from clustersim.cluster import ClusterOptions, SimulatedCluster
from clustersim.node.behaviour import Behaviour
from clustersim.node.machines import NodeSpec
from clustersim.storage.history import Event
from clustersim.storage.resources import CRDS, DEPLOYMENTS, PODS, ResourceType
from clustersim.storage.store import timestamp
from sentinel.adapters.kubernetes.custom.record_objects import object_of
from sentinel.domain.policy.policy import Policy
from sentinel.domain.record.entries import Action, DecisionEntry, Outcome, OutcomeKind
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Ending, Phase, RevisionRef, RolloutState
from sentinel.domain.workload.facts import WorkloadKey
from sentinel.domain.workload.kinds import WorkloadKind
from sentinel.policies.load import PolicySet, load

JsonObject = dict[str, Any]
NAMESPACE = "shop"
ELSEWHERE = "elsewhere"
"""A namespace that no policy guards, for the yardstick."""
YARDSTICK = "yardstick"
STABLE_TAG = "stable"
_QUICK = Behaviour(start_after=0.05, ready_after=0.05, stop_after=0.05)
_NODES = 20
_PODS_PER_NODE = 250


@dataclass(frozen=True, slots=True)
class WorldSpec:
    """How many guarded Deployments with how many pods each, and how many old RolloutRecords each has.

    `policy`: the rule file, whose one policy the old rollouts ran under. `definitions`: the folder with those of the
    build's resources. `drained`: so many pods more, which can all change at once (`NodePool`).
    """

    deployments: int
    replicas: int
    history: int
    policy: Path
    definitions: Path
    drained: int = 0


def name_of(index: int) -> str:
    """The name of a Deployment."""
    return f"web-{index:03d}"


def run_world(connection: Connection, spec: WorldSpec) -> None:
    """The child process' main function.

    Takes ("release", name, tag), ("strike", names), ("drain",), ("show",) and ("stop",).
    Sends ("ready", url, kubeconfig) once all
    Deployments are available, ("pod", name, present), ("phase", Deployment, image, phase),
    ("struck", Deployment, stamp), ("patched", Deployment, stamp) and ("shown", events, stamp).
    """
    asyncio.run(_World(Link(connection), spec).serve())


class _World:
    def __init__(self, link: Link, spec: WorldSpec) -> None:
        count = _NODES + (spec.drained + spec.deployments * spec.replicas) // _PODS_PER_NODE
        nodes = tuple(NodeSpec(f"node-{i}", cpu="512", pods=_PODS_PER_NODE) for i in range(count))
        options = ClusterOptions(nodes=nodes, events=False, scrape_interval=1e6, history=20_000)
        self._link = link
        self._spec = spec
        self._stopped = asyncio.Event()
        self._cluster = SimulatedCluster(lambda: datetime.now(UTC), options)
        self._cluster.behaviours.default = _QUICK
        self._pool = NodePool(self._cluster, spec.drained)
        self._orders: dict[str, Callable[..., None]] = {
            "release": self._release,
            "strike": self._strike,
            "drain": self._pool.drain,
            "show": self._show,
            "stop": self._stopped.set,
        }

    async def serve(self) -> None:
        """Be the cluster until told to stop."""
        cluster = self._cluster
        async with cluster:
            cluster.store.subscribe(self._heed)
            for file in sorted(self._spec.definitions.glob("*.yaml")):
                for definition in yaml.safe_load_all(file.read_text()):
                    cluster.store.create(CRDS, definition)
            cluster.namespace(ELSEWHERE)
            cluster.deploy(YARDSTICK, f"{YARDSTICK}:a", 0, namespace=ELSEWHERE)
            for index in range(self._spec.deployments):
                name = name_of(index)
                cluster.deploy(
                    name, f"{name}:{STABLE_TAG}", self._spec.replicas, namespace=NAMESPACE, **_ROLLING
                )
            self._pool.deploy()
            while not self._available():  # noqa: ASYNC110 - as a person would
                await asyncio.sleep(0.1)
            self._pool.prepare()
            self._remember_history()
            gc.collect()
            gc.freeze()
            # What a server of another language never does: a walk over the newest 20,000 changes takes half a second.
            gc.disable()
            self._link.listen(self._obey)
            self._link.send("ready", cluster.url, cluster.kubeconfig())
            await self._stopped.wait()
        self._link.close()

    def _available(self) -> bool:
        wanted = self._spec.replicas
        found = self._cluster.store.list(DEPLOYMENTS, NAMESPACE)
        shop = all((d.get("status") or {}).get("availableReplicas") == wanted for d in found)
        return shop and self._pool.available

    # -- orders

    def _obey(self, message: Message) -> None:
        self._orders[message[0]](*message[1:])

    def _release(self, name: str, tag: str) -> None:
        self._cluster.set_image(name, f"{name}:{tag}", namespace=NAMESPACE)

    def _strike(self, names: tuple[str, ...]) -> None:
        """Let each Deployment's candidate pods show a crash loop, as their kubelet would write it."""
        for name, pods in [(name, self._candidate_pods(name)) for name in names]:
            struck = time.monotonic_ns()
            for pod in pods:
                self._cluster.store.mutate(
                    PODS,
                    NAMESPACE,
                    pod["metadata"]["name"],
                    self._crash,
                    subresource="status",
                    manager="kubelet",
                )
            self._link.send("struck", name, struck)

    def _show(self) -> None:
        events = self._pool.show()  # on their way once the loop goes on
        self._link.send("shown", events, time.monotonic_ns())

    def _candidate_pods(self, name: str) -> list[JsonObject]:
        image = _image(self._cluster.deployment(name, namespace=NAMESPACE)["spec"]["template"])
        pods = self._cluster.pods(name, namespace=NAMESPACE)
        return [pod for pod in pods if _image(pod) == image and "deletionTimestamp" not in pod["metadata"]]

    def _crash(self, pod: JsonObject) -> None:
        now = timestamp(self._cluster.now())
        ended = {"exitCode": 1, "reason": "Error", "startedAt": now, "finishedAt": now}
        waiting = {"reason": "CrashLoopBackOff", "message": "back-off 40s restarting failed container"}
        for container in pod["status"]["containerStatuses"]:
            container |= {"ready": False, "started": False, "restartCount": 3}
            container |= {"state": {"waiting": waiting}, "lastState": {"terminated": ended}}
        for condition in pod["status"]["conditions"]:
            if condition["type"] in ("Ready", "ContainersReady"):
                condition |= {"status": "False", "reason": "ContainersNotReady", "lastTransitionTime": now}

    # -- what happens in the cluster

    def _heed(self, event: Event) -> None:
        stamp = time.monotonic_ns()
        metadata = event.object["metadata"]
        if metadata.get("namespace") != NAMESPACE:
            return
        if event.resource is DEPLOYMENTS and event.previous is not None:
            before, after = (_image(obj["spec"]["template"]) for obj in (event.previous, event.object))
            if before != after and after.endswith(f":{STABLE_TAG}"):
                self._link.send("patched", metadata["name"], stamp)
        elif event.resource is PODS and event.type != "MODIFIED":
            self._link.send("pod", metadata["name"], event.type == "ADDED")
        elif event.resource.plural == "rolloutrecords":
            self._tell_phase(event)

    def _tell_phase(self, event: Event) -> None:
        before, after = (_phase(obj) for obj in (event.previous, event.object))
        if after and after != before:
            spec = event.object["spec"]
            image = spec["candidate"].get("images", [""])[0]
            self._link.send("phase", spec["workload"]["name"], image, after)

    # -- the past

    def _remember_history(self) -> None:
        """The records that promoted rollouts of former days have left behind."""
        records = self._cluster.api.registry.find("rollback-sentinel.dev", "v1", "rolloutrecords")
        assert records is not None
        loaded = load([self._spec.policy])
        assert isinstance(loaded, PolicySet)
        (policy,) = loaded.policies
        for index in range(self._spec.deployments):
            uid = self._cluster.deployment(name_of(index), namespace=NAMESPACE)["metadata"]["uid"]
            for number in range(self._spec.history):
                self._remember(records, _old_record(name_of(index), uid, number, policy))

    def _remember(self, records: ResourceType, record: Record) -> None:
        body = object_of(record)
        created = self._cluster.store.create(records, body, manager="rollback-sentinel")
        del body["metadata"]["labels"]
        version = {"resourceVersion": created["metadata"]["resourceVersion"]}
        body["metadata"] = {**body["metadata"], **version}
        self._cluster.store.update(records, body, subresource="status", manager="rollback-sentinel")


_ROLLING: JsonObject = {
    "strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
    "revisionHistoryLimit": 3,
}


def _image(pod: JsonObject) -> str:
    image: str = pod["spec"]["containers"][0]["image"]
    return image


def _phase(record: JsonObject | None) -> str:
    """The phase, a bake only once it counts."""
    status = (record or {}).get("status") or {}
    phase = str(status.get("phase", ""))
    # The second place is that of releases before 0.2.
    reached = (status.get("progress") or {}).get("reachedAt") or status.get("reachedAt")
    return "" if phase == Phase.BAKING and not reached else phase


def _old_record(name: str, uid: str, number: int, policy: Policy) -> Record:
    began = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=number)
    done = Outcome(OutcomeKind.DONE, began + timedelta(minutes=5))
    entry = DecisionEntry(
        "", began, Action.START, "NewRevision", "a new revision is rolled out", f"old-{number}", 0
    )
    entries = [
        replace(entry, id=f"{name}-{number}-{action.value}", action=action, outcome=done)
        for action in (Action.START, Action.ADVANCE, Action.ADVANCE, Action.PROMOTE, Action.CLOSE)
    ]
    ended = began + timedelta(hours=1)
    return Record(
        name=f"{name}-old-{number}",
        key=WorkloadKey(WorkloadKind.DEPLOYMENT, NAMESPACE, name),
        workload_uid=uid,
        candidate=RevisionRef(f"old-{number}", f"old{number}", number, (f"{name}:old-{number}",)),
        stable=RevisionRef(f"old-{number - 1}"),
        policy=policy.name,
        policy_digest=policy.digest,
        policy_document=policy.document,
        started_at=began,
        state=RolloutState(
            Phase.PROMOTED, ending=Ending(began + timedelta(minutes=5), ended), saved_at=ended
        ),
        decisions=tuple(entries),
    )

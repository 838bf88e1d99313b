"""Replays stories that were recorded on a real control plane, and boils both down to what must agree.

Run with a recording (JSON lines) to print its digest, as kept in `recorded/`.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Any

from clustersim.controllers.manager import ControllerManager
from clustersim.storage.history import Event
from clustersim.storage.resources import DEPLOYMENTS, EVENTS, NAMESPACES, PODS, STATEFULSETS, ResourceType
from clustersim.storage.store import Store, timestamp
from clustersim.virtual_time import wall_clock

Json = dict[str, Any]
_RESOURCES = {"deployments": DEPLOYMENTS, "statefulsets": STATEFULSETS, "pods": PODS}
_ANNOTATIONS = "deployment.kubernetes.io/"
_TIMES = ("lastUpdateTime", "lastTransitionTime")


def digest(lines: Iterable[Json]) -> Json:
    """What a story comes to, with generated names replaced by their order of appearance.

    Per ReplicaSet the sizes and revisions that it went through; the state of every workload object just
    before each step; the pods made and deleted in order (of StatefulSets); the most pods asked for at one time.
    """
    names = _Names()
    objects: dict[tuple[str, str], Json] = {}
    paths: dict[str, list[Json]] = {}
    pods: list[tuple[str, str]] = []
    most = 0
    before_steps: list[Json] = []
    for line in lines:
        if "step" in line:
            before_steps.append({"step": line["step"], "state": _state(objects, names)})
            continue
        obj = line["object"]
        kind, name = obj["kind"], names.of(obj)
        if line["type"] == "DELETED":
            objects.pop((kind, name), None)
        else:
            objects[kind, name] = obj
        if kind == "ReplicaSet":
            paths.setdefault(name, []).append(obj)
        if kind == "Pod" and name.startswith("st-") and line["type"] != "MODIFIED":
            pods.append((line["type"], name))
        wanted = (o["spec"]["replicas"] for (kind, _), o in objects.items() if kind == "ReplicaSet")
        most = max(most, sum(wanted))
    return {
        "replica_sets": {name: _path(versions) for name, versions in paths.items()},
        "before_steps": before_steps,
        "stateful_pods": [
            f"{type_} {', '.join(sorted(name for _, name in run))}"
            for type_, run in groupby(pods, lambda entry: entry[0])
        ],
        "most_wanted": most,
    }


class _Names:
    """Names with generated parts, by order of appearance."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def of(self, obj: Json) -> str:
        name: str = obj["metadata"]["name"]
        if obj["kind"] in ("ReplicaSet", "ControllerRevision"):
            short = {"ReplicaSet": "rs", "ControllerRevision": "revision"}[obj["kind"]]
            count = sum(known.startswith(short) for known in self._known.values())
            return self._known.setdefault(name, f"{short}-{count + 1}")
        return name

    def replace(self, text: str) -> str:
        for name, short in self._known.items():
            text = re.sub(rf"{re.escape(name)}(?![a-z0-9])", short, text)
        return text


def _path(versions: list[Json]) -> Json:
    marked = [
        {k.removeprefix(_ANNOTATIONS): v for k, v in v["metadata"]["annotations"].items()} for v in versions
    ]
    return {
        "sizes": [size for size, _ in groupby(v["spec"]["replicas"] for v in versions)],
        "annotations": [entry for entry, _ in groupby(marked)],
    }


def _state(objects: dict[tuple[str, str], Json], names: _Names) -> Json:
    state = {}
    for (kind, name), obj in sorted(objects.items()):
        if kind == "Pod":
            continue
        kept = {
            "generation": obj["metadata"].get("generation"),
            "replicas": obj.get("spec", {}).get("replicas"),
            "annotations": obj["metadata"].get("annotations"),
            "revision": obj.get("revision"),
            "status": _timeless(obj.get("status")),
        }
        state[f"{kind}/{name}"] = json.loads(names.replace(json.dumps(kept, sort_keys=True)))
    return state


def _timeless(status: Json | None) -> Json | None:
    if not status or "conditions" not in status:
        return status
    conditions = [{k: v for k, v in c.items() if k not in _TIMES} for c in status["conditions"]]
    return {**status, "conditions": conditions}


class _StandIn:
    """What answered for the kubelet in the recording: no node, ready a second after the start, one by one."""

    SPACING = 0.05

    def __init__(self, store: Store) -> None:
        self._store = store
        self._loop = asyncio.get_running_loop()
        self._last = 0.0
        store.subscribe(self._heed)

    def _heed(self, event: Event) -> None:
        if event.resource is PODS and event.type == "ADDED":
            self._last = max(self._loop.time() + 1.0, self._last + self.SPACING)
            self._loop.call_at(self._last, self._start, event.object["metadata"])

    def _start(self, metadata: Json) -> None:
        pod = self._store.find(PODS, metadata["namespace"], metadata["name"])
        if pod is None or pod["metadata"]["uid"] != metadata["uid"]:
            return
        crashes = pod["spec"]["containers"][0]["image"].endswith("-crash")
        ready = {"type": "Ready", "status": "False" if crashes else "True"}
        ready["lastTransitionTime"] = timestamp(self._store.now())

        def change(obj: Json) -> None:
            obj["status"] |= {"phase": "Running", "conditions": [ready]}

        self._store.mutate(PODS, metadata["namespace"], metadata["name"], change, subresource="status")


async def replay(steps: list[Json]) -> list[Json]:
    """Sends a recording's requests at their times to a simulated control plane; its watch lines."""
    loop = asyncio.get_running_loop()
    store = Store(wall_clock(), seed=1)
    store.create(NAMESPACES, {"metadata": {"name": "rec"}})
    manager = ControllerManager(store)
    manager.start()
    _StandIn(store)
    lines: list[Json] = []

    def log(event: Event) -> None:
        if event.resource is not EVENTS:
            lines.append({"type": event.type, "object": event.object})

    store.subscribe(log)
    for step in steps:
        await asyncio.sleep(max(step["t"] - loop.time(), 0))
        lines.append({"step": step["step"]})
        _send(store, step["request"])
    await asyncio.sleep(5)
    assert manager.stop() == []
    lines.append({"step": "end"})
    return lines


def _send(store: Store, request: Json) -> None:
    *_, collection, name = request["path"].split("/")
    resource: ResourceType = _RESOURCES.get(collection) or _RESOURCES[name]
    body = request["body"]
    match request["method"]:
        case "POST":
            metadata = {**body["metadata"], "namespace": "rec"}
            store.create(resource, {**body, "metadata": metadata})
        case "DELETE":
            store.delete(resource, "rec", name)
        case _:
            store.mutate(resource, "rec", name, lambda obj: _patch(obj, body))


def _patch(obj: Json, body: Any) -> None:
    if isinstance(body, dict):
        _merge(obj, body)
        return
    for operation in body:
        target: Any = obj
        *path, last = operation["path"].strip("/").split("/")
        for part in path:
            target = target[int(part)] if isinstance(target, list) else target[part]
        target[last] = operation["value"]


def _merge(target: Json, patch: Json) -> None:
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict):
            _merge(target.setdefault(key, {}), value)
        else:
            target[key] = value


def _main(recording: Path) -> None:
    lines = [json.loads(line) for line in recording.read_text().splitlines()]
    lines.sort(key=lambda line: line["t"] - (0.02 if "step" in line else 0))
    steps = [
        {"t": line["t"], "step": line["step"], "request": line["request"]} for line in lines if "step" in line
    ]
    digested = digest([*lines, {"step": "end"}])
    json.dump({"steps": steps, "digest": digested}, sys.stdout, indent=1, sort_keys=True)


if __name__ == "__main__":
    _main(Path(sys.argv[1]))

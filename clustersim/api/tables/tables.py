"""`Table` answers: the columns that `kubectl get` prints, kind by kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from clustersim.api.tables import jsonpath
from clustersim.api.tables.ages import age
from clustersim.api.tables.pod_status import pod_cells
from clustersim.api.types.registry import CustomResource
from clustersim.storage.resources import ResourceType
from clustersim.storage.selectors import printed_label_selector

JsonObject = dict[str, Any]
Cells = Callable[[JsonObject, datetime], list[Any]]

_NAME = (
    "Name must be unique within a namespace. Is required when creating resources, although some resources "
    "may allow a client to request the generation of an appropriate name automatically. Name is primarily "
    "intended for creation idempotence and configuration definition. Cannot be updated. More info: "
    "https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names"
)


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of a kind: `*` in front of a name puts it into the wide form only, `#` makes it a number."""

    columns: tuple[str, ...]
    cells: Cells


def table(
    resource: ResourceType,
    objects: Sequence[JsonObject],
    metadata: JsonObject,
    now: datetime,
    custom: CustomResource | None,
) -> JsonObject:
    """A `meta.k8s.io/v1` Table of the objects."""
    definitions, cells = _custom_layout(custom) if custom and custom.columns else _layout(resource)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": definitions,
        "rows": [
            {
                "cells": cells(obj, now),
                "object": {
                    "kind": "PartialObjectMetadata",
                    "apiVersion": "meta.k8s.io/v1",
                    "metadata": obj["metadata"],
                },
            }
            for obj in objects
        ],
    }


def _layout(resource: ResourceType) -> tuple[list[JsonObject], Cells]:
    layout = _LAYOUTS.get(resource.key, _DEFAULT)
    return [_definition(name) for name in layout.columns], layout.cells


def _definition(name: str, kind: str = "string", description: str = "", priority: int = 0) -> JsonObject:
    if name.startswith("*"):
        name, priority = name[1:], 1
    if name.startswith("#"):
        name, kind = name[1:], "integer"
    if name == "Name":
        return {"name": name, "type": kind, "format": "name", "description": _NAME, "priority": priority}
    return {"name": name, "type": kind, "format": "", "description": description, "priority": priority}


def _custom_layout(custom: CustomResource) -> tuple[list[JsonObject], Cells]:
    definitions = [_definition("Name")]
    for column in custom.columns:
        description = column.get("description") or (
            f"Custom resource definition column (in JSONPath format): {column['jsonPath']}"
        )
        definition = _definition(column["name"], column["type"], description, column.get("priority", 0))
        definitions.append({**definition, "format": column.get("format", "")})

    def cells(obj: JsonObject, now: datetime) -> list[Any]:
        return [obj["metadata"]["name"], *(_custom_cell(column, obj, now) for column in custom.columns)]

    return definitions, cells


def _custom_cell(column: JsonObject, obj: JsonObject, now: datetime) -> Any:
    found = jsonpath.find(obj, column["jsonPath"])
    if not found or found[0] is None:
        return None
    value = found[0]
    match column["type"]:
        case "date":
            return age(value, now) if isinstance(value, str) else "<unknown>"
        case "string" if not isinstance(value, str):
            return jsonpath.printed(value)
        case _:
            return value


def _named(obj: JsonObject) -> str:
    return str(obj["metadata"]["name"])


def _age(obj: JsonObject, now: datetime) -> str:
    return age(obj["metadata"].get("creationTimestamp"), now)


def _containers(obj: JsonObject) -> list[str]:
    containers = obj["spec"]["template"]["spec"].get("containers") or ()
    return [",".join(c["name"] for c in containers), ",".join(c.get("image", "") for c in containers)]


def _selector(obj: JsonObject) -> str:
    return printed_label_selector(obj["spec"].get("selector")) or "<none>"


def _deployment(obj: JsonObject, now: datetime) -> list[Any]:
    status = obj.get("status") or {}
    ready = f"{status.get('readyReplicas', 0)}/{obj['spec'].get('replicas', 0)}"
    counts = [status.get("updatedReplicas", 0), status.get("availableReplicas", 0)]
    return [_named(obj), ready, *counts, _age(obj, now), *_containers(obj), _selector(obj)]


def _replica_set(obj: JsonObject, now: datetime) -> list[Any]:
    status = obj.get("status") or {}
    counts = [obj["spec"].get("replicas", 0), status.get("replicas", 0), status.get("readyReplicas", 0)]
    return [_named(obj), *counts, _age(obj, now), *_containers(obj), _selector(obj)]


def _stateful_set(obj: JsonObject, now: datetime) -> list[Any]:
    ready = f"{(obj.get('status') or {}).get('readyReplicas', 0)}/{obj['spec'].get('replicas', 0)}"
    return [_named(obj), ready, _age(obj, now), *_containers(obj)]


def _daemon_set(obj: JsonObject, now: datetime) -> list[Any]:
    status = obj.get("status") or {}
    fields = (
        "desiredNumberScheduled",
        "currentNumberScheduled",
        "numberReady",
        "updatedNumberScheduled",
        "numberAvailable",
    )
    nodes = obj["spec"]["template"]["spec"].get("nodeSelector") or {}
    shown = ",".join(f"{k}={v}" for k, v in sorted(nodes.items())) or "<none>"
    counts = [status.get(field, 0) for field in fields]
    return [_named(obj), *counts, shown, _age(obj, now), *_containers(obj), _selector(obj)]


def _event(obj: JsonObject, now: datetime) -> list[Any]:
    about = obj.get("involvedObject") or obj.get("regarding") or {}
    source = obj.get("source") or obj.get("deprecatedSource") or {}
    first = obj.get("firstTimestamp") or obj.get("deprecatedFirstTimestamp") or obj.get("eventTime")
    last = obj.get("lastTimestamp") or obj.get("deprecatedLastTimestamp") or first
    series = obj.get("series")
    if series:
        last = series.get("lastObservedTime", last)
    count = (series or {}).get("count") or obj.get("count") or obj.get("deprecatedCount") or 1
    reporter = source.get("component") or obj.get("reportingComponent") or obj.get("reportingController", "")
    what = f"{about.get('kind', '').lower()}/{about.get('name', '')}"
    text = (obj.get("message") or obj.get("note") or "").strip()
    shown = [age(last, now), obj.get("type", ""), obj.get("reason", ""), what]
    return [*shown, about.get("fieldPath", ""), reporter, text, age(first, now), count, _named(obj)]


def _node(obj: JsonObject, now: datetime) -> list[Any]:
    conditions = {c["type"]: c["status"] for c in (obj.get("status") or {}).get("conditions", ())}
    state = {"True": "Ready", None: "Unknown"}.get(conditions.get("Ready"), "NotReady")
    if (obj.get("spec") or {}).get("unschedulable"):
        state += ",SchedulingDisabled"
    prefix = "node-role.kubernetes.io/"
    labels = obj["metadata"].get("labels") or {}
    roles = ",".join(sorted(k.removeprefix(prefix) for k in labels if k.startswith(prefix))) or "<none>"
    version = ((obj.get("status") or {}).get("nodeInfo") or {}).get("kubeletVersion", "")
    return [_named(obj), state, roles, _age(obj, now), version]


def _namespace(obj: JsonObject, now: datetime) -> list[Any]:
    return [_named(obj), (obj.get("status") or {}).get("phase", "Active"), _age(obj, now)]


def _service(obj: JsonObject, now: datetime) -> list[Any]:
    spec = obj.get("spec") or {}
    ports = ",".join(f"{p['port']}/{p.get('protocol', 'TCP')}" for p in spec.get("ports", ())) or "<none>"
    selector = ",".join(f"{k}={v}" for k, v in sorted((spec.get("selector") or {}).items())) or "<none>"
    address = spec.get("clusterIP") or "<none>"
    return [_named(obj), spec.get("type", "ClusterIP"), address, "<none>", ports, _age(obj, now), selector]


def _job(obj: JsonObject, now: datetime) -> list[Any]:
    spec, status = obj["spec"], obj.get("status") or {}
    conditions = {c["type"] for c in status.get("conditions", ()) if c["status"] == "True"}
    state = next((s for s in ("Complete", "Failed", "Suspended") if s in conditions), "Running")
    done = f"{status.get('succeeded', 0)}/{spec.get('completions', 1)}"
    took = ""
    if status.get("startTime"):
        ended = status.get("completionTime")
        until = datetime.fromisoformat(ended) if ended else now
        took = age(status["startTime"], until)
    return [_named(obj), state, done, took, _age(obj, now), *_containers(obj), _selector(obj)]


def _lease(obj: JsonObject, now: datetime) -> list[Any]:
    return [_named(obj), (obj.get("spec") or {}).get("holderIdentity") or "", _age(obj, now)]


def _config_map(obj: JsonObject, now: datetime) -> list[Any]:
    return [_named(obj), len(obj.get("data") or {}) + len(obj.get("binaryData") or {}), _age(obj, now)]


def _secret(obj: JsonObject, now: datetime) -> list[Any]:
    return [_named(obj), obj.get("type", "Opaque"), len(obj.get("data") or {}), _age(obj, now)]


def _controller_revision(obj: JsonObject, now: datetime) -> list[Any]:
    owners = [o for o in obj["metadata"].get("ownerReferences", ()) if o.get("controller")]
    owner = f"{owners[0]['kind'].lower()}.apps/{owners[0]['name']}" if owners else "<none>"
    return [_named(obj), owner, obj.get("revision", 0), _age(obj, now)]


def _default(obj: JsonObject, now: datetime) -> list[Any]:
    return [_named(obj), _age(obj, now)]


def _pod(obj: JsonObject, now: datetime) -> list[Any]:
    ready, state, restarts, last_restart = pod_cells(obj)
    shown = f"{restarts} ({age(last_restart, now)} ago)" if restarts and last_restart else str(restarts)
    address = (obj.get("status") or {}).get("podIP") or "<none>"
    place = obj["spec"].get("nodeName") or "<none>"
    return [_named(obj), ready, state, shown, _age(obj, now), address, place, "<none>", "<none>"]


_DEFAULT = Layout(("Name", "Age"), _default)
_WORKLOAD = ("*Containers", "*Images", "*Selector")
_LAYOUTS: dict[tuple[str, str], Layout] = {
    ("apps", "deployments"): Layout(
        ("Name", "Ready", "Up-to-date", "Available", "Age", *_WORKLOAD), _deployment
    ),
    ("apps", "replicasets"): Layout(
        ("Name", "#Desired", "#Current", "#Ready", "Age", *_WORKLOAD), _replica_set
    ),
    ("apps", "statefulsets"): Layout(("Name", "Ready", "Age", "*Containers", "*Images"), _stateful_set),
    ("apps", "daemonsets"): Layout(
        (
            "Name",
            "#Desired",
            "#Current",
            "#Ready",
            "#Up-to-date",
            "#Available",
            "Node Selector",
            "Age",
            *_WORKLOAD,
        ),
        _daemon_set,
    ),
    ("apps", "controllerrevisions"): Layout(("Name", "Controller", "Revision", "Age"), _controller_revision),
    ("", "pods"): Layout(
        (
            "Name",
            "Ready",
            "Status",
            "Restarts",
            "Age",
            "*IP",
            "*Node",
            "*Nominated Node",
            "*Readiness Gates",
        ),
        _pod,
    ),
    ("", "events"): Layout(
        (
            "Last Seen",
            "Type",
            "Reason",
            "Object",
            "*Subobject",
            "*Source",
            "Message",
            "*First Seen",
            "*Count",
            "*Name",
        ),
        _event,
    ),
    ("", "nodes"): Layout(("Name", "Status", "Roles", "Age", "Version"), _node),
    ("", "namespaces"): Layout(("Name", "Status", "Age"), _namespace),
    ("", "services"): Layout(
        ("Name", "Type", "Cluster-IP", "External-IP", "Port(s)", "Age", "*Selector"), _service
    ),
    ("", "configmaps"): Layout(("Name", "Data", "Age"), _config_map),
    ("", "secrets"): Layout(("Name", "Type", "Data", "Age"), _secret),
    ("batch", "jobs"): Layout(("Name", "Status", "Completions", "Duration", "Age", *_WORKLOAD), _job),
    ("coordination.k8s.io", "leases"): Layout(("Name", "Holder", "Age"), _lease),
}
_LAYOUTS[("events.k8s.io", "events")] = _LAYOUTS[("", "events")]

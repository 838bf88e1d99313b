"""Fields that the API server fills in where a manifest leaves them out."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from clustersim.storage.resources import (
    CRDS,
    DAEMONSETS,
    DEPLOYMENTS,
    EVENTS,
    HPAS,
    JOBS,
    NAMESPACES,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    REPLICASETS,
    SECRETS,
    SERVICES,
    STATEFULSETS,
    ResourceType,
)

JsonObject = dict[str, Any]
_EVICTION_DELAY_SECONDS = 300


def admit(resource: ResourceType, obj: JsonObject) -> None:
    """Add to a new object, in place, what admission and the server itself give it, its first status above all."""
    match resource.kind:
        case "Namespace" if resource is NAMESPACES:
            obj.setdefault("spec", {})["finalizers"] = ["kubernetes"]
            obj["status"] = {"phase": "Active"}
        case "Pod" if resource is PODS:
            _admit_pod(obj["spec"])
            obj["status"] = {"phase": "Pending", "qosClass": _qos_class(obj["spec"])}
        case "ReplicaSet" | "StatefulSet" if resource in (REPLICASETS, STATEFULSETS):
            obj["status"] = {"replicas": 0} | ({"availableReplicas": 0} if resource is STATEFULSETS else {})
        case "DaemonSet" if resource is DAEMONSETS:
            zero = ("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady")
            obj["status"] = dict.fromkeys(zero, 0)
        case "PersistentVolumeClaim" if resource is PERSISTENT_VOLUME_CLAIMS:
            obj["status"] = {"phase": "Pending"}
        case "Job" if resource is JOBS:
            _admit_job(obj)
        case "CustomResourceDefinition" if resource is CRDS:
            stored = [v["name"] for v in obj["spec"].get("versions", ()) if v.get("storage")]
            names = {"plural": "", "kind": ""}
            obj["status"] = {"conditions": None, "acceptedNames": names, "storedVersions": stored}
        case _ if "status" in resource.subresources and not resource.custom and "status" not in obj:
            obj["status"] = {}


def complete(resource: ResourceType, obj: JsonObject) -> None:
    """Fill in the defaults of an object in place."""
    if resource is NAMESPACES:
        obj["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = obj["metadata"]["name"]
    if resource is PODS:
        _pod_only(obj)
    if resource is EVENTS:
        _event(obj)
    if resource is SECRETS:
        _secret(obj)
    defaulter = _DEFAULTERS.get(resource.key)
    if defaulter is not None:
        spec = obj.get("spec")
        if isinstance(spec, dict):
            defaulter(spec)


def _setdefaults(target: JsonObject, **values: Any) -> None:
    for key, value in values.items():
        if target.get(key) is None:
            target[key] = value


def _pod(spec: JsonObject) -> None:
    for container in [*spec.get("containers", ()), *spec.get("initContainers", ())]:
        _container(container)
    for volume in spec.get("volumes", ()):
        _volume(volume)
    _setdefaults(
        spec,
        restartPolicy="Always",
        terminationGracePeriodSeconds=30,
        dnsPolicy="ClusterFirst",
        securityContext={},
        schedulerName="default-scheduler",
    )
    if spec.get("serviceAccountName"):
        _setdefaults(spec, serviceAccount=spec["serviceAccountName"])


def _pod_only(pod: JsonObject) -> None:
    """Defaults that pods have and pod templates do not."""
    if isinstance(pod.get("spec"), dict):
        _setdefaults(pod["spec"], enableServiceLinks=True)
    for condition in (pod.get("status") or {}).get("conditions") or ():
        condition.setdefault("lastProbeTime", None)
        condition.setdefault("lastTransitionTime", None)


def _event(event: JsonObject) -> None:
    for field in ("firstTimestamp", "lastTimestamp", "eventTime"):
        event.setdefault(field, None)
    _setdefaults(event, source={}, reportingComponent="", reportingInstance="")


def _secret(secret: JsonObject) -> None:
    plain = secret.pop("stringData", None) or {}
    if plain:
        encoded = {key: base64.b64encode(str(value).encode()).decode() for key, value in plain.items()}
        secret["data"] = {**(secret.get("data") or {}), **encoded}
    _setdefaults(secret, type="Opaque")


def _container(container: JsonObject) -> None:
    image = container.get("image", "")
    tagged = ":" in image.rpartition("/")[2]
    latest = not ("@" in image or (tagged and not image.endswith(":latest")))
    _setdefaults(
        container,
        resources={},
        terminationMessagePath="/dev/termination-log",
        terminationMessagePolicy="File",
        imagePullPolicy="Always" if latest else "IfNotPresent",
    )
    for port in container.get("ports", ()):
        _setdefaults(port, protocol="TCP")
    for variable in container.get("env", ()):
        field = (variable.get("valueFrom") or {}).get("fieldRef")
        if isinstance(field, dict):
            _setdefaults(field, apiVersion="v1")
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if isinstance(container.get(probe), dict):
            _probe(container[probe])


def _probe(probe: JsonObject) -> None:
    _setdefaults(probe, timeoutSeconds=1, periodSeconds=10, successThreshold=1, failureThreshold=3)
    if isinstance(probe.get("httpGet"), dict):
        _setdefaults(probe["httpGet"], path="/", scheme="HTTP")


def _volume(volume: JsonObject) -> None:
    for source in ("configMap", "secret", "projected"):
        if isinstance(volume.get(source), dict):
            _setdefaults(volume[source], defaultMode=420)


def _admit_pod(spec: JsonObject) -> None:
    """What the admission plug-ins of a default installation add to a pod."""
    tolerations = spec.setdefault("tolerations", [])
    keys = {t.get("key") for t in tolerations if t.get("effect") in (None, "", "NoExecute")}
    for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"):
        if key not in keys and None not in keys:
            toleration = {"key": key, "operator": "Exists", "effect": "NoExecute"}
            tolerations.append({**toleration, "tolerationSeconds": _EVICTION_DELAY_SECONDS})
    _setdefaults(spec, priority=0, preemptionPolicy="PreemptLowerPriority")


def _admit_job(job: JsonObject) -> None:
    """The selector and the labels by which a Job knows its pods, unless it brings its own."""
    spec, metadata = job.get("spec") or {}, job["metadata"]
    if not spec.get("manualSelector") and isinstance(spec.get("template"), dict):
        uid, name = metadata["uid"], metadata["name"]
        marks = {f"{prefix}controller-uid": uid for prefix in ("batch.kubernetes.io/", "")}
        marks |= {f"{prefix}job-name": name for prefix in ("batch.kubernetes.io/", "")}
        template = spec["template"].setdefault("metadata", {})
        template["labels"] = {**(template.get("labels") or {}), **marks}
        spec["selector"] = {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
        _setdefaults(spec, manualSelector=False)
        if not metadata.get("labels"):
            metadata["labels"] = dict(template["labels"])
    job["status"] = {}


def _qos_class(spec: JsonObject) -> str:
    resources = [container.get("resources") or {} for container in spec.get("containers", ())]
    if not any(r.get("requests") or r.get("limits") for r in resources):
        return "BestEffort"
    for r in resources:
        limits = r.get("limits") or {}
        if not {"cpu", "memory"} <= limits.keys() or (r.get("requests") or limits) != limits:
            return "Burstable"
    return "Guaranteed"


def _template(spec: JsonObject) -> None:
    template = spec.get("template")
    if isinstance(template, dict):
        template.setdefault("metadata", {})
        if isinstance(template.get("spec"), dict):
            _pod(template["spec"])


def _deployment(spec: JsonObject) -> None:
    _template(spec)
    _setdefaults(spec, replicas=1, strategy={}, revisionHistoryLimit=10, progressDeadlineSeconds=600)
    _setdefaults(spec["strategy"], type="RollingUpdate")
    if spec["strategy"]["type"] == "RollingUpdate":
        _setdefaults(spec["strategy"], rollingUpdate={})
        _setdefaults(spec["strategy"]["rollingUpdate"], maxUnavailable="25%", maxSurge="25%")
    if spec.get("paused") is False:
        del spec["paused"]


def _replica_set(spec: JsonObject) -> None:
    _template(spec)
    _setdefaults(spec, replicas=1)


def _stateful_set(spec: JsonObject) -> None:
    _template(spec)
    _setdefaults(
        spec,
        replicas=1,
        podManagementPolicy="OrderedReady",
        updateStrategy={},
        revisionHistoryLimit=10,
        persistentVolumeClaimRetentionPolicy={"whenDeleted": "Retain", "whenScaled": "Retain"},
    )
    _setdefaults(spec["updateStrategy"], type="RollingUpdate")
    if spec["updateStrategy"]["type"] == "RollingUpdate":
        _setdefaults(spec["updateStrategy"], rollingUpdate={})
        _setdefaults(spec["updateStrategy"]["rollingUpdate"], partition=0)
        # The feature gate of maxUnavailable is off: the server drops the field and says nothing.
        spec["updateStrategy"]["rollingUpdate"].pop("maxUnavailable", None)
    for claim in spec.get("volumeClaimTemplates") or ():
        _setdefaults(claim, apiVersion="v1", kind="PersistentVolumeClaim", status={"phase": "Pending"})
        _claim(claim["spec"])


def _claim(spec: JsonObject) -> None:
    _setdefaults(spec, volumeMode="Filesystem")


def _daemon_set(spec: JsonObject) -> None:
    _template(spec)
    _setdefaults(spec, updateStrategy={}, revisionHistoryLimit=10)
    _setdefaults(spec["updateStrategy"], type="RollingUpdate")
    if spec["updateStrategy"]["type"] == "RollingUpdate":
        _setdefaults(spec["updateStrategy"], rollingUpdate={})
        _setdefaults(spec["updateStrategy"]["rollingUpdate"], maxUnavailable=1, maxSurge=0)


def _service(spec: JsonObject) -> None:
    _setdefaults(spec, type="ClusterIP", sessionAffinity="None", internalTrafficPolicy="Cluster")
    for port in spec.get("ports", ()):
        _setdefaults(port, protocol="TCP", targetPort=port.get("port"))


def _job(spec: JsonObject) -> None:
    _template(spec)
    _setdefaults(spec, parallelism=1, completions=1, backoffLimit=6, suspend=False)
    replaced = "Failed" if spec.get("podFailurePolicy") else "TerminatingOrFailed"
    _setdefaults(spec, completionMode="NonIndexed", podReplacementPolicy=replaced)


def _autoscaler(spec: JsonObject) -> None:
    _setdefaults(spec, minReplicas=1)


def _crd(spec: JsonObject) -> None:
    names = spec.get("names")
    if isinstance(names, dict) and names.get("kind"):
        _setdefaults(names, singular=names["kind"].lower(), listKind=f"{names['kind']}List")
    _setdefaults(spec, conversion={"strategy": "None"})


_DEFAULTERS: dict[tuple[str, str], Callable[[JsonObject], None]] = {
    PODS.key: _pod,
    DEPLOYMENTS.key: _deployment,
    REPLICASETS.key: _replica_set,
    STATEFULSETS.key: _stateful_set,
    DAEMONSETS.key: _daemon_set,
    SERVICES.key: _service,
    PERSISTENT_VOLUME_CLAIMS.key: _claim,
    JOBS.key: _job,
    CRDS.key: _crd,
    HPAS.key: _autoscaler,
}

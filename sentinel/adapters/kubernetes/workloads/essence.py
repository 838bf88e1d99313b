"""The digest of a pod template without what API servers and controllers add to it.

A Rollout's template is written without the defaults that the ReplicaSet made of it has. Where their essences are the
same, the ReplicaSet is of this template. Source of the defaults: Kubernetes 1.36, `pkg/apis/core/v1/defaults.go` and
`zz_generated.defaults.go`.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

from sentinel.adapters.kubernetes.api.raw import RawObject, mapping
from sentinel.adapters.kubernetes.workloads.digest import bare_template

_CONTAINERS = ("containers", "initContainers", "ephemeralContainers")
_POD = {
    "dnsPolicy": "ClusterFirst",
    "restartPolicy": "Always",
    "schedulerName": "default-scheduler",
    "terminationGracePeriodSeconds": 30,
    "enableServiceLinks": True,
    "hostNetwork": False,
    "hostPID": False,
    "hostIPC": False,
}
_CONTAINER = {"terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"}
_PORT = {"protocol": "TCP"}
_PROBE = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
_HTTP = {"path": "/", "scheme": "HTTP"}
_FIELD = {"apiVersion": "v1"}
_MODE = {"defaultMode": 0o644}
_VOLUMES = {
    "secret": _MODE,
    "configMap": _MODE,
    "downwardAPI": _MODE,
    "projected": _MODE,
    "hostPath": {"type": ""},
    "iscsi": {"iscsiInterface": "default"},
    "rbd": {"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"},
    "azureDisk": {"cachingMode": "ReadWrite", "kind": "Shared", "fsType": "ext4", "readOnly": False},
    "scaleIO": {"storageMode": "ThinProvisioned", "fsType": "xfs"},
}
_SPREAD = {"nodeAffinityPolicy": "Honor", "nodeTaintsPolicy": "Ignore"}
_SUFFIXES = {
    **{
        suffix: Decimal(1024) ** power for power, suffix in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)
    },
    **{
        suffix: Decimal(1000) ** power
        for power, suffix in enumerate(("n", "u", "m", "", "k", "M", "G", "T", "P", "E"), -3)
    },
}
_QUANTITY = re.compile(r"([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)([A-Za-z]*)")

Json = dict[str, Any]


def essence_of(template: object) -> str:
    """SHA-256 (hexadecimal) of the template without defaults; empty where there is no template."""
    if not mapping(template):
        return ""
    bare = bare_template(template)
    essence = {"metadata": _set(bare["metadata"]), "spec": _pod(mapping(bare.get("spec")))}
    return hashlib.sha256(orjson.dumps(essence, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _pod(spec: RawObject) -> Json:
    host = spec.get("hostNetwork") is True
    pod = _without(spec, _POD)
    if spec.get("serviceAccount") == spec.get("serviceAccountName"):
        pod.pop("serviceAccount", None)  # the former name of the same field, which is filled in beside it
    for part in _CONTAINERS:
        _each(pod, part, lambda one: _container(one, host=host))
    _each(pod, "volumes", _volume)
    _each(pod, "topologySpreadConstraints", lambda one: _without(one, _SPREAD))
    _inside(pod, "resources", _resources)
    if "overhead" in pod:
        pod["overhead"] = _quantities(pod["overhead"])
    return _set(pod)


def _container(container: RawObject, *, host: bool) -> Json:
    kept = _without(container, _CONTAINER)
    if container.get("imagePullPolicy") == _pull_policy(str(container.get("image", ""))):
        del kept["imagePullPolicy"]
    _each(kept, "ports", lambda one: _port(one, host=host))
    _each(kept, "env", _variable)
    _inside(kept, "resources", _resources)
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        _inside(kept, probe, lambda one: _handler(_without(one, _PROBE)))
    hooks = {
        name: _handler(mapping(hook))
        for name, hook in mapping(kept.get("lifecycle")).items()
        if isinstance(hook, Mapping)
    }
    if hooks:
        kept["lifecycle"] = {**mapping(kept.get("lifecycle")), **hooks}
    return _set(kept)


def _pull_policy(image: str) -> str:
    """The policy that an image without one gets, by its tag."""
    name, _, digest = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    return "Always" if tag == "latest" or (not tag and not digest) else "IfNotPresent"


def _port(port: RawObject, *, host: bool) -> Json:
    kept = _without(port, _PORT)
    if host and port.get("hostPort") == port.get("containerPort"):
        kept.pop("hostPort", None)
    return kept


def _variable(variable: RawObject) -> Json:
    kept = dict(variable)
    if not kept.get("value"):
        kept.pop("value", None)
    _inside(kept, "valueFrom", _reference)
    return kept


def _reference(source: RawObject) -> Json:
    kept = dict(source)
    _inside(kept, "fieldRef", lambda one: _without(one, _FIELD))
    _inside(kept, "resourceFieldRef", _divided)
    return kept


def _divided(field: RawObject) -> Json:
    return {
        key: value for key, value in field.items() if key != "divisor" or _amount(value) not in ("0", "1")
    }


def _handler(handler: RawObject) -> Json:
    kept = dict(handler)
    _inside(kept, "httpGet", lambda one: _without(one, _HTTP))
    _inside(kept, "grpc", lambda one: _without(one, {"service": ""}))
    return kept


def _resources(resources: RawObject) -> Json:
    """Requests that are not written are those of the limits."""
    limits, requests = (_quantities(resources.get(part)) for part in ("limits", "requests"))
    rest = {key: value for key, value in resources.items() if key not in ("limits", "requests")}
    return _set({**rest, "limits": limits, "requests": {**limits, **requests}})


def _volume(volume: RawObject) -> Json:
    kept = dict(volume)
    for kind, defaults in _VOLUMES.items():
        _inside(kept, kind, lambda one, defaults=defaults: _without(one, defaults))  # type: ignore[misc]
    for kind in ("downwardAPI", "projected"):
        _inside(kept, kind, _sources)
    if mapping(kept.get("emptyDir")).get("sizeLimit") is not None:
        kept["emptyDir"] = {**kept["emptyDir"], "sizeLimit": _amount(kept["emptyDir"]["sizeLimit"])}
    return kept


def _sources(volume: RawObject) -> Json:
    kept = dict(volume)
    _each(kept, "items", _reference)
    _each(kept, "sources", _source)
    return kept


def _source(source: RawObject) -> Json:
    kept = dict(source)
    _inside(kept, "serviceAccountToken", lambda one: _without(one, {"expirationSeconds": 3600}))
    _inside(kept, "downwardAPI", _sources)
    return kept


# -- what they are made of


def _without(fields: RawObject, defaults: Mapping[str, object]) -> Json:
    """The fields whose value is not the default."""
    return {key: value for key, value in fields.items() if key not in defaults or defaults[key] != value}


def _set(fields: RawObject) -> Json:
    """The fields that say something."""
    return {key: value for key, value in fields.items() if value not in (None, {}, [], "")}


def _inside(parent: Json, name: str, plain: Callable[[RawObject], Json]) -> None:
    if isinstance(parent.get(name), Mapping):
        parent[name] = plain(parent[name])


def _each(parent: Json, name: str, plain: Callable[[RawObject], Json]) -> None:
    if isinstance(parent.get(name), list):
        parent[name] = [plain(one) if isinstance(one, Mapping) else one for one in parent[name]]


def _quantities(amounts: object) -> Json:
    return {name: _amount(value) for name, value in mapping(amounts).items()}


def _amount(value: object) -> str:
    """A quantity in one spelling: 0.5, 500m and "0.5" are the same. Anything else stays as it is."""
    found = _QUANTITY.fullmatch(str(value))
    factor = _SUFFIXES.get(found[2]) if found else None
    if found is None or factor is None:
        return str(value)
    try:
        return f"{(Decimal(found[1]) * factor).normalize():f}"
    except InvalidOperation:
        return str(value)

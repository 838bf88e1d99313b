"""Argo CD: Applications, what they deploy, and the ApplicationSets that may take a hold back."""

from collections.abc import Iterator, Mapping

from sentinel.adapters.kubernetes.api.client import Json
from sentinel.adapters.kubernetes.api.raw import (
    ObjectId,
    RawObject,
    controller_of,
    mapping,
    number,
    objects,
    text,
    texts,
    time,
)
from sentinel.adapters.kubernetes.api.resources import APPLICATIONS
from sentinel.adapters.kubernetes.gitops.owners import (
    KeeperTool,
    LeverState,
    OwnerEntry,
    annotations_in,
    mark_of,
    ref_in,
    source_digest,
    taken_back,
)
from sentinel.domain.workload.kinds import GUARDED_KINDS
from sentinel.values import dataclass

TOOL = "Argo CD Application"
TRACKING = "argocd.argoproj.io/tracking-id"
INSTANCE_LABELS = ("argocd.argoproj.io/instance", "app.kubernetes.io/instance")
_HERE = ("https://kubernetes.default.svc", "in-cluster")
_RESPECT = "RespectIgnoreDifferences=true"
_FREE = frozenset({"/spec/syncPolicy", "/spec/syncPolicy/automated", "/spec"})
_FREE_JQ = frozenset({".spec.syncPolicy", ".spec.syncPolicy.automated", ".spec"})
_AUTOMATED = ("f:syncPolicy", "f:automated")
_ENABLED = (*_AUTOMATED, "f:enabled")
_CREATE_ONLY = ("create-only", "create-delete")


@dataclass(frozen=True, slots=True)
class ApplicationSetEntry:
    """An ApplicationSet, and whose `syncPolicy` it leaves alone: Applications by name, `""` for all of them."""

    leaves: frozenset[str]


@dataclass(frozen=True, slots=True)
class Tracked:
    """What a tracking annotation says: the Application (its namespace is empty where it is Argo CD's own), and the
    object that it was written for."""

    namespace: str
    name: str
    object: ObjectId


def trim_application(raw: RawObject) -> OwnerEntry:
    """What matters of an Application."""
    spec, status = mapping(raw.get("spec")), mapping(raw.get("status"))
    sync, destination = mapping(status.get("sync")), mapping(spec.get("destination"))
    resources = [(id_, each) for each in objects(status.get("resources")) if (id_ := _workload(each))]
    last_wave = max((number(each.get("syncWave")) for each in objects(status.get("resources"))), default=0)
    automated = _automated(raw)
    ignoring = bool(spec.get("ignoreDifferences"))
    kind, parent, _ = controller_of(mapping(raw.get("metadata")))
    ref = ref_in(raw, TOOL)
    return OwnerEntry(
        ref=ref,
        lists=frozenset(id_ for id_, _ in resources),
        local=text(destination.get("server")) in _HERE or text(destination.get("name")) in _HERE,
        reverts=automated is not None,
        lever=lever(raw),
        source=source_digest(
            spec.get("source"), spec.get("sources"), sync.get("revision"), sync.get("revisions")
        ),
        settled=not raw.get("operation"),
        # What is ignored may differ from Git and yet count as synced.
        agreed=frozenset(id_ for id_, each in resources if each.get("status") == "Synced" and not ignoring),
        compared_at=time(status.get("reconciledAt")),
        parent=parent if kind == "ApplicationSet" else "",
        taken_back=taken_back(raw, ref, _ENABLED),
        awaited=frozenset(id_ for id_, each in resources if number(each.get("syncWave")) < last_wave),
        remarks=_remarks(spec, ignoring=ignoring),
    )


def _workload(resource: RawObject) -> ObjectId | None:
    kind = text(resource.get("kind"))
    if kind not in GUARDED_KINDS:
        return None
    return text(resource.get("group")), kind, text(resource.get("namespace")), text(resource.get("name"))


def _remarks(spec: RawObject, *, ignoring: bool) -> tuple[str, ...]:
    if not ignoring or _RESPECT in texts(mapping(spec.get("syncPolicy")).get("syncOptions")):
        return ()
    return (
        "it has ignoreDifferences without the sync option RespectIgnoreDifferences=true, so the next commit to any "
        f"file writes the ignored fields again: add {_RESPECT} to spec.syncPolicy.syncOptions",
    )


def trim_application_set(raw: RawObject) -> ApplicationSetEntry:
    """What matters of an ApplicationSet."""
    spec = mapping(raw.get("spec"))
    if text(mapping(spec.get("syncPolicy")).get("applicationsSync")) in _CREATE_ONLY:
        return ApplicationSetEntry(frozenset({""}))
    return ApplicationSetEntry(frozenset(_left_alone(spec)))


def _left_alone(spec: RawObject) -> Iterator[str]:
    for ignored in objects(spec.get("ignoreApplicationDifferences")):
        pointers, paths = texts(ignored.get("jsonPointers")), texts(ignored.get("jqPathExpressions"))
        if _FREE & {*pointers} or _FREE_JQ & {*paths}:
            yield text(ignored.get("name"))


def tracked(annotations: Mapping[str, str]) -> Tracked | None:
    """What the tracking annotation says, `<app>:<group>/<kind>:<namespace>/<name>`; None where it cannot be read.

    An Application in another namespace than Argo CD's own is written `<namespace>_<name>`.
    """
    parts = annotations.get(TRACKING, "").split(":")
    if len(parts) != 3 or not parts[0]:
        return None
    namespace, _, name = parts[0].rpartition("_")
    group, _, kind = parts[1].rpartition("/")
    place, _, object_name = parts[2].rpartition("/")
    return Tracked(namespace, name, (group, kind, place, object_name))


# The hold.


def lever(raw: RawObject) -> LeverState:
    """Whether the Application syncs by itself, and how that was set before a hold."""
    automated, mark = _automated(raw), mark_of(annotations_in(raw))
    off = mapping(automated).get("enabled") is False if automated is not None else mark is not None
    settings: Json = {} if automated is None else {"automated": dict(automated)}
    return LeverState.read(settings, mark, held=off)


def _automated(raw: RawObject) -> RawObject | None:
    found = mapping(mapping(raw.get("spec")).get("syncPolicy")).get("automated")
    return found if isinstance(found, Mapping) else None


def hold(live: RawObject) -> tuple[Json, ...]:
    """Automated syncs off, and the operation under way told to end.

    Argo CD before 3.1 does not know `enabled`, and its definition drops it: then `automated` itself is taken out, but
    where a parent Application would put it in again.
    """
    ending = _ending(live)
    out: tuple[Json | None, ...] = () if taken_back(live, ref_in(live, TOOL), _AUTOMATED) else (None,)
    return tuple({"spec": {"syncPolicy": {"automated": off}}, **ending} for off in ({"enabled": False}, *out))


def _ending(live: RawObject) -> Json:
    """As `argocd app terminate-op` has it; an operation that has not begun is taken back."""
    if not live.get("operation"):
        return {}
    if text(mapping(mapping(live.get("status")).get("operationState")).get("phase")) == "Running":
        return {"status": {"operationState": {"phase": "Terminating"}}}
    return {"operation": None}


def release(live: RawObject, original: Mapping[str, object]) -> Json:
    """`automated` as it was before the hold, to the field."""
    before = mapping(original.get("automated"))
    if "automated" not in original:
        return {}
    now = mapping(_automated(live))
    return {"spec": {"syncPolicy": {"automated": {**dict.fromkeys(now), **before}}}}


def busy(live: RawObject) -> bool:
    """Whether a sync is still under way."""
    return bool(live.get("operation"))


ARGO_CD = KeeperTool(TOOL, APPLICATIONS, "gitops.argocd", trim_application, lever, hold, release, busy=busy)

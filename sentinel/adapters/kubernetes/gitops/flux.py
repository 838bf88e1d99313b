"""Flux: Kustomizations and HelmReleases, what they deploy, and how a single workload is left out."""

from collections.abc import Mapping
from datetime import datetime

from sentinel.adapters.kubernetes.api.client import Json
from sentinel.adapters.kubernetes.api.raw import ObjectId, RawObject, mapping, objects, text
from sentinel.adapters.kubernetes.api.resources import (
    HELM_CHARTS,
    HELM_RELEASES,
    KUSTOMIZATIONS,
    OCI_REPOSITORIES,
    ApiResource,
)
from sentinel.adapters.kubernetes.gitops.owners import (
    ChartRef,
    KeeperTool,
    LeverState,
    OwnerEntry,
    annotations_in,
    mark_of,
    ref_in,
    source_digest,
    taken_back,
)
from sentinel.domain.workload.keeper import KeeperRef
from sentinel.domain.workload.kinds import GUARDED_KINDS

KUSTOMIZATION_TOOL = "Flux Kustomization"
HELM_TOOL = "Flux HelmRelease"
LABELS = {KUSTOMIZATION_TOOL: "kustomize.toolkit.fluxcd.io", HELM_TOOL: "helm.toolkit.fluxcd.io"}
"""The group under which each leaves its name and its namespace as labels of what it deploys."""
CHARTS: Mapping[str, ApiResource] = {"HelmChart": HELM_CHARTS, "OCIRepository": OCI_REPOSITORIES}
"""What fetches the charts of HelmReleases, by kind."""
RECONCILE = "kustomize.toolkit.fluxcd.io/reconcile"
REQUESTED_AT = "reconcile.fluxcd.io/requestedAt"
_OFF = "disabled"


def trim_kustomization(raw: RawObject) -> OwnerEntry:
    """What matters of a Kustomization. A hold on it is on the workload alone."""
    spec, status = mapping(raw.get("spec")), mapping(raw.get("status"))
    return OwnerEntry(
        ref=ref_in(raw, KUSTOMIZATION_TOOL),
        lists=_inventory(status),
        local="kubeConfig" not in spec,
        settled=_settled(status),
        source=source_digest(spec.get("sourceRef"), spec.get("path"), status.get("lastAttemptedRevision")),
    )


def trim_helm_release(raw: RawObject) -> OwnerEntry:
    """What matters of a HelmRelease; before helm-controller 1.5 it does not list what it deploys."""
    spec, status = mapping(raw.get("spec")), mapping(raw.get("status"))
    wanted = {name: value for name, value in spec.items() if name != "suspend"}
    ref = ref_in(raw, HELM_TOOL)
    return OwnerEntry(
        ref=ref,
        lists=_inventory(status),
        local="kubeConfig" not in spec,
        settled=_settled(status),
        lever=suspension(raw),
        source=source_digest(wanted, status.get("lastAttemptedRevision")),
        inventory="inventory" in status,
        taken_back=taken_back(raw, ref, ("f:suspend",)),
        chart=_chart(ref, spec, status),
    )


def _chart(ref: KeeperRef, spec: RawObject, status: RawObject) -> ChartRef | None:
    named = mapping(spec.get("chartRef"))
    if named:
        return text(named.get("kind")), text(named.get("namespace")) or ref.namespace, text(named.get("name"))
    namespace, _, name = text(status.get("helmChart")).partition("/")
    return ("HelmChart", namespace, name) if name else None


def trim_chart(raw: RawObject) -> str:
    """The revision of the chart that was fetched last; empty before the first."""
    artifact = mapping(mapping(raw.get("status")).get("artifact"))
    return f"{text(artifact.get('revision'))} {text(artifact.get('digest'))}".strip()


def _settled(status: RawObject) -> bool:
    """Whether it is not being reconciled now: before it is, the revision of the last attempt may be an old one."""
    conditions = objects(status.get("conditions"))
    return not any(c.get("type") == "Reconciling" and c.get("status") == "True" for c in conditions)


def _inventory(status: RawObject) -> frozenset[ObjectId]:
    entries = objects(mapping(status.get("inventory")).get("entries"))
    ids = (text(entry.get("id")).split("_") for entry in entries)
    return frozenset(
        (group, kind, namespace, name)
        for namespace, name, group, kind in (parts for parts in ids if len(parts) == 4)
        if kind in GUARDED_KINDS
    )


# The hold on a Kustomization: one annotation of the workload.


def left_out(raw: RawObject) -> LeverState:
    """Whether the Kustomization leaves the workload out."""
    annotations = annotations_in(raw)
    mark, value = mark_of(annotations), text(annotations.get(RECONCILE))
    settings: Json = {"reconcile": value} if RECONCILE in annotations else {}
    return LeverState.read(settings, mark, held=value.lower() == _OFF)


def leave_out(_live: RawObject) -> tuple[Json, ...]:
    """Have the Kustomization leave the workload out."""
    return (_reconcile(_OFF),)


def take_in(_live: RawObject, original: Mapping[str, object]) -> Json:
    """Have it deployed again."""
    return _reconcile(original.get("reconcile"))


def _reconcile(value: object) -> Json:
    return {"metadata": {"annotations": {RECONCILE: value}}}


def ask(at: datetime) -> Json:
    """Have the Kustomization reconciled now, as `flux reconcile` does: it notices no release before its interval."""
    return {"metadata": {"annotations": {REQUESTED_AT: at.isoformat()}}}


# The hold on a HelmRelease.


def suspension(raw: RawObject) -> LeverState:
    """Whether the HelmRelease is suspended."""
    spec, mark = mapping(raw.get("spec")), mark_of(annotations_in(raw))
    settings: Json = {"suspend": spec["suspend"]} if "suspend" in spec else {}
    return LeverState.read(settings, mark, held=spec.get("suspend") is True)


def suspend(_live: RawObject) -> tuple[Json, ...]:
    """Suspend it."""
    return ({"spec": {"suspend": True}},)


def resume(_live: RawObject, original: Mapping[str, object]) -> Json:
    """Let it go on as before."""
    return {"spec": {"suspend": original.get("suspend")}}


KUSTOMIZATION = KeeperTool(
    KUSTOMIZATION_TOOL,
    KUSTOMIZATIONS,
    "gitops.flux",
    trim_kustomization,
    left_out,
    leave_out,
    take_in,
    on_workload=True,
    ask=ask,
)
HELM_RELEASE = KeeperTool(
    HELM_TOOL, HELM_RELEASES, "gitops.flux", trim_helm_release, suspension, suspend, resume
)

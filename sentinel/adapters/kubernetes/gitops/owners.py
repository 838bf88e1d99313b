"""What is kept of the objects by which tools deploy workloads, and how each tool's is held and released."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from datetime import datetime

import orjson

from sentinel.adapters.kubernetes.api.client import Json
from sentinel.adapters.kubernetes.api.raw import ObjectId, RawObject, mapping, objects, text, texts, time
from sentinel.adapters.kubernetes.api.resources import ApiResource
from sentinel.domain.workload.keeper import KEEPER_ANNOTATION, KeeperMark, KeeperRef
from sentinel.values import dataclass

ChartRef = tuple[str, str, str]
"""Kind, namespace and name of an object of Flux that fetches a chart."""


@dataclass(frozen=True, slots=True)
class LeverState:
    """What a hold changes on an object: its settings without a hold, whether it is off now, and our mark."""

    settings: Mapping[str, object]
    held: bool
    mark: KeeperMark | None

    def held_for(self, holder: str) -> bool:
        """Whether it is off for this record (namespace and name), among others or alone."""
        return self.held and self.mark is not None and holder in self.mark.holders

    @classmethod
    def read(cls, settings: Mapping[str, object], mark: KeeperMark | None, *, held: bool) -> "LeverState":
        """From what the object has now; a mark that was left where someone lifted the hold says nothing."""
        return cls(mark.original if mark is not None and held else settings, held, mark)


@dataclass(frozen=True, slots=True)
class OwnerEntry:
    """One object of a tool, by itself.

    `lists` are the workloads that it deploys, `agreed` those of them that it found as its source wants when it last
    compared, at `compared_at`. `local`: it deploys to this cluster. `reverts`: it deploys by itself.
    `settled`: it is not deploying at the moment. `lever` is None
    where a hold is on the workload. `parent` is the ApplicationSet that made it, `taken_back` why who deploys the
    object itself would take a hold back, empty where nobody does. `awaited` are the workloads that others of a later
    sync wave wait for. `inventory`: it lists what it deploys. `chart` is what fetches its chart: that moves on while
    the tool's object is held, which does not show it.
    """

    ref: KeeperRef
    lists: frozenset[ObjectId]
    local: bool = True
    reverts: bool = True
    lever: LeverState | None = None
    source: str = ""
    settled: bool = True
    agreed: frozenset[ObjectId] = frozenset()
    compared_at: datetime | None = None
    parent: str = ""
    taken_back: str = ""
    awaited: frozenset[ObjectId] = frozenset()
    remarks: tuple[str, ...] = ()
    inventory: bool = True
    chart: ChartRef | None = None


@dataclass(frozen=True, slots=True)
class KeeperTool:
    """How one tool's objects are read, held and released.

    `setting` is the setting that has them watched. `on_workload`: the hold is on the workload itself. `lever` reads it
    from the object that it is on. `hold` gives the merge patches that put it in force, the next one for servers that
    drop what the one before wrote; `release` the one that restores the original. `ask` gives the one that has the
    tool's object deploy at once, None where it does so by itself after a release. `busy`: something that was begun
    before the hold may still write; the hold asked it to end.
    """

    name: str
    resource: ApiResource
    setting: str
    trim: Callable[[RawObject], OwnerEntry]
    lever: Callable[[RawObject], LeverState]
    hold: Callable[[RawObject], tuple[Json, ...]]
    release: Callable[[RawObject, Mapping[str, object]], Json]
    on_workload: bool = False
    ask: Callable[[datetime], Json] | None = None
    busy: Callable[[RawObject], bool] = field(default=lambda _: False)


def mark_of(annotations: RawObject) -> KeeperMark | None:
    """Our mark among an object's annotations; None without one, and for one that cannot be read."""
    try:
        written = mapping(orjson.loads(text(annotations.get(KEEPER_ANNOTATION))))
    except orjson.JSONDecodeError:
        return None
    until, holders = time(written.get("until")), texts(written.get("records"))
    return KeeperMark(holders, until, mapping(written.get("original"))) if until and holders else None


def written_mark(mark: KeeperMark) -> str:
    """The mark as the annotation has it."""
    until = mark.until.isoformat(timespec="seconds").replace("+00:00", "Z")
    return orjson.dumps({"records": mark.holders, "until": until, "original": dict(mark.original)}).decode()


def annotations_in(raw: RawObject) -> RawObject:
    """The object's annotations."""
    return mapping(mapping(raw.get("metadata")).get("annotations"))


def ref_in(raw: RawObject, tool: str) -> KeeperRef:
    """The reference to an object of a tool."""
    metadata = mapping(raw.get("metadata"))
    return KeeperRef(tool, text(metadata.get("namespace")), text(metadata.get("name")))


def source_digest(*parts: object) -> str:
    """A short name for the state of a source; another one after every change of the parts."""
    return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


STEERING = (("f:paused",), ("f:updateStrategy", "f:rollingUpdate", "f:partition"))
"""The fields of a workload's spec by which canary steps are made, as managedFields have them."""


def named_by_managers(raw: RawObject, ours: str) -> tuple[tuple[str, str], ...]:
    """The fields by which canary steps are made that others set, each with the field manager."""
    return tuple(
        (_dotted(path), manager) for path in STEERING for manager in _managers(raw, path) if manager != ours
    )


DEPLOYERS = ("argocd-controller", "kustomize-controller", "helm-controller")
"""The field managers by which tools write what they deploy, and write it again when it was changed."""


def taken_back(raw: RawObject, ref: KeeperRef, path: tuple[str, ...]) -> str:
    """Why who deploys a tool's object would take a hold on it back: its manifest names the field that a hold changes.

    Empty where that is not so. `path` is the field's in the spec, as managedFields have it.
    """
    deployer = next((one for one in _managers(raw, path) if one in DEPLOYERS), "")
    if not deployer:
        return ""
    return (
        f"{deployer} deploys {ref} with {_dotted(path)} in its manifest, and would take a hold back: take that line "
        "out of the manifest"
    )


def _managers(raw: RawObject, path: tuple[str, ...]) -> Iterator[str]:
    """Who has written this field of the spec."""
    for entry in objects(mapping(raw.get("metadata")).get("managedFields")):
        if _has(mapping(mapping(entry.get("fieldsV1")).get("f:spec")), path):
            yield text(entry.get("manager"))


def _dotted(path: tuple[str, ...]) -> str:
    return ".".join(("spec", *path)).replace("f:", "")


def _has(fields: RawObject, path: tuple[str, ...]) -> bool:
    inner: object = fields
    for part in path:
        if part not in mapping(inner):
            return False
        inner = mapping(inner)[part]
    return True

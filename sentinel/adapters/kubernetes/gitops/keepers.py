"""Who keeps which workload: what its labels and annotations claim, confirmed by what the tools' objects list."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field

from sentinel.adapters.kubernetes.api.raw import ObjectId, ObjectKey
from sentinel.adapters.kubernetes.api.resources import Verbs
from sentinel.adapters.kubernetes.gitops import argocd, flux
from sentinel.adapters.kubernetes.gitops.argocd import ARGO_CD, ApplicationSetEntry
from sentinel.adapters.kubernetes.gitops.owners import ChartRef, KeeperTool, OwnerEntry, source_digest
from sentinel.adapters.kubernetes.gitops.registry import ARGO_CD_VERBS, FLUX_VERBS, RECONCILE_VERBS, TOOLS
from sentinel.adapters.kubernetes.workloads.trim import WorkloadEntry
from sentinel.domain.workload.keeper import Keeper, KeeperRef
from sentinel.domain.workload.revision import ObjectRef
from sentinel.values import dataclass, replace

HELM_TOOL = "Helm release"
_HELM_NAME, _HELM_NAMESPACE = "meta.helm.sh/release-name", "meta.helm.sh/release-namespace"


@dataclass(frozen=True, slots=True)
class MarkedWorkload:
    """A workload as a keeper is looked for: which object it is, and its marks."""

    ref: ObjectRef
    labels: Mapping[str, str]
    annotations: Mapping[str, str]

    @property
    def id(self) -> ObjectId:
        """By which tools list it."""
        group = self.ref.api_version.rpartition("/")[0]
        return group, self.ref.kind, self.ref.namespace, self.ref.name


def marks_of(entry: WorkloadEntry) -> MarkedWorkload:
    """The workload as a keeper is looked for."""
    return MarkedWorkload(entry.ref, entry.labels, entry.annotations)


def claimed(kept: MarkedWorkload) -> tuple[KeeperRef, ...]:
    """The objects of tools that the workload's marks name, whether or not they exist.

    Not the label by which Argo CD can track as well: every Helm chart sets it. A tracking annotation that was written
    for another object came with a copy, and counts for nothing, as with Argo CD.
    """
    found = []
    tracked = argocd.tracked(kept.annotations)
    if tracked is not None and tracked.object == kept.id:
        found.append(KeeperRef(argocd.TOOL, tracked.namespace, tracked.name))
    for tool, group in flux.LABELS.items():
        if name := kept.labels.get(f"{group}/name"):
            found.append(KeeperRef(tool, kept.labels.get(f"{group}/namespace", ""), name))
    return tuple(found)


def named_keeper(kept: MarkedWorkload) -> KeeperRef | None:
    """Who deploys an object by its own marks, Helm among them; None where they name nobody."""
    helm = helm_keeper(kept.annotations)
    return next(iter(claimed(kept)), helm.ref if helm is not None else None)


def claimed_tools(kept: MarkedWorkload) -> tuple[KeeperTool, ...]:
    """The tools that may deploy the workload by its marks, the label by which Argo CD can track among them."""
    named = {claim.tool for claim in claimed(kept)}
    if any(label in kept.labels for label in argocd.INSTANCE_LABELS):
        named.add(argocd.TOOL)
    return tuple(tool for name, tool in TOOLS.items() if name in named)


def helm_keeper(annotations: Mapping[str, str]) -> Keeper | None:
    """The Helm release that made it; Helm changes nothing before someone runs it."""
    name = annotations.get(_HELM_NAME)
    if not name:
        return None
    ref = KeeperRef(HELM_TOOL, annotations.get(_HELM_NAMESPACE, ""), name)
    note = f"{ref} still names the undone revision, so the next helm upgrade must bring another one"
    return Keeper(ref, reverts=False, note=note)


@dataclass(frozen=True, slots=True)
class WatchedTools:
    """The tools whose objects are watched and may be held, and in which namespaces (none named: the workloads').

    `reconcile`: what waits for its interval is asked to deploy at once after a release.
    """

    argocd: bool = False
    flux: bool = False
    reconcile: bool = True
    namespaces: tuple[str, ...] = ()

    @property
    def watched(self) -> tuple[KeeperTool, ...]:
        """The tools."""
        return tuple(tool for tool in TOOLS.values() if self.includes(tool))

    def includes(self, tool: KeeperTool) -> bool:
        """Whether it is one of them."""
        return self.argocd if tool.setting == ARGO_CD.setting else self.flux

    @property
    def verbs(self) -> tuple[Verbs, ...]:
        """What the account must be allowed to do with their objects."""
        asking = RECONCILE_VERBS if self.flux and self.reconcile else ()
        return (*(ARGO_CD_VERBS if self.argocd else ()), *(FLUX_VERBS if self.flux else ()), *asking)


NO_TOOLS = WatchedTools()


@dataclass(slots=True)
class OwnerCache:
    """The tools' objects as the watches show them, indexed by the workloads that they list.

    `unreadable` asks the watches of each tool why nothing is known, the end of a sentence. The `*_changed` methods are
    the reflectors' handlers; `touched` is called with each workload that a change may concern.
    """

    unreadable: list[tuple[str, Callable[[], str]]] = field(default_factory=list)
    touched: Callable[[ObjectId], None] = lambda _: None
    _owners: dict[KeeperRef, OwnerEntry] = field(default_factory=dict)
    _listing: defaultdict[ObjectId, set[KeeperRef]] = field(default_factory=lambda: defaultdict(set))
    _sets: dict[ObjectKey, ApplicationSetEntry] = field(default_factory=dict)
    _charts: dict[ChartRef, str] = field(default_factory=dict)
    _claimants: defaultdict[tuple[str, str], set[ObjectId]] = field(default_factory=lambda: defaultdict(set))

    def owner_changed(self, _key: ObjectKey, before: OwnerEntry | None, after: OwnerEntry | None) -> None:
        """An object of a tool is new, other, or gone."""
        if before is not None:
            del self._owners[before.ref]
            for listed in before.lists:
                self._listing[listed].discard(before.ref)
        if after is not None:
            self._owners[after.ref] = after
            for listed in after.lists:
                self._listing[listed].add(after.ref)
        for entry in (before, after):
            if entry is not None:
                self._touch(entry)

    def set_changed(
        self, key: ObjectKey, _before: ApplicationSetEntry | None, after: ApplicationSetEntry | None
    ) -> None:
        """An ApplicationSet is new, other, or gone."""
        self._sets.pop(key, None)
        if after is not None:
            self._sets[key] = after
        for entry in self._owners.values():
            if (entry.ref.namespace, entry.parent) == key:
                self._touch(entry)

    def chart_changed(self, kind: str, key: ObjectKey, _before: str | None, after: str | None) -> None:
        """What fetches a chart, of this kind, has another one, is new, or gone."""
        self._charts.pop((kind, *key), None)
        if after is not None:
            self._charts[(kind, *key)] = after
        for entry in self._owners.values():
            if entry.chart == (kind, *key):
                self._touch(entry)

    def _touch(self, entry: OwnerEntry) -> None:
        claimants = self._claimants.get((entry.ref.tool, entry.ref.name), set())
        for concerned in entry.lists | claimants:
            self.touched(concerned)

    def keeper(self, kept: MarkedWorkload) -> Keeper | None:
        """Who keeps the workload; None if nobody does, as far as can be known."""
        claims = claimed(kept)
        for claim in claims:
            self._claimants[claim.tool, claim.name].add(kept.id)
        confirmed = [self._keeper_of(entry, kept) for entry in self._confirmed(kept, claims)]
        active = [each for each in confirmed if each.reverts]
        if len(active) > 1:
            both = " and ".join(str(each.ref) for each in active)
            return replace(active[0], why_not=f"{both} both deploy it: take it out of one of them")
        if confirmed:
            return next(iter(active), confirmed[0])
        if claims:
            return self._unconfirmed(claims[0])
        return helm_keeper(kept.annotations)

    def _confirmed(self, kept: MarkedWorkload, claims: tuple[KeeperRef, ...]) -> Iterator[OwnerEntry]:
        """The objects that list the workload. One that deploys to another cluster lists what is there."""
        listing = {ref: self._owners[ref] for ref in sorted(self._listing.get(kept.id, ()))}
        for claim in claims:
            named = [entry for ref, entry in self._owners.items() if _names(claim, ref)]
            listing |= {entry.ref: entry for entry in named if not entry.inventory}
        for ref, entry in listing.items():
            if entry.local or any(_names(claim, ref) for claim in claims):
                yield entry

    def _unconfirmed(self, claim: KeeperRef) -> Keeper:
        """What the workload's marks name, where nothing bears them out."""
        if reason := self._unread(claim.tool):
            why_not = f"{claim} deploys it and {reason}"
            return Keeper(claim, reverts=True, confirmed=False, readable=False, why_not=why_not)
        if any(_names(claim, ref) for ref in self._owners):
            return Keeper(claim, reverts=False, lists=False)
        elsewhere = f"{claim} deploys it but is not in this cluster, so the sentinel cannot hold it"
        return Keeper(claim, reverts=True, confirmed=False, why_not=elsewhere)

    def _unread(self, tool: str) -> str:
        asked = [why() for watched, why in self.unreadable if watched == tool]
        if not asked:
            return f"the settings do not let the sentinel hold it: set {TOOLS[tool].setting} to true"
        return next(filter(None, asked), "")

    def _keeper_of(self, entry: OwnerEntry, kept: MarkedWorkload) -> Keeper:
        tool = TOOLS[entry.ref.tool]
        lever = entry.lever or tool.lever({"metadata": {"annotations": dict(kept.annotations)}})
        by_others = lever.held and lever.mark is None
        return Keeper(
            entry.ref,
            reverts=(entry.reverts or lever.mark is not None) and not by_others,
            why_not=self._taken_back(entry),
            on=replace(kept.ref, uid="") if tool.on_workload else None,
            settings=lever.settings,
            held=lever.held,
            mark=lever.mark,
            source=self._source(entry),
            settled=entry.settled,
            lists=kept.id in entry.lists or not entry.inventory,
            agreed_at=entry.compared_at if kept.id in entry.agreed else None,
            remarks=_remarks(entry, kept),
            note=f"{entry.ref} still wants the undone revision, and deploys it with its next sync",
        )

    def _source(self, entry: OwnerEntry) -> str:
        """The state of its source, with that of the chart that it would deploy."""
        chart = self._charts.get(entry.chart, "") if entry.chart is not None else ""
        return source_digest(entry.source, chart) if chart else entry.source

    def _taken_back(self, entry: OwnerEntry) -> str:
        """Why what made or deploys the tool's object would take a hold back; empty where it leaves it alone."""
        if not entry.parent:
            return entry.taken_back
        parent = self._sets.get((entry.ref.namespace, entry.parent))
        if parent is not None and parent.leaves & {"", entry.ref.name}:
            return ""
        return (
            f"the ApplicationSet {entry.parent} writes spec.syncPolicy of {entry.ref} and would take a hold back: add "
            "/spec/syncPolicy to the jsonPointers of its spec.ignoreApplicationDifferences"
        )


def _names(claim: KeeperRef, ref: KeeperRef) -> bool:
    """Whether a mark means this object; a mark without a namespace means one of any."""
    return claim.tool == ref.tool and claim.name == ref.name and claim.namespace in ("", ref.namespace)


def _remarks(entry: OwnerEntry, kept: MarkedWorkload) -> tuple[str, ...]:
    if kept.id not in entry.awaited:
        return entry.remarks
    waves = (
        "resources of later sync waves wait for this workload, as long as its rollout is paused: put it into the last "
        "wave, or set strategy.pause to never"
    )
    return (*entry.remarks, waves)

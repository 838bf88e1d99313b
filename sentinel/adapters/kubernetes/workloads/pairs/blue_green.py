"""Blue-green pairs as they are read: two Deployments, and the Service whose selector says which of them serves."""

from collections.abc import Container, Mapping

from sentinel.adapters.kubernetes.api.raw import labels, mapping
from sentinel.adapters.kubernetes.api.resources import SERVICES
from sentinel.adapters.kubernetes.workloads.driver import Place
from sentinel.adapters.kubernetes.workloads.pairs.colours import (
    REPLICAS_ANNOTATION,
    Colours,
    pointed_at,
    ready_pods,
    selector_of_service,
)
from sentinel.adapters.kubernetes.workloads.pairs.members import (
    Attached,
    Joined,
    PairMember,
    joined,
    keeper_of,
)
from sentinel.adapters.kubernetes.workloads.trim import WorkloadEntry, ref_of
from sentinel.domain.workload.facts import (
    HOLD_LABEL,
    Abilities,
    Ability,
    Exposure,
    Standby,
    Stepping,
    TrafficShare,
    Workload,
    WorkloadKey,
)
from sentinel.domain.workload.pairing import Pairing
from sentinel.domain.workload.revision import ObjectRef, Revision
from sentinel.values import dataclass

_SERVICE = "Service"


@dataclass(frozen=True, slots=True)
class _Sight:
    """A blue-green pair at one moment: which colour serves, and which has the candidate."""

    colours: Colours
    serving: WorkloadEntry
    other: WorkloadEntry | None
    joined: Joined

    @property
    def newest(self) -> WorkloadEntry:
        """The colour that has the candidate's template: the one that does not serve, where it has news."""
        other = self.other
        return other if other is not None and self._is_candidate(other) else self.serving

    def _is_candidate(self, other: WorkloadEntry) -> bool:
        """Whether what does not serve is to: it has another template, which nobody has done with yet.

        Where requests were never moved by us the younger template is the candidate.
        """
        if _neutral(other) == _neutral(self.serving):
            return False
        if self.colours.noted:
            return self.colours.has_news(other)
        mine, theirs = (self.joined.revision(_neutral(one)) for one in (other, self.serving))
        if mine is None or theirs is None or mine.created_at is None or theirs.created_at is None:
            return mine is None
        return mine.created_at > theirs.created_at


def attached(pairing: Pairing) -> tuple[Place, ...]:
    """The Service, and the preview Service where there is one."""
    return ((SERVICES, pairing.name), *(((SERVICES, pairing.preview),) if pairing.preview else ()))


def assemble(
    key: WorkloadKey,
    pairing: Pairing,
    members: Mapping[str, PairMember],
    beside: Attached,
    unready_nodes: Container[str],
) -> Workload | None:
    """The snapshot of a blue-green pair; None without any colour.

    Its uid is that of the first colour, so that a Service that cannot be read for a while ends no rollout.
    """
    found = [members[name] for name in pairing.members if name in members]
    if not found:
        return None
    colours = colours_of(pairing, beside, found)
    entries = colours.members
    serving = colours.serving or next((one for one in entries if not colours.has_news(one)), entries[0])
    other = next((one for one in entries if one is not serving), None)
    ordered = sorted(found, key=lambda member: member.entry is not serving)
    sight = _Sight(colours, serving, other, joined(ordered, unready_nodes))
    newest = sight.newest
    candidate = sight.joined.revision_of(newest)
    return Workload(
        key=key,
        uid=entries[0].uid,
        candidate=candidate,
        generation=sum(one.generation for one in entries),
        observed_generation=sum(min(one.observed_generation, one.generation) for one in entries),
        labels=_labels(colours, serving),
        annotations=serving.annotations,
        others=tuple(one for one in sight.joined.revisions if one.digest != candidate.digest),
        exposure=_exposure(sight, candidate),
        abilities=_abilities(sight),
        keeper=keeper_of(sorted(ordered, key=lambda member: member.entry is not newest)),
        parts=_parts(colours),
        progress_deadline_exceeded=newest.progress_deadline_exceeded,
        create_failure=newest.create_failure,
        create_failure_since=newest.create_failure_since,
        pods=sight.joined.pods,
        changed_by=newest.changed_by,
        pairing=pairing,
        deleting=entries[0].deleting,
    )


def colours_of(pairing: Pairing, beside: Attached, members: list[PairMember]) -> Colours:
    """The colours as these objects show them."""
    service, preview = (beside.objects.get((SERVICES, name)) for name in (pairing.name, pairing.preview))
    entries = tuple(member.entry for member in members)
    return Colours(pairing, service or {}, entries, preview, beside.problems.get(SERVICES, ""))


def _labels(colours: Colours, serving: WorkloadEntry) -> dict[str, str]:
    """The labels of the Service and of what serves; a hold on any of the objects is one on the pair."""
    own = labels(mapping(colours.service.get("metadata")).get("labels"))
    every = (own, *(one.labels for one in colours.members))
    held = {HOLD_LABEL: "true"} if any(each.get(HOLD_LABEL) == "true" for each in every) else {}
    return {**serving.labels, **own, **held}


def _parts(colours: Colours) -> tuple[ObjectRef, ...]:
    services = [one for one in (colours.service, colours.preview) if one]
    refs = [ref_of(one, SERVICES.api_version, _SERVICE) for one in services]
    return (*(one.ref for one in colours.members), *refs)


def _exposure(sight: _Sight, candidate: Revision) -> Exposure:
    serving, other = sight.serving, sight.other
    adopted = sight.newest is serving
    pods = serving.total + (other.total if other is not None else 0)
    rolled_out = (
        serving.observed_generation >= serving.generation
        and serving.updated == serving.total >= serving.desired
        and serving.available >= serving.desired
    )
    updated = serving.updated / serving.total if adopted and serving.total else 0.0
    return Exposure(
        wanted=serving.desired,
        candidate=candidate.replicas,
        ready=candidate.ready,
        available=serving.available,
        old=max(0, pods - candidate.replicas),
        settled=adopted and rolled_out,
        traffic=TrafficShare(share=min(1.0, updated), adopted=adopted),
        standby=_standby(sight, other) if other is not None else None,
    )


def _standby(sight: _Sight, other: WorkloadEntry) -> Standby:
    preview = sight.colours.preview
    pointed = preview is None or selector_of_service(preview) == pointed_at(preview, other)
    return Standby(
        digest=_neutral(other),
        beside=_neutral(sight.serving),
        pods=other.desired,
        ready=ready_pods(other),
        prepared=pointed and bool(sight.colours.noted) and other.desired >= pods_needed(other, sight.serving),
        noted=sight.colours.done_with(other),
        in_place=sight.colours.has_news(sight.serving),
        unconfirmed=sight.colours.unconfirmed,
    )


def pods_needed(colour: WorkloadEntry, serving: WorkloadEntry) -> int:
    """How many pods a colour needs to take over: as many as serve now; none is ever taken from it.

    One that was scaled to 0 gets at least what it had before.
    """
    before = colour.annotations.get(REPLICAS_ANNOTATION, "")
    former = int(before) if before.isdecimal() and colour.desired == 0 else 0
    return max(serving.desired, former, colour.desired)


def _abilities(sight: _Sight) -> Abilities:
    colours = sight.colours
    unclear = colours.unclear()
    if unclear:
        why_not = {Ability.ROLLING: unclear, Ability.STEPPING: unclear}
        return Abilities(Stepping.NONE, stops=False, first_batch=0, why_not=why_not)
    why = colours.problem()
    if why:
        return Abilities(Stepping.NONE, stops=False, first_batch=0, why_not={Ability.STEPPING: why})
    return Abilities(Stepping.SWITCHING, stops=False, first_batch=0, remarks=_remarks(sight))


def _remarks(sight: _Sight) -> tuple[str, ...]:
    colours, serving, other = sight.colours, sight.serving, sight.other
    in_place = bool(colours.noted) and colours.has_news(serving) and sight.newest is serving
    if other is None or not in_place:
        return ()
    return (
        f"{serving.key.name} serves already and was changed in place: "
        f"apply new releases to {other.key.name}, which does not serve",
    )


def _neutral(entry: WorkloadEntry) -> str:
    assert entry.member is not None, "colours are trimmed as members"
    return entry.member.neutral

"""Which workloads an alert's labels name, and how Kubernetes makes the names of pods.

Prometheus puts the labels of what it scraped in front: where a metric has its own `namespace` label, and its exporter
runs in another namespace, the metric's becomes `exported_namespace`. So `exported_namespace`, `exported_pod`,
`exported_deployment` and so on name what they say, before the plain labels do; where that names nothing known (a
service may well have a business label `namespace`), the plain labels are read alone. Other usual spellings come last.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from sentinel.domain.policy.selection import AlertRule
from sentinel.domain.workload.facts import WorkloadKey
from sentinel.domain.workload.kinds import PAIRED, POD_NAMING, PodNaming, WorkloadKind
from sentinel.values import dataclass

KIND_LABELS = {kind.lower(): kind for kind in WorkloadKind}
WORKLOAD_LABELS = (*KIND_LABELS, "replicaset", "workload", "pod", "service")
"""The labels that name a workload beside `namespace`, in their plain spelling."""


def _kinds(naming: PodNaming) -> tuple[WorkloadKind, ...]:
    """The kinds whose own pods are named so; those of a pair are its members'."""
    return tuple(kind for kind, known in POD_NAMING.items() if known is naming and kind not in PAIRED)


HASHED_KINDS = _kinds(PodNaming.HASHED)
"""Their pods' names hold the revision's hash."""

_EXPORTED = "exported_"
_OTHERS = ("k8s_{}_name", "kubernetes_{}", "kubernetes_{}_name", "{}_name")
"""Further spellings: OpenTelemetry's attributes, and those of Prometheus' old sample configuration."""
_BASES = ("namespace", "workload_type", *WORKLOAD_LABELS)
_SPELLINGS = tuple((form.format(base), base) for base in _BASES for form in reversed(_OTHERS))

_PLAIN = dict(_SPELLINGS) | {f"{_EXPORTED}{base}": base for base in _BASES}

_LETTER = "[bcdfghjklmnpqrstvwxz2456789]"
"""The letters of the names that Kubernetes makes up."""
_HASHED_POD = re.compile(rf"(?P<name>.+)-(?P<hash>{_LETTER}{{6,10}})-{_LETTER}{{5}}")
_REPLICA_SET = re.compile(rf"(?P<name>.+)-(?P<hash>{_LETTER}{{1,10}})")
_ORDINAL_POD = re.compile(r"(?P<name>.+)-\d+")
_DAEMON_POD = re.compile(rf"(?P<name>.+)-{_LETTER}{{5}}")
_PATTERNS = (
    (_HASHED_POD, HASHED_KINDS),
    (_ORDINAL_POD, _kinds(PodNaming.ORDINAL)),
    (_DAEMON_POD, _kinds(PodNaming.RANDOM)),
)

_PREFIX = 58
"""Kubernetes cuts what it makes a pod's name from to so many characters, and adds five letters."""
_CUT_FROM = _PREFIX - len("-") - 10
"""Only of workloads with names of so many characters the hash, at most ten letters and a dash, may be cut."""
_GENERATED = re.compile(rf"(?P<stem>.+){_LETTER}{{5}}")
_WHOLE_HASH = re.compile(rf"(?P<hash>{_LETTER}{{1,10}})-")
_CUT_HASH = re.compile(rf"{_LETTER}{{0,10}}")
_TELLING = 6
"""So many letters of a hash tell revisions apart."""

_SHOWN = 4

Kinded = tuple[WorkloadKind, str]
"""A kind and a name."""


@dataclass(frozen=True, slots=True)
class SeenHash:
    """What a pod's name holds of its revision's hash: all of it, or the first letters where the name was cut off."""

    letters: str
    whole: bool

    def may_be(self, revision: str) -> bool:
        """Whether the revision with this hash has such pods."""
        return revision == self.letters if self.whole else revision.startswith(self.letters)

    @property
    def tells(self) -> bool:
        """Whether it is enough to tell revisions apart."""
        return self.whole or len(self.letters) >= _TELLING


_UNSEEN = SeenHash("", whole=False)


@dataclass(frozen=True, slots=True)
class Directory:
    """What is known of the cluster: every workload, whose a pod is, and which workloads a Service stands for.

    These two are asked by a namespace and a name. `pair_of` is the pair that a workload is a member of, or itself.
    """

    everyone: Collection[WorkloadKey]
    owner_of_pod: Callable[[str, str], WorkloadKey | None]
    workloads_behind: Callable[[str, str], Collection[WorkloadKey]]
    pair_of: Callable[[WorkloadKey], WorkloadKey] = lambda key: key


def readings(labels: Mapping[str, str]) -> Sequence[Mapping[str, str]]:
    """The ways to read an alert's labels, the most telling first, each with the plain spellings of what it names."""
    plain = {name: value for name, value in labels.items() if value}
    if _PLAIN.keys().isdisjoint(plain):  # nearly always, and each alert of a storm comes by here
        return (plain,)
    others = {base: value for other, base in _SPELLINGS if (value := plain.get(other))}
    plain = others | plain
    exported = {base: value for base in _BASES if (value := plain.get(f"{_EXPORTED}{base}"))}
    return (plain | exported, plain) if exported else (plain,)


def spelt_as(label: str) -> str:
    """The plain spelling of a label that names something, else the label itself."""
    return _PLAIN.get(label, label)


def namespaces_said(labels: Mapping[str, str]) -> tuple[str, ...]:
    """Every namespace that an alert's labels may mean, the most telling first."""
    said = (reading.get("namespace") for reading in readings(labels))
    return tuple(dict.fromkeys(namespace for namespace in said if namespace))


def namespace_meant(labels: Mapping[str, str], known: Directory) -> str | None:
    """The namespace that an alert means which names no workload: the first said that holds a known workload."""
    said = namespaces_said(labels)
    if len(said) < 2:
        return said[0] if said else None
    held = (name for name in said if any(key.namespace == name for key in known.everyone))
    return next(held, said[0])


def workloads_named(labels: Mapping[str, str], rule: AlertRule, known: Directory) -> tuple[WorkloadKey, ...]:
    """Every workload that an alert's labels name: those of the first reading that names a known one.

    Where none of them is known, what the labels spell out all the same. Without a namespace only known workloads are
    named, in whichever namespace they are.
    """
    unknown: tuple[WorkloadKey, ...] = ()
    for reading in readings(labels):
        found = tuple(dict.fromkeys(map(known.pair_of, _named(reading, rule, known))))
        if any(key in known.everyone for key in found):
            return found
        unknown = unknown or found
    return unknown


def _named(labels: Mapping[str, str], rule: AlertRule, known: Directory) -> tuple[WorkloadKey, ...]:
    """Whom one reading names. The most telling labels count alone: those of workloads, then the pod's, the service's.

    An exporter's alert on a workload may well carry the exporter's own pod.
    """
    namespace = labels.get("namespace", "")
    spelt = spelt_out(labels, rule.workload_label)
    if spelt:
        return _placed(spelt, namespace, known.everyone)
    pod = labels.get("pod", "")
    if pod:
        owner = known.owner_of_pod(namespace, pod) if namespace else None
        found = (owner,) if owner is not None else _by_pod_name(namespace, pod, known.everyone)
        if found:
            return found
    service = labels.get("service")
    return tuple(known.workloads_behind(namespace, service)) if namespace and service else ()


def why_unknown(labels: Mapping[str, str], rule: AlertRule, named: Sequence[WorkloadKey]) -> str:
    """Why an alert names nothing that is known, and which labels would; `named` is what it spells out all the same."""
    reading = readings(labels)[0]
    own = (rule.workload_label,) if rule.workload_label else ()
    wanted = ", ".join((*WORKLOAD_LABELS, *own))
    if named:
        listed = ", ".join(map(str, named[:_SHOWN]))
        return f"it names {listed}, which the sentinel does not watch"
    said = ", ".join(f"{label} {reading[label]}" for label in (*WORKLOAD_LABELS, *own) if reading.get(label))
    namespace = reading.get("namespace")
    if namespace and said:
        return (
            f"it names {said} in namespace {namespace}, which matches no workload that the sentinel watches"
        )
    if namespace:
        return f"it names namespace {namespace} but no workload; add one of these labels: {wanted}"
    if said:
        return f"it names {said} but no namespace; add the label namespace"
    return f"it names neither a namespace nor a workload; add the label namespace and one of these: {wanted}"


def spelt_out(labels: Mapping[str, str], workload_label: str | None) -> list[Kinded]:
    """Kinds and names that one reading of the labels says outright; a label without a kind stands for all kinds."""
    found = [(kind, labels[label]) for label, kind in KIND_LABELS.items() if labels.get(label)]
    replica_set = _REPLICA_SET.fullmatch(labels.get("replicaset", ""))
    if replica_set is not None and not found:
        found += [(kind, replica_set["name"]) for kind in HASHED_KINDS]
    for label in ("workload", workload_label):
        name = labels.get(label, "") if label is not None and label not in KIND_LABELS else ""
        if name:
            stated = KIND_LABELS.get(labels.get("workload_type", "").lower())
            found += [(kind, name) for kind in ((stated,) if stated else WorkloadKind)]
    return list(dict.fromkeys(found))


def _placed(
    spelt: Iterable[Kinded], namespace: str, everyone: Iterable[WorkloadKey]
) -> tuple[WorkloadKey, ...]:
    """The workloads of these kinds and names, in a namespace or, where none is said, wherever they are known."""
    if namespace:
        return tuple(WorkloadKey(kind, namespace, name) for kind, name in spelt)
    wanted = set(spelt)
    return tuple(sorted(key for key in everyone if (key.kind, key.name) in wanted))


# Whose pod, by its name.


def _by_pod_name(namespace: str, pod: str, everyone: Collection[WorkloadKey]) -> tuple[WorkloadKey, ...]:
    """Whose pod this was, by its name, once it is gone: those that are known, else what its name looks like."""
    looks = list(_looks_like(pod))
    found = [key for spelt in looks for key in _placed(spelt, namespace, everyone) if key in everyone]
    if not found and len(pod) == _PREFIX + 5:
        near = (key for key in everyone if len(key.name) >= _CUT_FROM and namespace in ("", key.namespace))
        found = sorted(key for key in near if hash_in(pod, key) is not None)
    if found or not looks:
        return tuple(found)
    return _placed(looks[0], namespace, everyone)


def _looks_like(pod: str) -> Iterator[list[Kinded]]:
    for pattern, kinds in _PATTERNS:
        match = pattern.fullmatch(pod)
        if match is not None:
            yield [(kind, match["name"]) for kind in kinds]


def hash_in(pod: str, key: WorkloadKey) -> SeenHash | None:
    """What the name of a workload's pod holds of its revision's hash; None where no pod of it has such a name.

    Not every kind's pods have a hash in their names.
    """
    if POD_NAMING[key.kind] is PodNaming.ORDINAL:
        ordinal = _ORDINAL_POD.fullmatch(pod)
        return _UNSEEN if ordinal is not None and ordinal["name"] == key.name else None
    begins = f"{key.name}-"[:_PREFIX]
    generated = _GENERATED.fullmatch(pod) if pod.startswith(begins) else None
    if generated is None:
        return None
    stem = generated["stem"]
    rest = stem.removeprefix(begins)
    if POD_NAMING[key.kind] is PodNaming.RANDOM:
        return None if rest else _UNSEEN
    if (whole := _WHOLE_HASH.fullmatch(rest)) is not None:
        return SeenHash(whole["hash"], whole=True)
    cut_off = len(stem) == _PREFIX and _CUT_HASH.fullmatch(rest) is not None
    return SeenHash(rest, whole=False) if cut_off else None


def hash_of_replica_set(name: str, key: WorkloadKey) -> str | None:
    """The revision's hash in the name of the object that holds a workload's revision; None for other names."""
    match = _REPLICA_SET.fullmatch(name) if key.kind in HASHED_KINDS else None
    return match["hash"] if match is not None and match["name"] == key.name else None

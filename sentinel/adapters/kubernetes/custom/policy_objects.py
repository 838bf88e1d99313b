"""The store of RolloutPolicies and ClusterRolloutPolicies: read from the watch, answered in their status."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from datetime import datetime
from typing import Any

from sentinel.adapters.kubernetes.api.client import ApiClient, Json, RequestTarget
from sentinel.adapters.kubernetes.api.raw import ObjectKey, RawObject, mapping, objects, stamp, text
from sentinel.adapters.kubernetes.api.resources import CLUSTER_POLICIES, POLICIES, ApiResource
from sentinel.values import dataclass

MAX_MESSAGE = 1000
KINDS = {POLICIES: "RolloutPolicy", CLUSTER_POLICIES: "ClusterRolloutPolicy"}


@dataclass(frozen=True, slots=True)
class PolicyObject:
    """One policy as the API server has it. `namespace` is empty where it is for the whole cluster.

    `document` is what a rule file would say.
    """

    namespace: str
    name: str
    uid: str
    generation: int
    document: Mapping[str, Any]
    status: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> ObjectKey:
        """By what it is found; a cluster's has no namespace."""
        return self.namespace, self.name

    @property
    def resource(self) -> ApiResource:
        """What it is one of."""
        return POLICIES if self.namespace else CLUSTER_POLICIES

    @property
    def full_name(self) -> str:
        """As policies are named: NAMESPACE/NAME, or just the name of one of the cluster."""
        return "/".join(filter(None, self.key))

    def __str__(self) -> str:
        return f"{KINDS[self.resource]} {self.full_name}"

    @property
    def refused(self) -> bool:
        """Whether its status says so."""
        return self._condition("Accepted").get("status") == "False"

    @property
    def answered(self) -> int:
        """The generation that its status is about; 0 before the first answer."""
        return int(self.status.get("observedGeneration") or 0)

    @property
    def message(self) -> str:
        """What its status says about it, of a refused one why; empty before the first answer."""
        return text(self._condition("Accepted" if self.refused else "Ready").get("message"))

    def _condition(self, which: str) -> RawObject:
        found = (each for each in objects(self.status.get("conditions")) if each.get("type") == which)
        return next(found, {})

    @property
    def former(self) -> tuple[int, Mapping[str, Any]] | None:
        """The generation that was in force when this one was refused, and its document; None without one."""
        kept = mapping(self.status.get("inForce"))
        if not isinstance(kept.get("spec"), dict):
            return None
        return int(kept.get("generation") or 0), {**self.document, "spec": kept["spec"]}


@dataclass(frozen=True, slots=True)
class Condition:
    """One of the conditions of a status."""

    type: str
    holds: bool
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class PolicyStatus:
    """What the sentinel makes of one generation. `in_force` is the former one, where that is in force instead.

    `mistakes` are path, what is wrong and what would be right.
    """

    generation: int
    conditions: tuple[Condition, ...]
    mode: str | None = None
    workloads: int | None = None
    mistakes: tuple[tuple[str, str, str], ...] = ()
    in_force: tuple[int, Mapping[str, Any]] | None = None


class KubernetesPolicyStore:
    """The policies that the watches show; both kinds together."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client
        self._objects: dict[ObjectKey, PolicyObject] = {}
        self._listeners: list[Callable[[ObjectKey], None]] = []

    def subscribe(self, listener: Callable[[ObjectKey], None]) -> None:
        """Call the listener whenever a policy was made, changed or deleted."""
        self._listeners.append(listener)

    def all(self) -> Iterable[PolicyObject]:
        """Every policy, by namespace and name."""
        return tuple(self._objects[key] for key in sorted(self._objects))

    def get(self, key: ObjectKey) -> PolicyObject | None:
        """The policy of this key, None without one."""
        return self._objects.get(key)

    def observed(self, key: ObjectKey, _before: PolicyObject | None, after: PolicyObject | None) -> None:
        """The watch's handler."""
        if after is None:
            self._objects.pop(key, None)
        else:
            self._objects[key] = after
        for listener in self._listeners:
            listener(key)

    async def write(self, policy: PolicyObject, status: PolicyStatus, now: datetime) -> bool:
        """Write its status where it says something else; whether it did. Raises ClusterError."""
        body = _status_of(status, policy.status, now)
        if all(policy.status.get(key) == value for key, value in body.items()):
            return False
        place = RequestTarget(policy.resource, policy.namespace, policy.name, "status")
        # With the uid, so that one that was made again under the name does not get the answer to its predecessor.
        patched = await self._client.merge_patch(place, {"metadata": {"uid": policy.uid}, "status": body})
        if self._objects.get(policy.key) == policy:
            self._objects[policy.key] = policy_object(patched)
        return True


def policy_object(raw: RawObject) -> PolicyObject:
    """The policy of an object. Raises ValueError for one without a name."""
    metadata = mapping(raw.get("metadata"))
    namespace, name = text(metadata.get("namespace")), text(metadata.get("name"))
    if not name:
        raise ValueError("a policy lacks metadata.name")
    resource = POLICIES if namespace else CLUSTER_POLICIES
    return PolicyObject(
        namespace,
        name,
        text(metadata.get("uid")),
        int(metadata.get("generation") or 0),
        {
            "apiVersion": POLICIES.api_version,
            "kind": KINDS[resource],
            "metadata": {"name": name, **({"namespace": namespace} if namespace else {})},
            "spec": raw.get("spec"),
        },
        mapping(raw.get("status")),
    )


def _status_of(status: PolicyStatus, before: Mapping[str, Any], now: datetime) -> Json:
    """The status as it is patched: null takes a field out."""
    since = {text(each.get("type")): each for each in objects(before.get("conditions"))}
    return {
        "observedGeneration": status.generation,
        "mode": status.mode,
        "workloads": status.workloads,
        "conditions": [_condition(one, status.generation, since, now) for one in status.conditions],
        "mistakes": [
            {"path": path, "message": message[:MAX_MESSAGE], "hint": hint[:MAX_MESSAGE]}
            for path, message, hint in status.mistakes
        ]
        or None,
        "inForce": {"generation": status.in_force[0], "spec": status.in_force[1]["spec"]}
        if status.in_force
        else None,
    }


def _condition(one: Condition, generation: int, before: Mapping[str, RawObject], now: datetime) -> Json:
    stands = "True" if one.holds else "False"
    known = before.get(one.type, {})
    kept = known.get("lastTransitionTime") if known.get("status") == stands else None
    return {
        "type": one.type,
        "status": stands,
        "observedGeneration": generation,
        "lastTransitionTime": kept or stamp(now),
        "reason": one.reason,
        "message": one.message[:MAX_MESSAGE],
    }

"""Pairs: one workload that a policy makes of several objects, which it names."""

import fnmatch
from datetime import timedelta

from sentinel.domain.workload.kinds import WorkloadKind
from sentinel.domain.workload.routes import RouteKind
from sentinel.values import dataclass


@dataclass(frozen=True, slots=True)
class RouteName:
    """A route that splits the requests of a pair, by its kind, its name and, where it has several, its rule.

    `stable` and `canary` are the Services (or hosts) that it names, the subsets those of a DestinationRule.
    """

    kind: RouteKind
    name: str
    stable: str
    canary: str
    rule: str = ""
    stable_subset: str = ""
    canary_subset: str = ""


@dataclass(frozen=True, slots=True)
class Pairing:
    """A pair in each of the namespaces (globs; none: all of them) where its members are.

    `kind` is the pair's, `name` its own name, `members` are the workloads that it is made of, in the order that the
    kind gives them. `route` splits the requests; without one the numbers of pods do. `preview` is the Service that
    points at what does not serve, empty without one. For `kept` the pods that were replaced are left, so that they can
    take over again at once.
    """

    kind: WorkloadKind
    name: str
    members: tuple[str, ...]
    namespaces: tuple[str, ...] = ()
    route: RouteName | None = None
    preview: str = ""
    kept: timedelta = timedelta(0)

    def covers(self, namespace: str) -> bool:
        """Whether the pair may be in this namespace."""
        return not self.namespaces or any(fnmatch.fnmatchcase(namespace, glob) for glob in self.namespaces)

    def makes(self, kind: WorkloadKind, namespace: str, name: str) -> bool:
        """Whether this is the pair of that name in that namespace."""
        return (self.kind, self.name) == (kind, name) and self.covers(namespace)

"""The kinds of workloads that can be watched and changed."""

from collections.abc import Callable, Collection, Iterable, Mapping

from sentinel.adapters.kubernetes.api.raw import RawObject
from sentinel.adapters.kubernetes.api.resources import ApiResource, Verbs
from sentinel.adapters.kubernetes.workloads.driver import WorkloadDriver
from sentinel.adapters.kubernetes.workloads.kinds.daemonset import DAEMON_SET
from sentinel.adapters.kubernetes.workloads.kinds.deployment import DEPLOYMENT
from sentinel.adapters.kubernetes.workloads.kinds.rollout import ROLLOUT
from sentinel.adapters.kubernetes.workloads.kinds.statefulset import STATEFUL_SET
from sentinel.adapters.kubernetes.workloads.pairs.blue_green_changes import BLUE_GREEN
from sentinel.adapters.kubernetes.workloads.pairs.canary_changes import CANARY_PAIR
from sentinel.adapters.kubernetes.workloads.pairs.driver import PairDriver
from sentinel.adapters.kubernetes.workloads.pairs.members import trim_member, trim_member_revision
from sentinel.adapters.kubernetes.workloads.trim import RevisionEntry, WorkloadEntry
from sentinel.domain.errors import InvalidObjectError
from sentinel.domain.workload.kinds import WorkloadKind
from sentinel.values import dataclass

DRIVERS: Mapping[WorkloadKind, WorkloadDriver] = {
    driver.kind: driver for driver in (DEPLOYMENT, STATEFUL_SET, DAEMON_SET, ROLLOUT)
}
"""Of workloads that are one object."""
PAIRS: Mapping[WorkloadKind, PairDriver] = {driver.kind: driver for driver in (CANARY_PAIR, BLUE_GREEN)}
"""Of workloads that a policy makes of several objects."""
Driver = WorkloadDriver | PairDriver


def driver_of(kind: WorkloadKind) -> Driver:
    """The driver of this kind. Raises InvalidObjectError, its reason `Unsupported`, where the kind has none."""
    driver = DRIVERS.get(kind) or PAIRS.get(kind)
    if driver is None:
        known = ", ".join(f"{one}s" for one in (*DRIVERS, *PAIRS))
        raise InvalidObjectError(f"{kind}s are not supported; {known} are", reason="Unsupported")
    return driver


def resource_of(kind: WorkloadKind) -> ApiResource:
    """Where the object of the workload's own name is: of a pair, the member that it is named after."""
    driver = driver_of(kind)
    return DEPLOYMENT.resource if isinstance(driver, PairDriver) else driver.resource


@dataclass(frozen=True, slots=True)
class KindReading:
    """What is watched of a kind of workload, and how it is trimmed."""

    resource: ApiResource
    history: ApiResource
    trim: Callable[[RawObject], WorkloadEntry]
    trim_revision: Callable[[RawObject], RevisionEntry]


MEMBERS = KindReading(DEPLOYMENT.resource, DEPLOYMENT.history, trim_member, trim_member_revision)
"""Deployments, where pairs of them are watched."""


def readings_of(kinds: Collection[WorkloadKind]) -> tuple[KindReading, ...]:
    """What is watched for workloads of these kinds; of one resource the first says how it is trimmed."""
    single = (DRIVERS[kind] for kind in kinds if kind in DRIVERS)
    readings = (KindReading(one.resource, one.history, one.trim, one.trim_revision) for one in single)
    return (*((MEMBERS,) if PAIRS.keys() & set(kinds) else ()), *readings)


def owners_of_pods(kinds: Collection[WorkloadKind]) -> frozenset[str]:
    """The kinds of what controls the pods of workloads of these kinds."""
    single = {DRIVERS[kind].owner_of_pods for kind in kinds if kind in DRIVERS}
    return frozenset(single | ({DEPLOYMENT.owner_of_pods} if PAIRS.keys() & set(kinds) else set()))


def verbs_of(kinds: Iterable[WorkloadKind]) -> tuple[Verbs, ...]:
    """What the account must be allowed to do with workloads of these kinds; each once."""
    return tuple(dict.fromkeys(needed for kind in kinds for needed in driver_of(kind).verbs))

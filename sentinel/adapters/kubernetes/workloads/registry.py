"""The kinds of workloads that can be watched and changed."""

from collections.abc import Iterable, Mapping

from sentinel.adapters.kubernetes.api.resources import Verbs
from sentinel.adapters.kubernetes.workloads.driver import WorkloadDriver
from sentinel.adapters.kubernetes.workloads.kinds.daemonset import DAEMON_SET
from sentinel.adapters.kubernetes.workloads.kinds.deployment import DEPLOYMENT
from sentinel.adapters.kubernetes.workloads.kinds.rollout import ROLLOUT
from sentinel.adapters.kubernetes.workloads.kinds.statefulset import STATEFUL_SET
from sentinel.domain.errors import InvalidObjectError
from sentinel.domain.workload.kinds import WorkloadKind

DRIVERS: Mapping[WorkloadKind, WorkloadDriver] = {
    driver.kind: driver for driver in (DEPLOYMENT, STATEFUL_SET, DAEMON_SET, ROLLOUT)
}


def driver_of(kind: WorkloadKind) -> WorkloadDriver:
    """The driver of this kind. Raises InvalidObjectError, its reason `Unsupported`, where the kind has none."""
    driver = DRIVERS.get(kind)
    if driver is None:
        known = ", ".join(f"{one}s" for one in DRIVERS)
        raise InvalidObjectError(f"{kind}s are not supported; {known} are", reason="Unsupported")
    return driver


def verbs_of(kinds: Iterable[WorkloadKind]) -> tuple[Verbs, ...]:
    """What the account must be allowed to do with workloads of these kinds; each once."""
    return tuple(dict.fromkeys(needed for kind in kinds for needed in driver_of(kind).verbs))

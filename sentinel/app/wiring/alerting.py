"""Who takes alerts in."""

from collections.abc import Callable

from sentinel.adapters.kubernetes.gateway import KubernetesGateway
from sentinel.app.wiring.sources import Sources
from sentinel.domain.notice import Bulletin
from sentinel.domain.workload.facts import WorkloadKey
from sentinel.ports import AlertIntake, Clock
from sentinel.runtime.alerts.fates import UnknownAlerts
from sentinel.runtime.alerts.lookups import Lookups
from sentinel.runtime.alerts.own_cluster import OwnClusterAlerts
from sentinel.runtime.alerts.receiver import AlertReceiver
from sentinel.runtime.policy_registry import PolicyRegistry
from sentinel.settings import Settings


def intake_of(
    settings: Settings,
    gateway: KubernetesGateway,
    book: PolicyRegistry,
    sources: Sources,
    clock: Clock,
    wake: Callable[[WorkloadKey], None],
    tell: Callable[[Bulletin], None],
) -> AlertIntake:
    """The desk that records alerts, behind what sets those of other clusters aside where the settings name this one.

    Every replica takes alerts in, and each reports those that name nothing known: the leader does not hear of them.
    """
    desk = AlertReceiver(
        gateway.cluster,
        gateway.records,
        book,
        sources.rules,
        Lookups(gateway.cluster, gateway.records, book, clock),
        wake,
        UnknownAlerts(tell),
        lambda: gateway.synced,
    )
    return OwnClusterAlerts(desk, settings.cluster.identity) if settings.cluster.identity else desk

"""Who takes alerts in."""

from sentinel.app.wiring.base import Base
from sentinel.app.wiring.people.telling import News
from sentinel.app.wiring.sources import Sources
from sentinel.ports import AlertIntake
from sentinel.runtime.alerts.fates import UnknownAlerts
from sentinel.runtime.alerts.lookups import Lookups
from sentinel.runtime.alerts.own_cluster import OwnClusterAlerts
from sentinel.runtime.alerts.receiver import AlertReceiver
from sentinel.runtime.policy_registry import PolicyRegistry


def intake_of(base: Base, registry: PolicyRegistry, sources: Sources, news: News) -> AlertIntake:
    """The receiver of alerts, behind what sets those of other clusters aside where the settings name this one.

    Every replica receives alerts, and each reports those that name nothing known: the leader does not see them.
    """
    gateway, identity = base.gateway, base.settings.cluster.identity
    receiver = AlertReceiver(
        gateway.cluster,
        gateway.records,
        registry,
        sources.rules,
        Lookups(gateway.cluster, gateway.records, registry, base.clock),
        base.queue.add,
        UnknownAlerts(news.bulletins.tell),
        lambda: gateway.synced,
    )
    return OwnClusterAlerts(receiver, identity) if identity else receiver

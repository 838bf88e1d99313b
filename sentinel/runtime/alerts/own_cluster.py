"""One Alertmanager may serve many clusters: what is said to be about another one than this concerns nothing here."""

from dataclasses import replace

from sentinel.domain.alert import AlertFate, AlertOutcome, ClusterIdentity, Notification, Receipt
from sentinel.ports import AlertIntake


class OwnClusterAlerts:
    """Implements `ports.AlertIntake`: passes on what may be about this cluster, and sets the rest aside.

    The same namespaces and names exist in other clusters, so that an alert of one would be taken for ours.
    """

    def __init__(self, intake: AlertIntake, identity: ClusterIdentity) -> None:
        self._intake = intake
        self._identity = identity

    async def receive(self, notification: Notification) -> Receipt:
        """The outcome for each alert, in order; raises what the intake behind it raises."""
        own = [alert for alert in notification.alerts if not self._identity.is_another(alert.labels)]
        receipt = await self._intake.receive(replace(notification, alerts=tuple(own)))
        behind = iter(receipt.fates)
        fates = [
            AlertFate(AlertOutcome.OTHER_CLUSTER, self._said(alert.labels[self._identity.label]))
            if self._identity.is_another(alert.labels)
            else next(behind)
            for alert in notification.alerts
        ]
        return replace(receipt, fates=tuple(fates))

    def _said(self, cluster: str) -> str:
        label, name = self._identity.label, self._identity.name
        return f"its label {label} is {cluster}, but this cluster is {name} (settings: cluster)"

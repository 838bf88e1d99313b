"""The outcome for each alert of a request, and notices about alerts that match a policy but name no known workload."""

import logging
from collections.abc import Callable, Collection, Sequence

from sentinel.bounded import BoundedDict
from sentinel.domain.alert import Alert, AlertFate, AlertOutcome, AlertStatus
from sentinel.domain.notice import Bulletin, BulletinKind
from sentinel.domain.policy.policy import Policy
from sentinel.domain.policy.selection import AlertRule
from sentinel.domain.words import plain
from sentinel.domain.workload.facts import WorkloadKey
from sentinel.engine.alerts.naming import why_unknown
from sentinel.engine.matching import covers_namespace
from sentinel.values import dataclass

log = logging.getLogger(__name__)

MAX_LINES = 10
"""The most alerts in one notice."""
MAX_LINE = 1_000
MAX_NAMES = 200
REMEMBERED = 1_000
"""So many alerts, by their names, are remembered as told."""


@dataclass(frozen=True, slots=True)
class AlertMatch:
    """A policy that means an alert (by its place in the notification), by which rule, and what the alert names.

    `namespace` counts where no workload is named.
    """

    index: int
    policy: Policy
    rule: AlertRule
    named: tuple[WorkloadKey, ...]
    namespace: str | None

    @property
    def in_scope(self) -> bool:
        """Whether the policy may guard anything in the namespaces that are named."""
        own = {self.namespace} if self.namespace is not None else set()
        namespaces = {key.namespace for key in self.named} or own
        return not namespaces or any(covers_namespace(self.policy.match, one) for one in namespaces)


def fates_of(
    alerts: Sequence[Alert],
    matches: Sequence[AlertMatch],
    recorded: Collection[int],
    known: Collection[WorkloadKey],
) -> tuple[AlertFate, ...]:
    """The outcome for each alert, in order; `recorded` are the indexes of those that are in a record."""
    by_alert: dict[int, list[AlertMatch]] = {}
    for match in matches:
        by_alert.setdefault(match.index, []).append(match)
    return tuple(
        AlertFate(AlertOutcome.RECORDED)
        if index in recorded
        else _fate_unrecorded(alert, by_alert.get(index, []), known)
        for index, alert in enumerate(alerts)
    )


def _fate_unrecorded(
    alert: Alert, matches: Sequence[AlertMatch], known: Collection[WorkloadKey]
) -> AlertFate:
    if not matches:
        return AlertFate(AlertOutcome.UNMATCHED, "no policy's alerts match it")
    within = [match for match in matches if match.in_scope]
    if not within:
        return AlertFate(AlertOutcome.UNMATCHED, "the policies that match it guard nothing in its namespace")
    if alert.status is AlertStatus.RESOLVED:
        return AlertFate(AlertOutcome.IDLE, "no record of a rollout has it as firing")
    names_known = next((m for m in within if any(key in known for key in m.named)), None)
    if names_known is not None:
        listed = ", ".join(str(key) for key in names_known.named if key in known)
        return AlertFate(AlertOutcome.IDLE, f"no rollout in progress or guarded: {listed}")
    first = within[0]
    return AlertFate(AlertOutcome.UNKNOWN, why_unknown(alert.labels, first.rule, first.named))


class UnknownAlerts:
    """Reports once each alert, by its name, that a policy matches but that names no known workload."""

    def __init__(self, tell: Callable[[Bulletin], None]) -> None:
        self._tell = tell
        self._told: BoundedDict[str, None] = BoundedDict(REMEMBERED)

    def note(
        self, alerts: Sequence[Alert], matches: Sequence[AlertMatch], fates: Sequence[AlertFate]
    ) -> None:
        """Log these alerts, and report those that are new."""
        lines = _unknown(alerts, matches, fates)
        new = [name for name in lines if name not in self._told]
        for name, line in lines.items():
            log.log(
                logging.WARNING if name in new else logging.INFO,
                "an alert matches a policy but affects no rollout: %s",
                line,
            )
        self._told.update(dict.fromkeys(new))
        if new:
            more = [f"and {len(new) - MAX_LINES} more: see the log"] if len(new) > MAX_LINES else []
            title = "Alerts match a policy but name no known workload: they affect no rollout"
            told = [lines[name] for name in new[:MAX_LINES]]
            self._tell(Bulletin(BulletinKind.ALERTS_UNKNOWN, title, (*told, *more)))


def _unknown(
    alerts: Sequence[Alert], matches: Sequence[AlertMatch], fates: Sequence[AlertFate]
) -> dict[str, str]:
    """By their names, the alerts that name no known workload, with the policies that match them, and why."""
    found: dict[str, tuple[list[str], str]] = {}
    for match in matches:
        name, fate = alerts[match.index].name, fates[match.index]
        if fate.outcome is not AlertOutcome.UNKNOWN or not match.in_scope:
            continue
        policies, _ = found.setdefault(name, ([], fate.detail))
        if match.policy.name not in policies:
            policies.append(match.policy.name)
    return {
        name: plain(f"{_short(name)} (policy {_short(', '.join(policies))}): {why}"[:MAX_LINE])
        for name, (policies, why) in found.items()
    }


def _short(text: str) -> str:
    return text if len(text) <= MAX_NAMES else f"{text[:MAX_NAMES]}…"

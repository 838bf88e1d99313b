"""How urgent it is that somebody looks: the severity of what people are called for."""

from enum import StrEnum

from sentinel.domain.record.entries import Action, DecisionEntry
from sentinel.domain.record.holds import HoldReason


class Severity(StrEnum):
    """By the words of PagerDuty's events."""

    CRITICAL = "critical"
    """A bad release serves, and the sentinel does not undo it."""
    ERROR = "error"
    """Users may be hurt, and the release is not proven to be the cause; or a bad release is being undone again."""
    WARNING = "warning"
    """The rollout waits for a person, and nothing is known to be wrong with what serves."""
    INFO = "info"
    """For the record: only policies ask for it."""


_CRITICAL = frozenset(
    {
        HoldReason.KNOWN_BAD,
        HoldReason.RESTORED_AFTER_UNDO,
        HoldReason.UNDO_BUDGET,
        HoldReason.CLUSTER_BUDGET,
        HoldReason.FIRST_DEPLOYMENT,
        HoldReason.SUPERSEDED,
        HoldReason.IRREVERSIBLE,
        HoldReason.KEEPER_REVERTS,
        HoldReason.TEMPLATE_GONE,
        HoldReason.REFERENCE_GONE,
        HoldReason.CONFIG_ALONE,
        HoldReason.TOO_OLD,
        HoldReason.UNDO_FAILED,
        "RestoreOverdue",
    }
)
_ERROR = frozenset(
    {
        HoldReason.ALERT,
        HoldReason.ALERT_STORM,
        HoldReason.BASELINE_EQUALLY_BAD,
        HoldReason.UNKNOWN_POD,
        HoldReason.NOT_ONE_WORKLOAD,
        HoldReason.MAY_HAVE_BEGUN_BEFORE,
        HoldReason.ENVIRONMENT_OUTAGE,
        HoldReason.NO_BASELINE,
        HoldReason.STABLE_WAS_BAD,
        HoldReason.CANNOT_ROLL,
    }
)


def severity_of(entry: DecisionEntry) -> Severity:
    """How urgent a decision is that people are called for; an undo that is only observed is an error, too."""
    left_bad = entry.action is Action.ESCALATE and entry.reason == HoldReason.PAUSED_BY_HAND
    if entry.reason in _CRITICAL or left_bad:
        return Severity.CRITICAL
    return Severity.ERROR if entry.action is Action.UNDO or entry.reason in _ERROR else Severity.WARNING

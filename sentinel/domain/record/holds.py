"""Why a rollout is held: every reason, and what follows from it."""

from collections.abc import Mapping
from enum import StrEnum

from sentinel.values import dataclass


class HoldReason(StrEnum):
    """The reasons of holds, by their names in records, notices and metrics."""

    HOLD_LABEL = "HoldLabel"
    PAUSED_BY_HAND = "PausedByHand"
    HELD_BY_HUMAN = "HeldByHuman"
    ALERT = "Alert"
    ALERT_STORM = "AlertStorm"
    BASELINE_EQUALLY_BAD = "BaselineEquallyBad"
    UNKNOWN_POD = "UnknownPod"
    NOT_ONE_WORKLOAD = "NotOneWorkload"
    MAY_HAVE_BEGUN_BEFORE = "MayHaveBegunBefore"
    ENVIRONMENT_OUTAGE = "EnvironmentOutage"
    NO_BASELINE = "NoBaseline"
    STABLE_WAS_BAD = "StableWasBad"
    EVIDENCE_MISSING = "EvidenceMissing"
    STABLE_CHANGED = "StableChanged"
    CANNOT_STEP = "CannotStep"
    CANNOT_ROLL = "CannotRoll"
    CONTROLLER_DOWN = "ControllerDown"
    ABORTED_BY_CONTROLLER = "AbortedByController"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    GATE_FAILED = "GateFailed"
    GATE_TIMEOUT = "GateTimeout"
    KNOWN_BAD = "KnownBad"
    RESTORED_AFTER_UNDO = "RestoredAfterUndo"
    UNDO_BUDGET = "UndoBudget"
    CLUSTER_BUDGET = "ClusterBudget"
    FIRST_DEPLOYMENT = "FirstDeployment"
    SUPERSEDED = "Superseded"
    IRREVERSIBLE = "Irreversible"
    KEEPER_REVERTS = "KeeperReverts"
    TEMPLATE_GONE = "TemplateGone"
    REFERENCE_GONE = "ReferenceGone"
    CONFIG_ALONE = "ConfigAlone"
    TOO_OLD = "TooOld"
    UNDO_FAILED = "UndoFailed"
    WOULD_UNDO = "WouldUndo"


class HoldEnd(StrEnum):
    """What ends a hold, besides a person and a newer revision, which end every one."""

    PERSON = "a person"
    """Nothing else: the hold is sticky."""
    AT_ONCE = "its cause, at once"
    """People, or the cluster, say explicitly that the cause is gone."""
    QUIET = "its cause, gone for a minute"
    """An outage or an alert storm that pauses for breath is not over."""
    MEASURED = "its cause, gone for two ticks of the slowest rule and a minute"
    """The rules' measurements alone show the cause; one tick may be quiet by chance."""


@dataclass(frozen=True, slots=True)
class HoldKind:
    """What follows from the reason of a hold.

    `judged`: proof against the candidate still undoes it. `calm`: nobody is called. `by_people`: people asked for it,
    so that it holds in observe mode as well.
    """

    meaning: str
    end: HoldEnd = HoldEnd.PERSON
    judged: bool = False
    calm: bool = False
    by_people: bool = False

    @property
    def sticky(self) -> bool:
        """Whether only a person or a newer revision ends it."""
        return self.end is HoldEnd.PERSON


HOLDS: Mapping[HoldReason, HoldKind] = {
    HoldReason.HOLD_LABEL: HoldKind(
        "The workload is labelled `rollback-sentinel.dev/hold=true`: the sentinel changes nothing.",
        HoldEnd.AT_ONCE,
        judged=True,
        by_people=True,
    ),
    HoldReason.PAUSED_BY_HAND: HoldKind(
        "Someone else paused the workload: the sentinel changes nothing.",
        HoldEnd.AT_ONCE,
        judged=True,
        by_people=True,
    ),
    HoldReason.HELD_BY_HUMAN: HoldKind("A person put the rollout on hold.", calm=True, by_people=True),
    HoldReason.ALERT: HoldKind("An alert fires whose rule says `action: hold`.", HoldEnd.QUIET, judged=True),
    HoldReason.ALERT_STORM: HoldKind(
        "Alerts came in for three or more workloads within two minutes. Only one of them calls people.",
        HoldEnd.QUIET,
        judged=True,
    ),
    HoldReason.BASELINE_EQUALLY_BAD: HoldKind(
        "An alert fires while the stable revision is equally bad.", HoldEnd.QUIET, judged=True
    ),
    HoldReason.UNKNOWN_POD: HoldKind(
        "An alert is about a pod whose revision is no longer known.", HoldEnd.QUIET, judged=True
    ),
    HoldReason.NOT_ONE_WORKLOAD: HoldKind(
        "An alert names no workload, or several.", HoldEnd.QUIET, judged=True
    ),
    HoldReason.MAY_HAVE_BEGUN_BEFORE: HoldKind(
        "The cause of an alert may have begun before the rollout.", HoldEnd.QUIET, judged=True
    ),
    HoldReason.ENVIRONMENT_OUTAGE: HoldKind(
        "The stable revision, or other workloads, are over their limits, too.",
        HoldEnd.MEASURED,
        judged=True,
    ),
    HoldReason.NO_BASELINE: HoldKind(
        "The candidate is over its limit, and there is no stable revision to compare it with.",
        HoldEnd.MEASURED,
        judged=True,
    ),
    HoldReason.STABLE_WAS_BAD: HoldKind(
        "The candidate is over its limit, and the stable revision was before.", HoldEnd.MEASURED, judged=True
    ),
    HoldReason.EVIDENCE_MISSING: HoldKind(
        "The bake is over, and a rule has had no usable evidence for a minute.", HoldEnd.MEASURED, judged=True
    ),
    HoldReason.STABLE_CHANGED: HoldKind(
        "Someone changed the template of what serves beside the candidate; a promotion would overwrite it.",
        HoldEnd.AT_ONCE,
        judged=True,
    ),
    HoldReason.CANNOT_STEP: HoldKind(
        "The policy has canary steps that this workload cannot make.", HoldEnd.AT_ONCE, judged=True
    ),
    HoldReason.CANNOT_ROLL: HoldKind(
        "The workload's update strategy does not replace pods by itself, so an undo is not possible.",
        HoldEnd.AT_ONCE,
        judged=True,
    ),
    HoldReason.CONTROLLER_DOWN: HoldKind(
        "The workload's own controller has not observed the last change.", HoldEnd.AT_ONCE, judged=True
    ),
    HoldReason.ABORTED_BY_CONTROLLER: HoldKind(
        "The workload's own controller aborted the rollout.", HoldEnd.AT_ONCE, judged=True
    ),
    HoldReason.DEADLINE_EXCEEDED: HoldKind("The rollout could not be judged in time.", judged=True),
    HoldReason.GATE_FAILED: HoldKind("A gate did not pass.", judged=True),
    HoldReason.GATE_TIMEOUT: HoldKind("A gate's Job did not end in time.", judged=True),
    HoldReason.KNOWN_BAD: HoldKind(
        "The candidate was undone before and applied again, or the revision to go back to was undone itself."
    ),
    HoldReason.RESTORED_AFTER_UNDO: HoldKind("Someone applied the candidate again right after its undo."),
    HoldReason.UNDO_BUDGET: HoldKind("The candidate is bad, and this workload's undo budget is spent."),
    HoldReason.CLUSTER_BUDGET: HoldKind("The candidate is bad, and the cluster's undo budget is spent."),
    HoldReason.FIRST_DEPLOYMENT: HoldKind("The candidate is bad, and there is no earlier revision."),
    HoldReason.SUPERSEDED: HoldKind("The candidate is bad, and the workload now has another template."),
    HoldReason.IRREVERSIBLE: HoldKind(
        "The candidate is bad, and a revision on the way back is marked irreversible."
    ),
    HoldReason.KEEPER_REVERTS: HoldKind(
        "The candidate is bad, and the tool that deploys the workload would take an undo back and cannot be held."
    ),
    HoldReason.TEMPLATE_GONE: HoldKind(
        "The candidate is bad, and the template to go back to is no longer in the cluster."
    ),
    HoldReason.REFERENCE_GONE: HoldKind(
        "The candidate is bad, and the template to go back to names a ConfigMap, Secret, ServiceAccount or "
        "PersistentVolumeClaim that does not exist, so its pods would not start."
    ),
    HoldReason.CONFIG_ALONE: HoldKind(
        "The candidate is bad and differs by config alone, and the config's former data is not put back: an undo of "
        "the template would change nothing.",
        judged=True,
    ),
    HoldReason.TOO_OLD: HoldKind(
        "The candidate is bad, and every good revision was promoted too long ago (`maxTargetAge`)."
    ),
    HoldReason.UNDO_FAILED: HoldKind("The API server refuses the undo permanently."),
    HoldReason.WOULD_UNDO: HoldKind(
        "In observe mode, or while frozen: the candidate would have been undone."
    ),
}

_OF_ANOTHER_RELEASE = HoldKind("The record was written by another release.")
_BY_NAME: Mapping[str, HoldKind] = {reason.value: kind for reason, kind in HOLDS.items()}


def hold_kind(reason: str) -> HoldKind:
    """What follows from a recorded reason; one that only another release knows is judged no further."""
    return _BY_NAME.get(reason, _OF_ANOTHER_RELEASE)

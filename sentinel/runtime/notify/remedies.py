"""What people can do about each reason of a hold, in one or two sentences for the middle of the night."""

from collections.abc import Mapping

from sentinel.domain.record.holds import HoldReason

REMEDIES: Mapping[HoldReason, str] = {
    HoldReason.HOLD_LABEL: (
        "Find out who set the label and why. Remove it to go on: `kubectl label KIND/NAME "
        "rollback-sentinel.dev/hold-`."
    ),
    HoldReason.PAUSED_BY_HAND: (
        "Find out who paused it. `kubectl rollout resume` lets it go on; where a partition stops it, set that "
        "back."
    ),
    HoldReason.HELD_BY_HUMAN: (
        "The record names who asked and why. `sentinel resume` lets it go on, `sentinel undo` goes back."
    ),
    HoldReason.ALERT: (
        "Look at the alert. It goes on by itself a minute after the alert is resolved. `sentinel undo` if "
        "the release is the cause."
    ),
    HoldReason.ALERT_STORM: (
        "Several workloads have alerts at once, so a common cause is likely: a node, a network, a "
        "database. Fix that. `sentinel undo` if this release is the cause after all."
    ),
    HoldReason.BASELINE_EQUALLY_BAD: (
        "The old version has the same trouble, so an undo would not help. Look at what both depend on."
    ),
    HoldReason.UNKNOWN_POD: (
        "The alert's pod no longer exists. Look at the alert, and undo by hand if its pod was the "
        "candidate's."
    ),
    HoldReason.NOT_ONE_WORKLOAD: (
        "Give the alert the labels `namespace` and `pod`, or one that names the workload. See the page on "
        "alerts."
    ),
    HoldReason.MAY_HAVE_BEGUN_BEFORE: (
        "Check in the alert's graph whether the trouble began before the rollout. If not, `sentinel "
        "undo`. A reachable `prometheus.rules_url`, or a label `pod`, lets the sentinel decide next time."
    ),
    HoldReason.ENVIRONMENT_OUTAGE: (
        "Not only the candidate is affected. Fix the common cause; the rollout goes on by itself."
    ),
    HoldReason.NO_BASELINE: (
        "Nothing tells whether the release is at fault. Compare with the time before it in your "
        "dashboards, then `sentinel undo` or `sentinel resume`."
    ),
    HoldReason.STABLE_WAS_BAD: (
        "The old version was over the limit too, so an undo would not help. Raise the limit if this is "
        "usual for the workload, or fix the cause."
    ),
    HoldReason.EVIDENCE_MISSING: (
        "`sentinel explain` names each rule and why its numbers are missing; `sentinel explain --reason` "
        "explains that. `sentinel doctor` checks the metrics server."
    ),
    HoldReason.STABLE_CHANGED: (
        "Put the stable's template back, or `sentinel resume` to have it overwritten by the promotion."
    ),
    HoldReason.CANNOT_STEP: (
        "`sentinel preflight KIND/NAME` says what keeps the workload from canary steps. Change its update "
        "strategy, or take the steps out of the policy."
    ),
    HoldReason.CANNOT_ROLL: (
        "Set the update strategy to `RollingUpdate`; with `OnDelete` or `Recreate` the sentinel cannot "
        "replace pods step by step."
    ),
    HoldReason.CONTROLLER_DOWN: (
        "Check the workload's controller (Argo Rollouts, the controller-manager): it has not acted on the "
        "last change."
    ),
    HoldReason.ABORTED_BY_CONTROLLER: (
        "Read why in the object's own status. Release again, or let the controller finish its abort."
    ),
    HoldReason.DEADLINE_EXCEEDED: (
        "Nothing was proven in time, for or against the release. Look at the last numbers, then `sentinel "
        "promote` or `sentinel undo`. Raise `deadline` if bakes and approvals take longer."
    ),
    HoldReason.GATE_FAILED: (
        "Read the gate's answer, or its Job's log with the command in the notice. `sentinel resume` asks "
        "the gate again."
    ),
    HoldReason.GATE_TIMEOUT: (
        "The gate did not answer in time. Check that it can be reached, or its Job's pods. `sentinel "
        "resume` asks again."
    ),
    HoldReason.KNOWN_BAD: (
        "This template was undone before. Fix the release. If it was not at fault, `sentinel forgive` and "
        "deploy it again."
    ),
    HoldReason.RESTORED_AFTER_UNDO: (
        "Someone or something applied the undone template again. Stop that source (CI, Git), then "
        "`sentinel undo`; or `sentinel forgive` if it is right."
    ),
    HoldReason.UNDO_BUDGET: (
        "The release is bad, and this workload was undone too often within the budget's time. Find out "
        "why releases keep failing. `sentinel undo` ignores the budget."
    ),
    HoldReason.CLUSTER_BUDGET: (
        "Many workloads were undone in a short time: suspect a common cause first. `sentinel undo` "
        "ignores the budget."
    ),
    HoldReason.FIRST_DEPLOYMENT: "There is nothing to go back to. Deploy a fix, or remove the workload.",
    HoldReason.SUPERSEDED: "The workload has a newer template. Look at the rollout of that one.",
    HoldReason.IRREVERSIBLE: (
        "An undo would cross a change that cannot be taken back, such as a database migration. Deploy a "
        "fix instead."
    ),
    HoldReason.KEEPER_REVERTS: (
        "Allow the sentinel to hold the tool (`gitops.argocd` or `gitops.flux` in the settings), or "
        "revert in Git now. An undo by hand would be taken back."
    ),
    HoldReason.TEMPLATE_GONE: (
        "The object that held the old template was deleted. Deploy the last good version from Git, and raise "
        "`revisionHistoryLimit`."
    ),
    HoldReason.REFERENCE_GONE: "Create what the message names, then `sentinel undo`; or deploy a fix.",
    HoldReason.CONFIG_ALONE: (
        "Put the ConfigMap's former data back and restart the pods, or set `undo: {config: restore}`."
    ),
    HoldReason.TOO_OLD: (
        "The last good revision is older than `undo.maxTargetAge`. Decide whether it still fits the rest, "
        "then `sentinel undo --to-revision`, or deploy a fix."
    ),
    HoldReason.UNDO_FAILED: (
        "The API server refuses the undo; the message has its words: often an admission policy or missing "
        "rights. Fix that, then `sentinel undo`."
    ),
    HoldReason.WOULD_UNDO: ("The sentinel only observes or is frozen. `sentinel undo` if you agree with it."),
}
"""By the reason in a record (`status.hold.reason`)."""

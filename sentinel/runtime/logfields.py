"""The fields by which log lines are found: the same names in every line that is about a workload or a decision."""

from sentinel.domain.figures import rfc3339
from sentinel.domain.policy.policy import Mode
from sentinel.domain.record.entries import DecisionEntry
from sentinel.domain.record.record import Record
from sentinel.domain.words import deed
from sentinel.domain.workload.facts import WorkloadKey

Fields = dict[str, object]


def about_workload(key: WorkloadKey) -> Fields:
    """The fields of a line about a workload."""
    return {"workload": str(key), "namespace": key.namespace}


def about_record(record: Record) -> Fields:
    """The fields of a line about a rollout."""
    return {**about_workload(record.key), "record": record.name}


def about_decision(record: Record, entry: DecisionEntry, mode: Mode) -> Fields:
    """The fields of a decision's line: all of them in every line, empty where they do not apply.

    `decided_at` is the decision's own time, `step` counts from 1, and `outcome` is its outcome.
    """
    return {
        **about_record(record),
        "action": deed(entry),
        "reason": entry.reason,
        "rule": entry.rule,
        "decided_at": rfc3339(entry.at),
        "mode": mode.value,
        "step": entry.step + 1,
        "outcome": entry.outcome.kind.value if entry.outcome else "",
        "decision": entry.id,
        "requested_by": entry.requested_by,
    }

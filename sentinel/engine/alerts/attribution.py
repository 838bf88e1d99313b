"""Which workload and which revision an alert concerns, and what it may therefore do to the rollout.

An alert with a pod label belongs to that pod's revision. Without one it is the candidate's only if it names exactly
one workload, nothing shows the stable revision equally bad, and it began after the rollout did: `startsAt` is when it
fired, after its rule's `for:`. What cannot be told apart holds the rollout and never undoes it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from sentinel.domain.alert import AlertStatus
from sentinel.domain.figures import duration, moment
from sentinel.domain.policy.selection import AlertAction, AlertRule
from sentinel.domain.record.entries import AlertEntry
from sentinel.domain.record.holds import HoldReason
from sentinel.domain.record.record import Record
from sentinel.domain.verdict import RuleVerdict
from sentinel.domain.words import plain
from sentinel.domain.workload.facts import Workload, WorkloadKey
from sentinel.domain.workload.kinds import REPLICA_SET
from sentinel.engine.alerts.naming import SeenHash, hash_in, hash_of_replica_set, readings, spelt_out
from sentinel.values import dataclass, replace

STORM_WORKLOADS = 3
STORM_WITHIN = timedelta(minutes=2)
"""Alerts on this many workloads in this time are an outage of what they share."""


@dataclass(frozen=True, slots=True)
class Attribution:
    """What an alert comes to for a rollout: its effect (None: nothing), a reason and a sentence.

    `told_elsewhere`: people hear of it at another rollout of the same storm; one call is enough.
    """

    effect: AlertAction | None
    reason: str
    message: str
    told_elsewhere: bool = False


def attribute(
    entry: AlertEntry,
    rule: AlertRule,
    record: Record,
    workload: Workload,
    others: Sequence[tuple[WorkloadKey, datetime]],
    verdicts: Sequence[RuleVerdict],
    *,
    named: Collection[WorkloadKey] | None = None,
) -> Attribution:
    """What a recorded alert comes to.

    `others` tells when alerts of other workloads were received. `named` are the workloads that the alert's labels
    name (`naming.workloads_named`); None: only those are counted that the labels themselves spell out.
    An alert's texts can hold anything: the message is one line of plain text.
    """
    found = _attribute(entry, rule, record, workload, others, verdicts, named)
    return replace(found, message=plain(found.message))


def _attribute(
    entry: AlertEntry,
    rule: AlertRule,
    record: Record,
    workload: Workload,
    others: Sequence[tuple[WorkloadKey, datetime]],
    verdicts: Sequence[RuleVerdict],
    named: Collection[WorkloadKey] | None,
) -> Attribution:
    if entry.status is AlertStatus.RESOLVED:
        return Attribution(None, "Resolved", f"alert {entry.name} is resolved")
    subject = _subject(entry.labels, record, workload)
    owner = subject.owner
    if workload.nameless:
        message = f"alert {entry.name} fires before the workload's controller has begun this rollout"
        return Attribution(None, "NotBegun", message)
    if owner is not _Owner.CANDIDATE and entry.starts_at < record.began_at:
        return Attribution(None, "BeganBefore", f"alert {entry.name} fired before this rollout began")
    storm = entry.storm or tuple(map(str, _storm(entry, record.key, others)))
    if storm:
        message = (
            f"alert {entry.name} is one of many: {', '.join(storm)} had alerts within the same two minutes"
        )
        return Attribution(
            AlertAction.HOLD, HoldReason.ALERT_STORM, message, told_elsewhere=storm[0] != str(record.key)
        )
    if owner is _Owner.OTHER:
        message = f"alert {entry.name} is about {subject.named}, which does not belong to the candidate"
        return Attribution(None, "OtherRevision", message)
    doubt = _doubt(entry, rule, subject, record, workload, verdicts)
    if doubt is None and owner is _Owner.UNSAID:
        doubt = _not_this_one(entry, rule, workload.key, named) or _maybe_older(entry, rule, record)
    if doubt is not None:
        return doubt
    of = f"{subject.named} of the candidate" if owner is _Owner.CANDIDATE else str(workload.key)
    return Attribution(rule.action, HoldReason.ALERT, f"alert {entry.name} fires for {of}{_summary(entry)}")


def merge_alerts(known: Sequence[AlertEntry], received: Iterable[AlertEntry]) -> tuple[AlertEntry, ...]:
    """The alerts of a record after more were received, by fingerprint.

    A repeated notification does not add an alert, whatever their order and number: of one alert the latest firing
    counts, and once resolved it stays resolved. Its verdict is kept until it fires again.
    """
    merged = {entry.fingerprint: entry for entry in known}
    for entry in received:
        before = merged.get(entry.fingerprint)
        if before is None or entry.starts_at > before.starts_at:
            merged.pop(entry.fingerprint, None)
            merged[entry.fingerprint] = entry
        elif entry.starts_at == before.starts_at and entry.status is AlertStatus.RESOLVED:
            merged[entry.fingerprint] = replace(before, status=AlertStatus.RESOLVED)
    return tuple(merged.values())


# Whose pod.


class _Owner(StrEnum):
    """Whose pod an alert is about."""

    CANDIDATE = "candidate"
    OTHER = "other"
    UNKNOWN = "unknown"
    UNSAID = "unsaid"


@dataclass(frozen=True, slots=True)
class _Subject:
    """Which revision an alert is about, and the label that says so, such as `pod web-1`."""

    owner: _Owner
    named: str = ""


_NOT_SAID = _Subject(_Owner.UNSAID)


def _subject(labels: Mapping[str, str], record: Record, workload: Workload) -> _Subject:
    """Which revision the alert is about, by the first reading of its labels that names one of this workload."""
    found = (_subject_read(reading, record, workload) for reading in readings(labels))
    return next((one for one in found if one.owner is not _Owner.UNSAID), _NOT_SAID)


def _subject_read(labels: Mapping[str, str], record: Record, workload: Workload) -> _Subject:
    """By its pod, unless that is another workload's or an exporter's; else by the object that holds the revision.

    The name of a pod may carry the revision's hash, which identifies even a pod that is gone.
    """
    key = workload.key
    if labels.get("namespace", key.namespace) != key.namespace:
        return _NOT_SAID
    hashes = _candidate_hashes(record, workload)
    name = labels.get("pod", "")
    pod = next((pod for pod in workload.pods if pod.name == name), None)
    if pod is not None:
        return _Subject(_Owner.CANDIDATE if pod.revision in hashes else _Owner.OTHER, f"pod {name}")
    seen = hash_in(name, key)
    if seen is not None:
        return _Subject(_owner_by(seen, hashes), f"pod {name}")
    name = labels.get("replicaset", "")
    revision = hash_of_replica_set(name, key)
    if revision is None:
        return _NOT_SAID
    return _Subject(_Owner.CANDIDATE if revision in hashes else _Owner.OTHER, f"{REPLICA_SET} {name}")


def _owner_by(seen: SeenHash, hashes: Collection[str]) -> _Owner:
    if not any(map(seen.may_be, hashes)):
        return _Owner.OTHER if seen.letters else _Owner.UNKNOWN
    return _Owner.CANDIDATE if seen.tells else _Owner.UNKNOWN


def _candidate_hashes(record: Record, workload: Workload) -> set[str]:
    """The controller's name for the candidate; the record may have been made before there was one."""
    same = workload.candidate.digest == record.candidate.digest
    return {record.candidate.hash, workload.candidate.hash if same else ""} - {""}


# What speaks against it.


def _storm(
    entry: AlertEntry, key: WorkloadKey, others: Iterable[tuple[WorkloadKey, datetime]]
) -> list[WorkloadKey]:
    """The workloads of the storm that this alert is part of, in order; empty without a storm."""
    near = [(at, other) for other, at in others if abs(at - entry.received_at) <= STORM_WITHIN]
    for begins in sorted({entry.received_at, *(at for at, _ in near if at < entry.received_at)}):
        struck = {key, *(other for at, other in near if begins <= at <= begins + STORM_WITHIN)}
        if len(struck) >= STORM_WORKLOADS:
            return sorted(struck)
    return []


def _doubt(
    entry: AlertEntry,
    rule: AlertRule,
    subject: _Subject,
    record: Record,
    workload: Workload,
    verdicts: Sequence[RuleVerdict],
) -> Attribution | None:
    """Why the alert may be the environment's rather than the candidate's."""
    outage = next((verdict for verdict in verdicts if verdict.everywhere), None)
    if outage is not None:
        message = f"alert {entry.name} fires while both revisions are bad: {outage.message}"
        return _unsure(rule, HoldReason.BASELINE_EQUALLY_BAD, message)
    if subject.owner is _Owner.CANDIDATE and _stable_alerts_as_much(entry.name, record, workload):
        message = f"alert {entry.name} fires for as many pods of the other revision as of the candidate"
        return _unsure(rule, HoldReason.BASELINE_EQUALLY_BAD, message)
    if subject.owner is _Owner.UNKNOWN:
        message = f"alert {entry.name} is about {subject.named}, whose revision is no longer known"
        return _unsure(rule, HoldReason.UNKNOWN_POD, message)
    return None


def _unsure(rule: AlertRule, reason: HoldReason, message: str) -> Attribution:
    """Doubt takes the undo away; an alert that only tells people still does."""
    return Attribution(
        AlertAction.ESCALATE if rule.action is AlertAction.ESCALATE else AlertAction.HOLD, reason, message
    )


def _stable_alerts_as_much(name: str, record: Record, workload: Workload) -> bool:
    """Whether this alert fires for no smaller a share of the other pods than of the candidate's."""
    same = (e for e in record.alerts if e.name == name and e.status is AlertStatus.FIRING)
    fires = {reading.get("pod") for entry in same for reading in readings(entry.labels)}
    hashes = _candidate_hashes(record, workload)
    shares = {}
    for mine in (True, False):
        pods = [pod for pod in workload.pods if not pod.deleting and (pod.revision in hashes) is mine]
        shares[mine] = sum(pod.name in fires for pod in pods) / len(pods) if pods else 0.0
    return shares[False] > 0 and shares[False] >= shares[True]


def _not_this_one(
    entry: AlertEntry, rule: AlertRule, key: WorkloadKey, named: Collection[WorkloadKey] | None
) -> Attribution | None:
    """Why an alert without a pod is not this workload's alone."""
    if named is None:
        said = readings(entry.labels)[0]
        spelt = spelt_out(said, rule.workload_label)
        names = {name for _, name in spelt} or {said.get("service", "")} - {""}
    else:
        names = {f"{other.name}" if other.namespace == key.namespace else str(other) for other in named}
    if names == {key.name}:
        return None
    whose = f"names {', '.join(sorted(names))}" if names else "names no workload"
    return _unsure(
        rule, HoldReason.NOT_ONE_WORKLOAD, f"alert {entry.name} {whose}, so it is not about {key} alone"
    )


def _maybe_older(entry: AlertEntry, rule: AlertRule, record: Record) -> Attribution | None:
    """Why an alert that fired after the rollout began may be older: it was pending before.

    How long is known from its rule, and then it is older; else the policy's look-back is assumed, and it may be.
    """
    pending = timedelta(seconds=entry.pending_for) if entry.pending_for is not None else rule.lookback
    if entry.starts_at - pending >= record.began_at:
        return None
    message = f"alert {entry.name} fired at {moment(entry.starts_at)}"
    if entry.pending_for is not None:
        message += f" after {duration(pending)} pending: its cause began before this rollout"
        return Attribution(None, "BeganBefore", message)
    message += f"; with a look-back of {duration(pending)}, its cause may have begun before this rollout"
    return _unsure(rule, HoldReason.MAY_HAVE_BEGUN_BEFORE, message)


def _summary(entry: AlertEntry) -> str:
    return f": {entry.summary}" if entry.summary else ""

"""Who belongs to which arm: the warm pods of the candidate and of the stable revision, or the versions they carry.

A pod that has not been ready for the whole warm-up when a tick begins is left out of that tick, in both arms: its
counters cannot be told apart within the tick, and a cold start is not evidence. One that became ready within the tick
belongs to those. A warm-up of zero leaves no pod out.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

from sentinel.domain.evidence import Missing, MissingReason
from sentinel.domain.policy.rules import Arms
from sentinel.domain.workload.facts import Workload
from sentinel.domain.workload.pods import Container, Pod
from sentinel.domain.workload.revision import Revision
from sentinel.engine.statistics.starts import AGES
from sentinel.values import dataclass

CANDIDATE = "candidate"
BASELINE = "baseline"
STARTS_WITHIN = timedelta(minutes=5)
"""A pod that becomes ready later than this after its containers started has lost its readiness and found it again."""


@dataclass(frozen=True, slots=True)
class Member:
    """Whose counters an arm is made of: one pod, or all pods of a revision that share a version label's value."""

    name: str
    pods: tuple[Pod, ...]

    def started_after(self, moment: datetime) -> bool:
        """Whether every process behind these counters began, or first served, after the moment: they began at zero."""
        return all(
            _after(pod.created_at, moment)
            or all(_after(c.running_since, moment) for c in pod.containers if not c.init)
            or (_after(pod.ready_since, moment) and starts(pod))
            for pod in self.pods
        )

    def made_after(self, moment: datetime) -> bool:
        """Whether this is one pod, by its name, and was made after the moment: what was read before is another's."""
        return [pod.name for pod in self.pods] == [self.name] and _after(self.pods[0].created_at, moment)

    def restarted_within(self, since: datetime, until: datetime) -> bool:
        """Whether a process behind these counters restarted in that time, so that they fell to zero.

        Of a version's shared counters that cannot be said: one pod's restart does not take the others' counts.
        """
        return len(self.pods) == 1 and any(
            since < moment <= until for c in self.pods[0].containers for moment in starts_of(c)
        )


def starts(pod: Pod) -> bool:
    """Whether a pod's readiness is its first, as far as its status tells."""
    ready = pod.ready_since
    return ready is not None and all(
        c.running_since is not None and ready <= c.running_since + STARTS_WITHIN
        for c in pod.containers
        if not c.init
    )


def _after(moment: datetime | None, other: datetime) -> bool:
    return moment is not None and moment > other


def starts_of(container: Container) -> Iterable[datetime]:
    """When this container began or ended a run, as far as its status tells: each time its counters fell to zero."""
    ends = (run.finished_at for run in (container.terminated, container.last) if run is not None)
    return (moment for moment in (container.running_since, *ends) if moment is not None)


@dataclass(frozen=True, slots=True)
class Split:
    """The members of both arms, and why an arm cannot be identified; `concurrent`: there are stable pods.

    `young` are the candidate's ready pods that were not ready for a minute when the tick began, in their arm or not.
    """

    members: Mapping[str, tuple[Member, ...]]
    concurrent: bool
    missing: tuple[Missing, ...] = ()
    young: tuple[Member, ...] = ()


def split_arms(
    workload: Workload,
    candidate: Revision,
    baseline: Revision | None,
    since: datetime,
    warmup: timedelta,
    arms: Arms,
) -> Split:
    of_arm = {
        CANDIDATE: workload.pods_of(candidate),
        BASELINE: workload.pods_of(baseline) if baseline is not None else (),
    }
    concurrent = bool(of_arm[BASELINE])
    if arms.version_label is None:
        members = {
            arm: tuple(Member(pod.name, (pod,)) for pod in pods if _is_warm(pod, since, warmup))
            for arm, pods in of_arm.items()
        }
        young = tuple(Member(pod.name, (pod,)) for pod in of_arm[CANDIDATE] if _is_young(pod, since))
        return Split(members, concurrent, young=young)
    return _split_by_version(
        of_arm,
        {CANDIDATE: candidate, BASELINE: baseline},
        arms.version_label,
        lambda pod: _is_warm(pod, since, warmup),
    )


def _is_warm(pod: Pod, since: datetime, warmup: timedelta) -> bool:
    if not warmup:
        return True
    return pod.ready and pod.ready_since is not None and pod.ready_since + warmup <= since


def _is_young(pod: Pod, since: datetime) -> bool:
    age = timedelta(seconds=AGES[-1])
    return pod.ready and pod.ready_since is not None and pod.ready_since + age > since and starts(pod)


def _split_by_version(
    of_arm: Mapping[str, tuple[Pod, ...]],
    revisions: Mapping[str, Revision | None],
    label: str,
    is_warm: Callable[[Pod], bool],
) -> Split:
    """Arms by a version label. A version's counts cannot be taken apart, so one cold pod leaves its arm out."""
    concurrent = bool(of_arm[BASELINE])
    versions = {
        arm: version_of(revision, label)
        for arm, revision in revisions.items()
        if revision is not None and of_arm[arm]
    }
    nothing: dict[str, tuple[Member, ...]] = {CANDIDATE: (), BASELINE: ()}
    unknown = [arm for arm, version in versions.items() if version is None]
    if unknown:
        detail = (
            f"the rule tells the arms apart by {label!r}, which the pod template does not set to one value"
        )
        missing = tuple(Missing(MissingReason.BAD_QUERY, arm, detail) for arm in unknown)
        return Split(nothing, concurrent, missing)
    if len(set(versions.values())) < len(versions):
        detail = f"candidate and baseline have the same {label!r} ({versions[CANDIDATE]})"
        return Split(nothing, concurrent, (Missing(MissingReason.BAD_QUERY, CANDIDATE, detail),))
    members = {
        arm: (Member(str(versions[arm]), pods),) if pods and all(map(is_warm, pods)) else ()
        for arm, pods in of_arm.items()
    }
    return Split(members, concurrent)


def version_of(revision: Revision, label: str) -> str | None:
    """The value of the template label that a metric calls `label`; None without exactly one.

    A metrics system renames labels: `app.kubernetes.io/version` becomes `app_kubernetes_io_version` in Prometheus
    and `version` in Datadog's unified tags.
    """
    exact = revision.labels.get(label)
    if exact is not None:
        return exact
    values = {
        value
        for key, value in revision.labels.items()
        if label in (re.sub(r"[^A-Za-z0-9_]", "_", key), key.rpartition("/")[2])
    }
    return values.pop() if len(values) == 1 else None

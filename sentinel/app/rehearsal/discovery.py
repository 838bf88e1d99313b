"""Finds past rollouts in the series of kube-state-metrics: a ReplicaSet gets pods beside another one.

The fate of each: people rolled it back if a later rollout is to the very revision that this one replaced.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from sentinel.app.rehearsal.byname import read_pods, replicas_of
from sentinel.app.rehearsal.history import MetricHistory, RangeSeries
from sentinel.app.rehearsal.model import PastRollout, RevisionFate
from sentinel.domain.policy.policy import Policy

STEP = timedelta(seconds=30)
CREATED_STEP = timedelta(minutes=4)
"""Short enough that no ReplicaSet comes and goes between two samples of Prometheus' lookback."""

SCRAPED_WITHIN = timedelta(minutes=2)
"""How long after its creation a ReplicaSet may first show in the series."""

KEPT_AFTER = timedelta(days=1)
"""A revision that ran this long before a newer one came was good enough for its people."""


async def find_rollouts(
    history: MetricHistory, since: datetime, until: datetime, workload: tuple[str, str] | None
) -> list[PastRollout]:
    """All rollouts of Deployments that began in this time, oldest first. Raises SourceError."""
    namespace = f'namespace="{workload[0]}"' if workload else ""
    owner = f', {namespace}, owner_name="{workload[1]}"' if workload else ""
    replicas = await history.range(
        f"max by (namespace, replicaset) (kube_replicaset_spec_replicas{{{namespace}}}) "
        "* on (namespace, replicaset) group_left (owner_name) max by (namespace, replicaset, owner_name) "
        f'(kube_replicaset_owner{{owner_kind="Deployment"{owner}}}) > 0',
        since,
        until,
        STEP,
    )
    created = await history.range(
        f"max by (namespace, replicaset) (kube_replicaset_created{{{namespace}}})", since, until, CREATED_STEP
    )
    births = {
        (one.labels.get("namespace", ""), one.labels.get("replicaset", "")): one.points[-1][1]
        for one in created
        if one.points
    }
    return rollouts_in(replicas, births, until)


async def find_by_name(
    history: MetricHistory,
    policies: Iterable[Policy],
    since: datetime,
    until: datetime,
    workload: tuple[str, str],
) -> list[PastRollout]:
    """The rollouts of one Deployment by its pods' names, without kube-state-metrics. Raises SourceError."""
    pods = await read_pods(history, policies, workload, since, until, STEP)
    return rollouts_in(replicas_of(pods, workload), {}, until)


def rollouts_in(
    replicas: Iterable[RangeSeries], births: Mapping[tuple[str, str], float], until: datetime
) -> list[PastRollout]:
    """The rollouts that these series show. `births` are the ReplicaSets' times of creation, where known."""
    by_owner: dict[tuple[str, str], list[RangeSeries]] = {}
    for one in replicas:
        owner = one.labels.get("namespace", ""), one.labels.get("owner_name", "")
        by_owner.setdefault(owner, []).append(one)
    found = (
        rollout
        for (namespace, name), series in by_owner.items()
        for rollout in _of_workload(namespace, name, series, births, until)
    )
    return sorted(found, key=lambda rollout: (rollout.began, rollout.id))


def _of_workload(
    namespace: str,
    name: str,
    series: Sequence[RangeSeries],
    births: Mapping[tuple[str, str], float],
    until: datetime,
) -> list[PastRollout]:
    changes = [
        (_born(births.get((namespace, new)), at, before_at), new, old, active)
        for at, before_at, new, old, active in _changes(series)
    ]
    found = []
    for index, (began, new, old, active) in enumerate(changes):
        later = [(at, to) for at, to, _, _ in changes[index + 1 :]]
        ended = later[0][0] if later else None
        found.append(
            PastRollout(
                namespace,
                name,
                candidate=_hash(name, new),
                stable=_hash(name, old),
                began=began,
                until=ended or until,
                fate=_fate(began, new, old, later),
                ended=ended,
                revisions=tuple(sorted(_hash(name, one) for one in {*active, new, old})),
            )
        )
    return found


def _changes(
    series: Sequence[RangeSeries],
) -> Iterable[tuple[datetime, datetime, str, str, frozenset[str]]]:
    """Each time a ReplicaSet gets pods that had none: when, the sample before, it, the one it replaces, all of them."""
    at_times: dict[datetime, dict[str, float]] = {}
    for one in series:
        for at, value in one.points:
            at_times.setdefault(at, {})[one.labels.get("replicaset", "")] = value
    before: dict[str, float] = {}
    before_at: datetime | None = None
    leading = ""
    for at in sorted(at_times):
        now = at_times[at]
        new = sorted(now.keys() - before.keys())
        if before_at is not None and new:
            old = leading if leading in before else max(before, key=lambda one: (before[one], one))
            yield at, before_at, new[0], old, frozenset(now)
            leading = new[0]
        elif before_at is None:
            leading = max(now, key=lambda one: (now[one], one))
        before, before_at = now, at


def _born(birth: float | None, at: datetime, before_at: datetime) -> datetime:
    """When it began: the ReplicaSet's creation where that is news, not of an old one that got pods again."""
    if birth is not None and (before_at - SCRAPED_WITHIN).timestamp() < birth <= at.timestamp():
        return datetime.fromtimestamp(birth, at.tzinfo)
    return before_at if birth is None else at


def _fate(began: datetime, new: str, old: str, later: Sequence[tuple[datetime, str]]) -> RevisionFate:
    """The fate of a revision, by what was rolled out after it; a later return to it counts in its favour."""
    if later and later[0][1] == old:
        return RevisionFate.ROLLED_BACK
    kept = not later or later[0][0] - began >= KEPT_AFTER or any(to == new for _, to in later)
    return RevisionFate.KEPT if kept else RevisionFate.REPLACED


def _hash(workload: str, replicaset: str) -> str:
    return replicaset.removeprefix(f"{workload}-")

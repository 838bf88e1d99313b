"""Judges one rollout in one pass: takes the evidence in that came, looks around where proof stands alone."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from sentinel.domain.alert import AlertStatus
from sentinel.domain.policy import ErrorRateRule, LatencyRule
from sentinel.domain.verdict import RuleVerdict, VerdictKind
from sentinel.domain.workload import Workload, WorkloadKey
from sentinel.engine.alerts.naming import workloads_named
from sentinel.engine.evidence.assessment import Holds
from sentinel.engine.reconciling.judging import judged, judged_alerts
from sentinel.engine.rollout.situation import Situation
from sentinel.engine.rules.environment import confirm
from sentinel.ports import Cluster, Conditions, RecordStore
from sentinel.runtime.alerts.directory import directory_of
from sentinel.runtime.evidence.collector import EvidenceCollector, Neighbour
from sentinel.runtime.policy_registry import PolicyBook


class Judge:
    """From a situation as it was read to the same with its verdicts and its alerts judged."""

    def __init__(
        self,
        cluster: Cluster,
        store: RecordStore,
        book: PolicyBook,
        collector: EvidenceCollector,
        conditions: Conditions,
    ) -> None:
        self._cluster = cluster
        self._store = store
        self._book = book
        self._collector = collector
        self._holds: Holds = lambda text, values, scalar: conditions.holds(text, values, scalar=scalar)

    async def judge(self, situation: Situation, *, ever_pulled: bool) -> Situation:
        """Take in what was measured since the last pass, and judge every rule and every alert by it."""
        record = situation.record
        situation = judged(
            situation,
            self._collector.take(record),
            self._holds,
            ever_pulled=ever_pulled,
            unmeasured=self._collector.unmeasured(record, situation.policy),
            learnt=self._collector.learnt(record),
        )
        verdicts = [await self._confirmed(verdict, situation) for verdict in situation.verdicts]
        situation = replace(situation, verdicts=tuple(verdicts))
        if not record.alerts:
            return situation
        named = partial(workloads_named, known=directory_of(self._cluster))
        return replace(situation, alerts=judged_alerts(situation, self._alerts_elsewhere(record.key), named))

    async def _confirmed(self, verdict: RuleVerdict, situation: Situation) -> RuleVerdict:
        """A fail without a concurrent baseline stands only if the surroundings bear it out."""
        rule = situation.policy.rule(verdict.rule)
        proven = verdict.alone and verdict.kind is VerdictKind.FAIL
        if not proven or not isinstance(rule, ErrorRateRule | LatencyRule):
            return verdict
        neighbours = self._neighbours(rule, situation.workload)
        around = await self._collector.surroundings(rule, situation.record, situation.workload, neighbours)
        return confirm(verdict, around)

    def _neighbours(self, rule: ErrorRateRule | LatencyRule, workload: Workload) -> Sequence[Neighbour]:
        """The other guarded workloads at rest that have a rule of the same kind."""
        found = []
        everyone = self._cluster.keys()
        for key in everyone:
            other = self._cluster.workload(key) if key != workload.key else None
            policy = self._book.guarding(other) if other is not None and other.rolled_out else None
            if other is None or policy is None:
                continue
            same = next((r for r in policy.rules if type(r) is type(rule)), None)
            if isinstance(same, ErrorRateRule | LatencyRule):
                found.append(Neighbour(other, same))
        return found

    def _alerts_elsewhere(self, key: WorkloadKey) -> list[tuple[WorkloadKey, datetime]]:
        """When alerts came in for other workloads: a storm is nobody's fault in particular."""
        return [
            (other.key, entry.received_at)
            for other in self._store.live()
            if other.key != key
            for entry in other.alerts
            if entry.status is AlertStatus.FIRING
        ]

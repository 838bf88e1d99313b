"""Asks for the hour before each rollout, beside everything else, and learns from it how errors cluster."""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import Past, PastCounters
from sentinel.domain.policy.policy import Policy
from sentinel.domain.policy.rules import ErrorRateRule, LatencyRule
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from sentinel.domain.workload.facts import Workload, WorkloadKey
from sentinel.engine.arms.variables import Variables, render_query, variables_of
from sentinel.engine.evidence.history import calibration_in, candidate_pods, past_of
from sentinel.engine.evidence.schedule import stable_of
from sentinel.engine.statistics.calibration import Calibration, calibrate, windows_of
from sentinel.metric_names import MetricName
from sentinel.ports import MetricSource, Telemetry
from sentinel.runtime.evidence.timing import timing_of

log = logging.getLogger(__name__)

AT_A_TIME = 2
"""Of a release of everything at once, so many rollouts' pasts are asked for at the same time."""
MOST_ATTEMPTS = 4


@dataclass(slots=True)
class _Lesson:
    """One rule's past of one rollout."""

    attempts: int = 0
    last: datetime | None = None
    task: asyncio.Task[None] | None = None
    learnt: Calibration | None = None


class PastReader:
    """Learns once for each rule of each rollout.

    A source that does not answer is asked again a tick later, four times at most; nothing waits for it.
    """

    def __init__(
        self,
        sources: Mapping[str, MetricSource],
        wake: Callable[[WorkloadKey], None],
        telemetry: Telemetry,
    ) -> None:
        self._sources = sources
        self._wake = wake
        self._telemetry = telemetry
        self._rollouts: dict[str, dict[str, _Lesson]] = {}
        self._turns = asyncio.Semaphore(AT_A_TIME)

    def learnt(self, record: Record) -> Mapping[str, Calibration]:
        """What has been learnt for a rollout so far, by rule."""
        lessons = self._rollouts.get(record.name, {})
        return {name: one.learnt for name, one in lessons.items() if one.learnt is not None}

    def request(self, record: Record, policy: Policy, workload: Workload, now: datetime) -> None:
        """Ask for what is not known yet."""
        if record.state.phase is Phase.PROMOTED:
            return
        for rule in policy.rules:
            if isinstance(rule, ErrorRateRule | LatencyRule) and rule.query.source in self._sources:
                self._request_rule(rule, record, policy, workload, now)

    def forget(self, record: Record) -> None:
        """The rollout is over."""
        self._drop(record.name)

    def keep_only(self, live: Collection[str]) -> None:
        """Drop the state of rollouts, by their records' names, that are no longer live."""
        for name in self._rollouts.keys() - live:
            self._drop(name)

    def _drop(self, name: str) -> None:
        for lesson in self._rollouts.pop(name, {}).values():
            if lesson.task is not None:
                lesson.task.cancel()

    async def close(self) -> None:
        """Cancel every question."""
        lessons = [lesson for each in self._rollouts.values() for lesson in each.values()]
        tasks = [lesson.task for lesson in lessons if lesson.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._rollouts.clear()

    def _request_rule(
        self,
        rule: ErrorRateRule | LatencyRule,
        record: Record,
        policy: Policy,
        workload: Workload,
        now: datetime,
    ) -> None:
        lessons = self._rollouts.setdefault(record.name, {})
        lesson = lessons.setdefault(rule.name, _Lesson())
        timing = timing_of(self._sources.get(rule.query.source))
        known = lesson.learnt or calibration_in(record.state.analysis.get(rule.name))
        waits = lesson.last is not None and now - lesson.last < timing.tick(rule)
        if known is not None or lesson.task is not None or waits or lesson.attempts >= MOST_ATTEMPTS:
            return
        past = past_of(rule, record, workload, timing, now)
        if past is None:
            return
        variables = variables_of(workload, stable_of(workload, record))
        size = candidate_pods(policy, workload, len(past.pods))
        lesson.attempts, lesson.last = lesson.attempts + 1, now

        async def learn() -> None:
            try:
                async with self._turns:
                    counters = await self._ask(rule, variables, past)
                    lesson.learnt = await asyncio.to_thread(
                        lambda: calibrate(windows_of(counters), size=size)
                    )
                self._wake(record.key)
            except SourceError as error:
                # Nothing is lost but precision: what is remembered, or the default, goes on being used.
                log.info(
                    "the measurements of the hour before %s are not available yet: %s", record.name, error
                )
                self._telemetry.count(
                    MetricName.EVIDENCE_MISSING_TOTAL, source=rule.query.source, reason=error.reason
                )
            finally:
                lesson.task = None

        lesson.task = asyncio.get_running_loop().create_task(learn(), name=f"learn {record.name}/{rule.name}")

    async def _ask(self, rule: ErrorRateRule | LatencyRule, variables: Variables, past: Past) -> PastCounters:
        source = self._sources[rule.query.source]
        if isinstance(rule, ErrorRateRule):
            return await source.history(render_query(rule.query, variables), past)
        return await source.history(render_query(rule.query, variables), past)

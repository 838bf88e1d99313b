"""Asks for the time before each rollout, beside everything else: how errors cluster, and how pods start."""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import field
from datetime import datetime
from typing import Generic, TypeVar

from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import Past, PastCounters
from sentinel.domain.policy.policy import Policy
from sentinel.domain.policy.rules import CountQuery, ErrorRateRule, HistogramQuery, LatencyRule
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from sentinel.domain.workload.facts import Workload, WorkloadKey
from sentinel.engine.arms.variables import render_query, variables_of
from sentinel.engine.evidence.history import CALIBRATION, candidate_pods, past_of
from sentinel.engine.evidence.schedule import stable_of
from sentinel.engine.evidence.starting import last_starts_of
from sentinel.engine.statistics.calibration import Calibration, calibrate, windows_of
from sentinel.engine.statistics.starts import StartProfile
from sentinel.metric_names import MetricName
from sentinel.ports import MetricSource, Telemetry
from sentinel.runtime.evidence.past.batches import Answer, PastBatches, PastQuestion
from sentinel.runtime.evidence.timing import timing_of
from sentinel.values import dataclass

log = logging.getLogger(__name__)

MOST_ATTEMPTS = 4

_Learnt = TypeVar("_Learnt", Calibration, StartProfile)


@dataclass(slots=True)
class _Lesson(Generic[_Learnt]):
    """What one rule learns of the past of one rollout."""

    attempts: int = 0
    last: datetime | None = None
    question: PastQuestion | None = None
    learnt: _Learnt | None = None


@dataclass(frozen=True, slots=True)
class _Topic(Generic[_Learnt]):
    """What to ask of the past, and what an answer teaches."""

    title: str
    past: Past
    teach: Callable[[PastCounters], _Learnt]


@dataclass(frozen=True, slots=True)
class _Lessons:
    """What one rollout learns, by rule."""

    calibrations: dict[str, _Lesson[Calibration]] = field(default_factory=dict)
    starts: dict[str, _Lesson[StartProfile]] = field(default_factory=dict)

    def cancel(self) -> None:
        """Wait for nothing any longer."""
        for question in self._questions():
            question.cancel()

    def _questions(self) -> Iterator[PastQuestion]:
        yield from (one.question for one in self.calibrations.values() if one.question is not None)
        yield from (one.question for one in self.starts.values() if one.question is not None)


class PastReader:
    """Learns once for each rule of each rollout.

    A source that does not answer is asked again a tick later, four times at most; nothing waits for it. While it is
    left alone it is not asked, and no attempt is spent.
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
        self._rollouts: dict[str, _Lessons] = {}
        self._batches = PastBatches(sources)

    def learnt(self, record: Record) -> Mapping[str, Calibration]:
        """How errors cluster, as far as a rollout has learnt, by rule."""
        lessons = self._rollouts.get(record.name, _Lessons()).calibrations
        return {name: one.learnt for name, one in lessons.items() if one.learnt is not None}

    def started(self, record: Record) -> Mapping[str, StartProfile]:
        """How the stable's pods started last, as far as a rollout has learnt, by rule."""
        lessons = self._rollouts.get(record.name, _Lessons()).starts
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
        lessons = self._rollouts.pop(name, None)
        if lessons is not None:
            lessons.cancel()

    async def close(self) -> None:
        """Cancel every question."""
        await self._batches.close()
        self._rollouts.clear()

    def _request_rule(
        self,
        rule: ErrorRateRule | LatencyRule,
        record: Record,
        policy: Policy,
        workload: Workload,
        now: datetime,
    ) -> None:
        lessons = self._rollouts.setdefault(record.name, _Lessons())
        timing = timing_of(self._sources.get(rule.query.source))
        kept = record.state.analysis.get(rule.name, {})
        past = past_of(rule, record, workload, timing, now) if CALIBRATION not in kept else None
        if past is not None:
            size = candidate_pods(policy, workload, len(past.pods))
            topic = _Topic("hour", past, lambda counters: calibrate(windows_of(counters), size=size))
            lesson = lessons.calibrations.setdefault(rule.name, _Lesson())
            self._learn(lesson, topic, rule, record, workload, now)
        question = last_starts_of(rule, record, workload, policy, timing, now)
        if question is not None:
            starts = lessons.starts.setdefault(rule.name, _Lesson())
            about = _Topic("last starts", question.past, question.profile)
            self._learn(starts, about, rule, record, workload, now)

    def _learn(
        self,
        lesson: _Lesson[_Learnt],
        topic: _Topic[_Learnt],
        rule: ErrorRateRule | LatencyRule,
        record: Record,
        workload: Workload,
        now: datetime,
    ) -> None:
        """Ask, unless the answer is known or under way, or was asked for a moment ago or too often."""
        tick = timing_of(self._sources.get(rule.query.source)).tick(rule)
        waits = lesson.last is not None and now - lesson.last < tick
        known = lesson.learnt is not None or (lesson.question is not None and not lesson.question.over)
        if known or waits or lesson.attempts >= MOST_ATTEMPTS:
            return
        variables = variables_of(workload, stable_of(workload, record))
        if isinstance(rule, ErrorRateRule):
            query: CountQuery | HistogramQuery = render_query(rule.query, variables)
        else:
            query = render_query(rule.query, variables)
        lesson.attempts, lesson.last = lesson.attempts + 1, now

        async def take(answer: Answer) -> None:
            if isinstance(answer, SourceError):
                self._note_failure(lesson, topic.title, record, query.source, answer)
                return
            lesson.learnt = await asyncio.to_thread(topic.teach, answer)
            if not question.over:
                self._wake(record.key)

        question: PastQuestion = PastQuestion(query, topic.past, lesson.attempts, take)
        lesson.question = question
        self._batches.ask(question)

    def _note_failure(
        self, lesson: _Lesson[_Learnt], title: str, record: Record, source: str, error: SourceError
    ) -> None:
        if not error.asked:
            lesson.attempts -= 1
            return
        # Nothing is lost but precision: what is remembered, or the default, goes on being used.
        log.info("the measurements of the %s before %s are not available yet: %s", title, record.name, error)
        self._telemetry.count(MetricName.EVIDENCE_MISSING_TOTAL, source=source, reason=error.reason)

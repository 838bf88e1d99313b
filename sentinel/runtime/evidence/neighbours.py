"""Looks around a candidate that is proven bad without a baseline: at the stable before it, and at other workloads."""

from collections.abc import Sequence
from datetime import datetime

from sentinel.domain.errors import SourceError
from sentinel.domain.policy.rules import ErrorRateRule, LatencyRule
from sentinel.domain.record.record import Record
from sentinel.domain.workload.facts import Workload
from sentinel.domain.workload.revision import Revision
from sentinel.engine.evidence.schedule import HOUR_BEFORE, NEIGHBOURS_WITHIN, grid, stable_of, was_over
from sentinel.engine.rules.environment import OTHERS_OVER, Surroundings
from sentinel.ports import Clock
from sentinel.runtime.evidence.asking import RuleQuestions
from sentinel.runtime.evidence.spanindex import SpanIndex
from sentinel.values import dataclass


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A guarded workload at rest, and its own rule of the same kind."""

    workload: Workload
    rule: ErrorRateRule | LatencyRule


class SurroundingsReader:
    """Asks about a candidate's surroundings. A source that does not answer leaves them unknown."""

    def __init__(self, questions: RuleQuestions, index: SpanIndex, clock: Clock) -> None:
        self._questions = questions
        self._index = index
        self._clock = clock

    async def read(
        self,
        rule: ErrorRateRule | LatencyRule,
        record: Record,
        before: Workload,
        neighbours: Sequence[Neighbour],
    ) -> Surroundings:
        """What must hold around the candidate; `before` is the workload as it was with stable pods.

        Whose hour before it was, only a snapshot tells in which those pods still are. What is unknown keeps the
        candidate from being undone.
        """
        stable = stable_of(before, record)
        began = grid(record.started_at, rule.interval)
        stable_was_over = (
            await self._was_over(rule, before, stable, began - HOUR_BEFORE, began) if stable else None
        )
        until = grid(self._clock.now() - self._questions.timing(rule).settle, rule.interval)
        others = 0
        for neighbour in neighbours:
            at_rest = neighbour.workload
            over = await self._was_over(
                neighbour.rule, at_rest, at_rest.candidate, until - NEIGHBOURS_WITHIN, until
            )
            others += bool(over)
            if others >= OTHERS_OVER:
                break
        was_good = None if stable_was_over is None else not stable_was_over
        return Surroundings(was_good, others, first=record.stable is None)

    async def _was_over(
        self,
        rule: ErrorRateRule | LatencyRule,
        workload: Workload,
        revision: Revision,
        since: datetime,
        until: datetime,
    ) -> bool | None:
        """Whether a revision's pods, taken as the baseline, were over the limit between two times."""
        try:
            spans = await self._questions.spans(rule, workload, revision, since, until)
        except SourceError:
            return None
        return was_over(rule, self._index.own(spans, workload), workload, revision, since, until)

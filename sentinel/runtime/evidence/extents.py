"""Finds out up to when the rules of a rollout can be asked, of sources that tell."""

import asyncio
from datetime import timedelta
from typing import Protocol

from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import Extent, Missing, MissingReason
from sentinel.domain.policy.rules import ErrorRateRule, LatencyRule, MetricRule
from sentinel.engine.evidence.schedule import stable_of
from sentinel.metric_names import MetricName
from sentinel.ports import Clock, Telemetry
from sentinel.runtime.evidence.asking import RuleQuestions
from sentinel.runtime.evidence.ledger import Ledger, MeasuredRollout

APART = timedelta(seconds=0.1)
"""Whatever a source says, it is not asked for an extent more often."""


class Known(Protocol):
    """Told that up to when a rule can be asked is in the ledger, or why that is unknown."""

    def __call__(
        self, rule: MetricRule, rollout: MeasuredRollout, ledger: Ledger, *, failed: bool
    ) -> None: ...


class ExtentReader:
    """Asks for the extent of a rule, one question of a rule at a time, and calls back once it is in the ledger."""

    def __init__(
        self,
        questions: RuleQuestions,
        clock: Clock,
        telemetry: Telemetry,
        known: Known,
    ) -> None:
        self._questions = questions
        self._clock = clock
        self._telemetry = telemetry
        self._known = known

    def read(
        self,
        rule: ErrorRateRule | LatencyRule,
        rollout: MeasuredRollout,
        ledger: Ledger,
        pods: tuple[str, ...],
    ) -> None:
        """Ask now, about these pods; about all where none are given.

        A source that does not answer is asked again a tick later; meanwhile its evidence is missing.
        """
        name = f"extent of {rollout.record.name}/{rule.name}"
        task = asyncio.get_running_loop().create_task(self._read(rule, rollout, ledger, pods), name=name)
        ledger.running[rule.name] = task

        def over(task: "asyncio.Task[bool]") -> None:
            ledger.running.pop(rule.name, None)
            if not task.cancelled():
                self._known(rule, rollout, ledger, failed=not task.result())

        task.add_done_callback(over)

    async def _read(
        self,
        rule: ErrorRateRule | LatencyRule,
        rollout: MeasuredRollout,
        ledger: Ledger,
        pods: tuple[str, ...],
    ) -> bool:
        now, stable = self._clock.now(), stable_of(rollout.workload, rollout.record)
        try:
            extent = await self._questions.extent(rule, rollout.workload, stable, now, pods)
        except SourceError as error:
            ledger.failing[rule.name] = missing_for(error, rule, self._telemetry)
            before = ledger.extents.get(rule.name, Extent(ledger.since, now))
            again = now + self._questions.timing(rule, ledger.pace(rule.name)).tick(rule)
            ledger.extents[rule.name] = Extent(before.until, again)
            return False
        ledger.extents[rule.name] = Extent(extent.until, max(extent.again, now + APART))
        return True


def missing_for(error: SourceError, rule: MetricRule, telemetry: Telemetry) -> Missing:
    """What a source's error means to a rule; it is counted."""
    source = rule.query.source
    telemetry.count(MetricName.EVIDENCE_MISSING_TOTAL, source=source, reason=error.reason)
    return Missing(MissingReason(error.reason), source, str(error))

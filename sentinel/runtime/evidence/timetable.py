"""Decides when the metric rules of a rollout are measured: at their ticks, by extra looks, as late samples come."""

from datetime import datetime, timedelta
from typing import Protocol

from sentinel.domain.policy.rules import ErrorRateRule, LatencyRule, MetricRule, QueryRule
from sentinel.domain.workload.facts import Workload
from sentinel.engine.evidence.judged import rules_in
from sentinel.engine.evidence.looks import STEP, last_tick, next_look, reached
from sentinel.engine.evidence.schedule import SourceTiming, Window, awaited, grid, window
from sentinel.metric_names import MetricName
from sentinel.ports import Clock, Telemetry
from sentinel.ratelimit import TokenBuckets
from sentinel.runtime.evidence.asking import RuleQuestions
from sentinel.runtime.evidence.extents import ExtentReader
from sentinel.runtime.evidence.ledger import NEXT, DueLine, Ledger, MeasuredRollout
from sentinel.runtime.precedence import GiveWay
from sentinel.values import replace

LOOKS_PER_SECOND = 2.0
LOOKS_AT_ONCE = 20
"""Extra looks of all rollouts together at one source: a flood of suspicions must not become a flood of queries."""
SOON = timedelta(milliseconds=10)
LONGEST = 600.0
"""Seconds after which what is due is looked at again, in case the clock was set."""


class RuleMeasuring(Protocol):
    """Measures rules. One measurement of a rule at a time is asked of it."""

    def seen(self, rollout: MeasuredRollout) -> Workload:
        """The workload as it is now."""
        ...

    def pods(self, rule: ErrorRateRule | LatencyRule, workload: Workload) -> tuple[str, ...]:
        """Whose samples a rule waits for; none are named where it waits for those of all."""
        ...

    def begin(
        self,
        rule: MetricRule,
        rollout: MeasuredRollout,
        ledger: Ledger,
        span: tuple[datetime, datetime],
        *,
        look: bool,
    ) -> None:
        """Begin to measure a rule between two times; `look` when it is an extra look, not a whole tick."""
        ...

    def unknown(self, rule: MetricRule, rollout: MeasuredRollout, ledger: Ledger) -> None:
        """Up to when a rule can be asked could not be found out; the ledger says why."""
        ...


class Timetable:
    """Begins each measurement when it is due; never more than one of a rule at a time."""

    def __init__(
        self,
        questions: RuleQuestions,
        measuring: RuleMeasuring,
        clock: Clock,
        telemetry: Telemetry,
        give_way: GiveWay,
    ) -> None:
        self._questions = questions
        self._measuring = measuring
        self._clock = clock
        self._telemetry = telemetry
        self._line = DueLine(self.ask_due, give_way)
        self._extents = ExtentReader(questions, clock, telemetry, self._come_again)
        self._allowance = TokenBuckets(LOOKS_PER_SECOND, LOOKS_AT_ONCE)

    def close(self) -> None:
        """Begin nothing from now on."""
        self._line.close()

    def ask_due(self, rollout: MeasuredRollout, ledger: Ledger) -> None:
        """Start what is due, and come again when the next one will be.

        After news nothing is asked until it was taken: the reconcile that takes it says what is next.
        """
        ledger.quiet(NEXT)
        if ledger.news:
            return
        rollout = ledger.current or rollout
        now, workload = self._clock.now(), self._measuring.seen(rollout)
        due = [
            self._request_rule(rule, rollout, ledger, workload, now)
            for rule in rules_in(rollout.policy, rollout.record.state.phase)
            if isinstance(rule, ErrorRateRule | LatencyRule | QueryRule)
            and not awaited(rule, rollout.record, workload)
        ]
        if due:
            wait = max(SOON, min(due) - now).total_seconds()
            ledger.call(NEXT, min(wait, LONGEST), lambda: self._line.join(rollout, ledger))

    def _request_rule(
        self, rule: MetricRule, rollout: MeasuredRollout, ledger: Ledger, workload: Workload, now: datetime
    ) -> datetime:
        """Start what is due of one rule; returns when to come again.

        A source that tells up to when it can be asked is asked for that first, when there can be more. What it told
        may reach ahead of the clock: then the ticks up to there are measured at their time. A step whose bake is over
        waits for evidence up to there, for no tick.
        """
        timing = self._questions.timing(rule, ledger.pace(rule.name))
        if not timing.told or isinstance(rule, QueryRule):
            return self._request_settled(rule, rollout, ledger, workload, timing, now)
        extent = ledger.extents.get(rule.name)
        if extent is not None:
            behind = extent.behind(now)
            known = replace(timing, settle=behind)
            wanted = self._request_settled(rule, rollout, ledger, workload, known, now) - behind
            if rollout.bake_ends is not None and extent.until < rollout.bake_ends:
                wanted = min(wanted, rollout.bake_ends)
            again = wanted if wanted <= extent.until else max(wanted, extent.again)
            if again > now:
                return again
        if rule.name not in ledger.running:
            self._extents.read(rule, rollout, ledger, self._measuring.pods(rule, workload))
        return now + timing.tick(rule)

    def _request_settled(
        self,
        rule: MetricRule,
        rollout: MeasuredRollout,
        ledger: Ledger,
        workload: Workload,
        timing: SourceTiming,
        now: datetime,
    ) -> datetime:
        baked = reached(rollout.bake_ends, now - timing.settle)
        ends = last_tick(rule, baked, ledger.last(rule.name), timing) if baked is not None else None
        due = window(rule, rollout.record, workload, timing, now, ends)
        last_try = max(ledger.attempted.get(rule.name, due.since), due.since)
        if due.until > last_try and rule.name not in ledger.running:
            ledger.attempted[rule.name] = due.until
            self._measuring.begin(rule, rollout, ledger, (due.since, due.until), look=False)
            return max(due.next_due, now + timing.tick(rule) / 10)
        busy = rule.name in ledger.running or rule.name in ledger.failing
        if busy or rule.name not in rollout.suspected:
            return due.next_due
        return min(due.next_due, self._look(rule, rollout, ledger, due, timing) or due.next_due)

    def _look(
        self, rule: MetricRule, rollout: MeasuredRollout, ledger: Ledger, due: Window, timing: SourceTiming
    ) -> datetime | None:
        """Take the next extra look if it is due and allowed; returns when to come back for it, None: it is asked."""
        now = self._clock.now()
        until = next_look(rule, due, ledger.last(rule.name), timing)
        if until is None:
            return None
        if until + timing.settle > now:
            return until + timing.settle
        wait = self._allowance.take(rule.query.source, self._clock.monotonic())
        outcome = "postponed" if wait else "asked"
        self._telemetry.count(MetricName.EXTRA_LOOKS_TOTAL, source=rule.query.source, outcome=outcome)
        if wait:
            return now + timedelta(seconds=wait)
        newest = max(until, grid(now - timing.settle, STEP))
        self._measuring.begin(rule, rollout, ledger, (due.since, newest), look=True)
        return None

    def _come_again(
        self, rule: MetricRule, rollout: MeasuredRollout, ledger: Ledger, *, failed: bool
    ) -> None:
        """Up to when a rule can be asked is known now, or why not."""
        if failed:
            self._measuring.unknown(rule, rollout, ledger)
        if ledger.current is not None:
            self._line.join(ledger.current, ledger)

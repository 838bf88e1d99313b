"""Collects the metric rules' evidence beside the reconciles: asks for what is due, wakes a rollout that is answered."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta

from sentinel.domain.evidence import Missing
from sentinel.domain.policy.policy import Policy
from sentinel.domain.policy.rules import ErrorRateRule, LatencyRule
from sentinel.domain.record.record import Record
from sentinel.domain.workload.facts import Workload, WorkloadKey
from sentinel.engine.evidence.looks import EndsWith, last_tick, never
from sentinel.engine.evidence.measured import Measured
from sentinel.engine.evidence.schedule import TimingOf, has_stable_pods, settles_of, ticks_of, unmeasured
from sentinel.engine.rules.environment import Surroundings
from sentinel.engine.statistics.calibration import Calibration
from sentinel.engine.statistics.starts import StartProfile
from sentinel.ports import Clock, MetricSource, Telemetry
from sentinel.runtime.evidence.asking import RuleQuestions
from sentinel.runtime.evidence.inflight import PodsInFlight
from sentinel.runtime.evidence.ledger import Ledger, MeasuredRollout
from sentinel.runtime.evidence.measuring import Measurer
from sentinel.runtime.evidence.neighbours import Neighbour, SurroundingsReader
from sentinel.runtime.evidence.past.reader import PastReader
from sentinel.runtime.evidence.spanindex import SpanIndex
from sentinel.runtime.evidence.timetable import Timetable
from sentinel.runtime.precedence import GiveWay, next_turn


class EvidenceCollector:
    """Measures for every rollout in flight; never more than one measurement of a rule at a time.

    A measurement that failed is not lost: the next one covers its time as well, since counters are differenced
    from the last time that was taken in. Of many pieces of work at once each is begun after `give_way`.
    """

    def __init__(
        self,
        sources: Mapping[str, MetricSource],
        snapshot: Callable[[WorkloadKey], Workload | None],
        wake: Callable[[WorkloadKey], None],
        clock: Clock,
        telemetry: Telemetry,
        give_way: GiveWay = next_turn,
    ) -> None:
        self._sources = sources
        self._clock = clock
        self._ledgers: dict[str, Ledger] = {}
        self._in_flight = PodsInFlight()
        questions, index = RuleQuestions(sources), SpanIndex()
        self._questions = questions
        measurer = Measurer(questions, index, self._in_flight, snapshot, wake, clock, telemetry, give_way)
        self._measurer = measurer
        self._timetable = Timetable(questions, measurer, clock, telemetry, give_way)
        self._pasts = PastReader(sources, wake, telemetry)
        self._around = SurroundingsReader(questions, index, clock)

    def take(self, record: Record) -> tuple[Measured, ...]:
        """What came in since the last call, in the order of its times."""
        ledger = self._ledgers.get(record.name)
        if ledger is None:
            return ()
        return tuple(sorted(ledger.take(), key=lambda one: one.until))

    def learnt(self, record: Record) -> Mapping[str, Calibration]:
        """What the hour before the rollout has taught so far, by rule."""
        return self._pasts.learnt(record)

    def started(self, record: Record) -> Mapping[str, StartProfile]:
        """How the stable's pods started last, as far as that is known, by rule."""
        return self._pasts.started(record)

    def forget(self, record: Record) -> None:
        """The rollout is over: drop what it was still waiting for."""
        self._pasts.forget(record)
        self._in_flight.drop(record.name)
        ledger = self._ledgers.pop(record.name, None)
        if ledger is not None:
            ledger.close()

    def keep_only(self, live: Collection[str]) -> None:
        """Drop the state of rollouts, by their records' names, that are no longer live."""
        for name in self._ledgers.keys() - live:
            self._ledgers.pop(name).close()
        self._pasts.keep_only(live)
        self._in_flight.keep_only(live)

    async def close(self) -> None:
        """Cancel every measurement."""
        await self._pasts.close()
        tasks = [task for ledger in self._ledgers.values() for task in ledger.close()]
        self._timetable.close()
        tasks += self._measurer.close()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._ledgers.clear()
        self._in_flight.keep_only(())

    def request(
        self,
        record: Record,
        policy: Policy,
        workload: Workload,
        suspected: Collection[str] = (),
        bake_ends: datetime | None = None,
        calm: Collection[str] = (),
    ) -> None:
        """Start the measurements that are due, and those that will be at their time, until the rollout is judged again.

        The rules that are `suspected` get extra looks between two ticks; harmless ticks of those that are `calm` wait
        to be judged with later ones, up to the end of the bake. Where a source tells up to when it can be
        asked, it is asked until that is the end of the step's bake.
        """
        now = self._clock.now()
        self._pasts.request(record, policy, workload, now)
        ledger = self._ledgers.setdefault(record.name, Ledger(now))
        if ledger.beside is None and has_stable_pods(workload, record):
            ledger.beside = workload
        ledger.current = MeasuredRollout(record, policy, workload, suspected, bake_ends, calm)
        self._in_flight.note(ledger.current)
        self._timetable.ask_due(ledger.current, ledger)

    def unmeasured(self, record: Record, policy: Policy, workload: Workload) -> dict[str, Missing]:
        """Of which metric rules there is no recent evidence, and why: the last measurement failed, or is long ago.

        What is old because nobody measured is not missing yet: a process that takes a rollout up asks first.
        """
        ledger = self._ledgers.get(record.name)
        if ledger is None:
            return {}
        timing_of, now = self._timing_of(record), self._clock.now()
        return unmeasured(policy, record, workload, ledger.failing, ledger.since, timing_of, now)

    def settles(self, record: Record, policy: Policy) -> dict[str, timedelta]:
        """How far behind the clock the numbers of each metric rule are: now where a source tells, else mostly."""
        timing_of, ledger = self._timing_of(record), self._ledgers.get(record.name)
        extents = ledger.extents if ledger is not None else {}
        told = {
            rule.name: extents[rule.name].behind(self._clock.now())
            for rule in policy.rules
            if isinstance(rule, ErrorRateRule | LatencyRule) and rule.name in extents and timing_of(rule).told
        }
        return {**settles_of(policy, timing_of), **told}

    def ends_with(self, record: Record) -> EndsWith:
        """Whether a tick of a rule of this rollout may end with a bake, by when its pods were scraped last."""
        ledger, timing_of = self._ledgers.get(record.name), self._timing_of(record)
        if ledger is None:
            return never
        return lambda rule, ends: last_tick(rule, ends, ledger.last(rule.name), timing_of(rule)) is not None

    def ticks(self, record: Record, policy: Policy) -> dict[str, timedelta]:
        """How long one tick of each metric rule is now, as what it measures has samples."""
        return ticks_of(policy, self._timing_of(record))

    def _timing_of(self, record: Record) -> TimingOf:
        """How the sources want to be asked, by what this process has seen of the rollout's samples."""
        ledger = self._ledgers.get(record.name)
        return lambda rule: self._questions.timing(
            rule, ledger.pace(rule.name) if ledger is not None else 0.0
        )

    async def surroundings(
        self,
        rule: ErrorRateRule | LatencyRule,
        record: Record,
        workload: Workload,
        neighbours: Sequence[Neighbour],
    ) -> Surroundings:
        """What must hold around a candidate that is proven bad without a baseline beside it."""
        ledger = self._ledgers.get(record.name)
        before = (ledger.beside if ledger else None) or workload
        return await self._around.read(rule, record, before, neighbours)

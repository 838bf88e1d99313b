"""Asks the gates of steps, beside the passes: a pass takes in what was answered and never waits for it."""

import asyncio
import logging
from collections.abc import Callable, Collection
from datetime import datetime

from sentinel.domain.gate import Gate, GateAnswer, GateResult, JobGate, is_final
from sentinel.domain.policy.policy import Mode, Policy
from sentinel.domain.record.record import Record
from sentinel.domain.workload.facts import WorkloadKey
from sentinel.engine.rollout.gates import gate_ends, gates_asked, gates_of
from sentinel.metric_names import MetricName
from sentinel.ports import Clock, GateCaller, Telemetry
from sentinel.runtime.gates.jobs import GateJobs
from sentinel.runtime.logfields import about_record
from sentinel.values import replace

log = logging.getLogger(__name__)

RETRY_EVERY = 10.0
LOOK_EVERY = 5.0
"""How often a Job that runs is looked at, in seconds."""
AT_ONCE = 16
"""So many gates are asked in the same moment; others wait their turn."""

_Place = tuple[str, datetime, int]
"""A record's name, since when the gates of its present step are asked, and which of them."""


class GateRunner:
    """Keeps one task per gate that is to be asked, until it has a final answer or its time is over.

    Answers are kept in memory until the record holds them; a restart asks again what had not passed yet, and finds
    the Jobs that run by their names. A Job whose result is no longer needed is deleted.
    """

    def __init__(
        self,
        caller: GateCaller,
        jobs: GateJobs,
        wake: Callable[[WorkloadKey], None],
        clock: Clock,
        telemetry: Telemetry,
    ) -> None:
        self._caller = caller
        self._jobs = jobs
        self._wake = wake
        self._clock = clock
        self._telemetry = telemetry
        self._tasks: dict[_Place, asyncio.Task[None]] = {}
        self._results: dict[_Place, GateResult] = {}
        self._taken_away: dict[_Place, asyncio.Task[None]] = {}
        self._room = asyncio.Semaphore(AT_ONCE)

    def taken(self, record: Record) -> Record:
        """The record with the newest answers."""
        since = record.state.gating.asked_since
        if since is None or not self._results:
            return record
        newest = tuple(
            self._results.get((record.name, since, index), result)
            for index, result in enumerate(record.state.gating.results)
        )
        return record.with_gates(newest)

    def heed(self, record: Record, policy: Policy, mode: Mode) -> None:
        """Have asked what the record's state asks for, and stop asking what it does not. Nothing in observe mode."""
        gates, since = gates_asked(policy, record), record.state.gating.asked_since
        if mode is Mode.OBSERVE:
            self.forget(record.name)
            return
        if not gates or since is None:
            self.dismiss(record, policy, mode)
            return
        for place in [p for p in self._tasks if p[0] == record.name and p[1] != since]:
            self._drop(place)
        for index, (gate, result) in enumerate(zip(gates, record.state.gating.results, strict=False)):
            place = (record.name, since, index)
            if place not in self._tasks and not is_final(gate, result.answer):
                self._results[place] = result
                self._tasks[place] = asyncio.ensure_future(self._keep_asking(place, gate, record))

    def dismiss(self, record: Record, policy: Policy | None, mode: Mode) -> None:
        """Stop asking for a rollout that goes on, or ends, without its gates; Jobs that may run are deleted.

        In observe mode nothing is touched: they end by themselves, or by their deadline.
        """
        answers = self.taken(record).state.gating.results
        self.forget(record.name)
        since = record.state.gating.asked_since
        if since is None or policy is None or mode is Mode.OBSERVE:
            return
        gates = gates_of(policy, record.state.progress.step)
        for index, (gate, result) in enumerate(zip(gates, answers, strict=False)):
            place = (record.name, since, index)
            runs = isinstance(gate, JobGate) and not is_final(gate, result.answer)
            if runs and place not in self._taken_away:
                removal = asyncio.ensure_future(self._jobs.take_away(record, index))
                self._taken_away[place] = removal

    def forget(self, name: str) -> None:
        """Stop asking for a rollout, by its record's name, and leave its Jobs as they are."""
        for place in [p for p in {*self._tasks, *self._results} if p[0] == name]:
            self._drop(place)

    def keep_only(self, live: Collection[str]) -> None:
        """Forget rollouts that ended otherwise than by this process."""
        for name in {place[0] for place in {*self._tasks, *self._results}} - set(live):
            self.forget(name)
        for place, removal in list(self._taken_away.items()):
            if place[0] not in live and removal.done():
                del self._taken_away[place]

    async def close(self) -> None:
        """Stop asking altogether; Jobs go on, for the next leader to find."""
        tasks = [*self._tasks.values(), *self._taken_away.values()]
        for name in {place[0] for place in {*self._tasks, *self._results}}:
            self.forget(name)
        for removal in self._taken_away.values():
            removal.cancel()
        self._taken_away.clear()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _drop(self, place: _Place) -> None:
        self._results.pop(place, None)
        task = self._tasks.pop(place, None)
        if task is not None:
            task.cancel()

    async def _keep_asking(self, place: _Place, gate: Gate, record: Record) -> None:
        """Ask until the answer is final or the gate's time is over; once at the least."""
        ends = gate_ends(gate, place[1])
        while True:
            result = self._results[place]
            answer, detail = await self._ask(gate, record, place[2], result)
            self._results[place] = replace(
                result, answer=answer, detail=detail, tries=result.tries + 1, at=self._clock.now()
            )
            self._telemetry.count(MetricName.GATE_CALLS_TOTAL, answer=answer.value)
            if (answer, detail) != (result.answer, result.detail):
                log.info(
                    "gate %s: %s (%s)",
                    gate.name,
                    answer.value,
                    detail,
                    extra=about_record(record),
                )
            self._wake(record.key)
            if is_final(gate, answer) or self._clock.now() >= ends:
                return
            await self._clock.sleep(LOOK_EVERY if isinstance(gate, JobGate) else RETRY_EVERY)

    async def _ask(self, gate: Gate, record: Record, index: int, last: GateResult) -> tuple[GateAnswer, str]:
        async with self._room:
            try:
                if isinstance(gate, JobGate):
                    return await self._jobs.ask(gate, record, index, last)
                return await self._caller.ask(gate, record)
            except Exception as error:
                # A defect in the caller is not an answer: the gate is called again, and holds in the end.
                log.exception("gate %s could not be called", gate.name, extra=about_record(record))
                return GateAnswer.UNANSWERED, f"could not be called: {type(error).__name__}"

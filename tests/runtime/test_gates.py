"""The keeper of gates: asked beside the passes, again until the answer is final, and no longer than wanted."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

from sentinel.domain.gate import GateAnswer, GateResult, WebhookGate
from sentinel.domain.policy import Step
from sentinel.domain.record import Phase, Record
from sentinel.domain.workload import WorkloadKey
from sentinel.runtime.gates import AT_ONCE, GateKeeper
from tests.engine.builders import CANARY, in_state, with_strategy
from tests.runtime.doubles import Counts, LoopClock

GATE = WebhookGate("smoke", "http://qa/check", within=timedelta(minutes=1))
POLICY = with_strategy(CANARY, steps=(Step(0.1, gates=(GATE,)),))


class Caller:
    """Answers as it is told; `slow` makes each call take so many seconds."""

    def __init__(self, answer: GateAnswer = GateAnswer.FAILED) -> None:
        self.answer = answer
        self.slow = 0.0
        self.calls = 0
        self.under_way = 0
        self.most = 0
        self.defect = False

    async def ask(self, gate: WebhookGate, record: Record) -> tuple[GateAnswer, str]:
        self.calls += 1
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await asyncio.sleep(self.slow)
        finally:
            self.under_way -= 1
        if self.defect:
            raise RuntimeError("a defect")
        return self.answer, "said"


class Desk:
    """A keeper, its caller, and who was woken."""

    def __init__(self) -> None:
        self.clock = LoopClock()
        self.caller = Caller()
        self.woken: list[WorkloadKey] = []
        self.keeper = GateKeeper(self.caller, self.woken.append, self.clock, Counts())

    def waiting(self, name: str = "api-new") -> Record:
        made = in_state(Phase.BAKING, gates_since=self.clock.now(), gates=(GateResult("smoke"),))
        return replace(made, name=name)

    def answer(self, record: Record) -> GateResult:
        return self.keeper.taken(record).state.gates[0]


async def test_an_answer_is_taken_in_by_the_next_pass() -> None:
    """The pass that asked goes on at once; the answer wakes the workload."""
    desk = Desk()
    record = desk.waiting()
    desk.caller.answer = GateAnswer.PASSED
    desk.keeper.heed(record, POLICY)
    assert desk.answer(record).answer is GateAnswer.PENDING
    await asyncio.sleep(1)
    assert (desk.answer(record).answer, desk.answer(record).tries) == (GateAnswer.PASSED, 1)
    assert desk.woken == [record.key]
    await desk.keeper.close()


async def test_a_gate_that_says_no_is_asked_until_its_time_is_over() -> None:
    """However often a pass looks; a later yes counts no more."""
    desk = Desk()
    record = desk.waiting()
    for _ in range(120):
        desk.keeper.heed(desk.keeper.taken(record), POLICY)
        await asyncio.sleep(1)
    assert desk.answer(record).tries == desk.caller.calls == 7
    await desk.keeper.close()


async def test_a_gate_that_passed_is_not_asked_again() -> None:
    """Neither by this process nor by the next, which finds it in the record."""
    desk = Desk()
    desk.caller.answer = GateAnswer.PASSED
    record = desk.waiting()
    desk.keeper.heed(record, POLICY)
    await asyncio.sleep(30)
    kept = desk.keeper.taken(record)
    following = Desk()
    following.keeper.heed(kept, POLICY)
    await asyncio.sleep(30)
    assert (desk.caller.calls, following.caller.calls) == (1, 0)
    await desk.keeper.close()


async def test_nobody_is_asked_once_the_rollout_is_held() -> None:
    """A call under way is cut short."""
    desk = Desk()
    desk.caller.slow = 5
    record = desk.waiting()
    desk.keeper.heed(record, POLICY)
    await asyncio.sleep(1)
    desk.keeper.heed(record.with_state(replace(record.state, phase=Phase.HELD)), POLICY)
    await asyncio.sleep(60)
    assert (desk.caller.calls, desk.caller.under_way, desk.woken) == (1, 0, [])


async def test_rollouts_that_ended_elsewhere_are_forgotten() -> None:
    """Nothing of them is asked any more."""
    desk = Desk()
    desk.keeper.heed(desk.waiting("gone"), POLICY)
    await asyncio.sleep(1)
    desk.keeper.keep_only({"other"})
    await asyncio.sleep(60)
    assert desk.caller.calls == 1


async def test_so_many_are_asked_at_once_and_no_more() -> None:
    """The others wait, and get their turn."""
    desk = Desk()
    desk.caller.slow, desk.caller.answer = 5, GateAnswer.PASSED
    records = [desk.waiting(f"api-{number}") for number in range(40)]
    for record in records:
        desk.keeper.heed(record, POLICY)
    await asyncio.sleep(20)
    assert desk.caller.most == AT_ONCE
    assert all(desk.answer(record).answer is GateAnswer.PASSED for record in records)
    await desk.keeper.close()


async def test_a_defect_in_the_caller_is_no_answer() -> None:
    """The gate is asked again."""
    desk = Desk()
    desk.caller.defect = True
    record = desk.waiting()
    desk.keeper.heed(record, POLICY)
    await asyncio.sleep(1)
    assert desk.answer(record).answer is GateAnswer.UNANSWERED
    desk.caller.defect, desk.caller.answer = False, GateAnswer.PASSED
    await asyncio.sleep(15)
    assert desk.answer(record).answer is GateAnswer.PASSED
    await desk.keeper.close()

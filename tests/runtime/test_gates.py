"""The keeper of gates: asked beside the passes, again until the answer is final, and no longer than wanted."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from sentinel.domain.errors import (
    ClusterError,
    ClusterUnavailableError,
    ForbiddenError,
    InvalidObjectError,
)
from sentinel.domain.gate import (
    GateAnswer,
    GateLimits,
    GateResult,
    JobGate,
    JobPhase,
    JobState,
    WebhookGate,
)
from sentinel.domain.policy.policy import Mode
from sentinel.domain.policy.strategy import Step
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from sentinel.domain.workload.facts import WorkloadKey
from sentinel.runtime.gates.jobs import TAKE_AWAY_TRIES, GateJobs
from sentinel.runtime.gates.runner import AT_ONCE, GateRunner
from tests.engine.builders import CANARY, in_state, with_strategy
from tests.runtime.doubles import Counts, LoopClock

GATE = WebhookGate("smoke", "http://qa/check", within=timedelta(minutes=1))
POLICY = with_strategy(CANARY, steps=(Step(0.1, gates=(GATE,)),))
JOB = JobGate("smoke", {"spec": {}}, timedelta(minutes=1))
JOB_POLICY = with_strategy(CANARY, steps=(Step(0.1, gates=(JOB,)),))
ALLOWED = GateLimits(jobs=True)


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


class Cluster:
    """Jobs by name: where they stand, or what asking for them raises. Those that were made, and taken away."""

    def __init__(self) -> None:
        self.phase = JobPhase.RUNNING
        self.fails: list[ClusterError] = []
        self.made: list[str] = []
        self.removed: list[str] = []

    async def run(
        self, gate: JobGate, record: Record, name: str, *, made: bool, timeout: float = 10.0
    ) -> JobState:
        if self.fails:
            raise self.fails[0]
        new = not made and name not in self.made
        if new:
            self.made.append(name)
        return JobState(name, self.phase, "said", new)

    async def remove(self, record: Record, name: str, *, timeout: float = 10.0) -> bool:
        if self.fails:
            raise self.fails.pop(0)
        self.removed.append(name)
        return name in self.made


class Desk:
    """A keeper, its caller, the Jobs of the cluster, and who was woken. It leads for `leads` seconds more."""

    def __init__(self, limits: GateLimits = ALLOWED, jobs: Cluster | None = None) -> None:
        self.clock = LoopClock()
        self.caller = Caller()
        self.jobs = jobs or Cluster()
        self.leads = 60.0
        self.counts = Counts()
        self.woken: list[WorkloadKey] = []
        runner = GateJobs(self.jobs, limits, lambda _: self.leads, self.clock, self.counts)
        self.keeper = GateRunner(self.caller, runner, self.woken.append, self.clock, self.counts)

    async def run_job(self, record: Record, seconds: float) -> GateResult:
        """Let passes heed a Job's gate for so long; the answer then."""
        for _ in range(int(seconds)):
            self.keeper.heed(self.keeper.taken(record), JOB_POLICY, Mode.ENFORCE)
            await asyncio.sleep(1)
        return self.answer(record)

    def waiting(self, name: str = "api-new") -> Record:
        made = in_state(Phase.BAKING, asked_since=self.clock.now(), results=(GateResult("smoke"),))
        return replace(made, name=name)

    def answer(self, record: Record) -> GateResult:
        return self.keeper.taken(record).state.gating.results[0]


async def test_an_answer_is_taken_in_by_the_next_pass() -> None:
    """The pass that asked goes on at once; the answer wakes the workload."""
    desk = Desk()
    record = desk.waiting()
    desk.caller.answer = GateAnswer.PASSED
    desk.keeper.heed(record, POLICY, Mode.ENFORCE)
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
        desk.keeper.heed(desk.keeper.taken(record), POLICY, Mode.ENFORCE)
        await asyncio.sleep(1)
    assert desk.answer(record).tries == desk.caller.calls == 7
    await desk.keeper.close()


async def test_a_gate_that_passed_is_not_asked_again() -> None:
    """Neither by this process nor by the next, which finds it in the record."""
    desk = Desk()
    desk.caller.answer = GateAnswer.PASSED
    record = desk.waiting()
    desk.keeper.heed(record, POLICY, Mode.ENFORCE)
    await asyncio.sleep(30)
    kept = desk.keeper.taken(record)
    following = Desk()
    following.keeper.heed(kept, POLICY, Mode.ENFORCE)
    await asyncio.sleep(30)
    assert (desk.caller.calls, following.caller.calls) == (1, 0)
    await desk.keeper.close()


async def test_nobody_is_asked_once_the_rollout_is_held() -> None:
    """A call under way is cut short."""
    desk = Desk()
    desk.caller.slow = 5
    record = desk.waiting()
    desk.keeper.heed(record, POLICY, Mode.ENFORCE)
    await asyncio.sleep(1)
    desk.keeper.heed(record.with_state(replace(record.state, phase=Phase.HELD)), POLICY, Mode.ENFORCE)
    await asyncio.sleep(60)
    assert (desk.caller.calls, desk.caller.under_way, desk.woken) == (1, 0, [])


async def test_rollouts_that_ended_elsewhere_are_forgotten() -> None:
    """Nothing of them is asked any more."""
    desk = Desk()
    desk.keeper.heed(desk.waiting("gone"), POLICY, Mode.ENFORCE)
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
        desk.keeper.heed(record, POLICY, Mode.ENFORCE)
    await asyncio.sleep(20)
    assert desk.caller.most == AT_ONCE
    assert all(desk.answer(record).answer is GateAnswer.PASSED for record in records)
    await desk.keeper.close()


async def test_a_defect_in_the_caller_is_no_answer() -> None:
    """The gate is asked again."""
    desk = Desk()
    desk.caller.defect = True
    record = desk.waiting()
    desk.keeper.heed(record, POLICY, Mode.ENFORCE)
    await asyncio.sleep(1)
    assert desk.answer(record).answer is GateAnswer.UNANSWERED
    desk.caller.defect, desk.caller.answer = False, GateAnswer.PASSED
    await asyncio.sleep(15)
    assert desk.answer(record).answer is GateAnswer.PASSED
    await desk.keeper.close()


async def test_a_job_is_made_once_and_looked_at_until_it_ends() -> None:
    """The step waits meanwhile; its success is final."""
    desk = Desk()
    record = desk.waiting()
    assert (await desk.run_job(record, 20)).answer is GateAnswer.RUNNING
    desk.jobs.phase = JobPhase.SUCCEEDED
    found = await desk.run_job(record, 10)
    assert found.answer is GateAnswer.PASSED
    assert found.detail == f"Job {desk.jobs.made[0]}: said"
    tries = found.tries
    assert (await desk.run_job(record, 10)).tries == tries
    assert len(desk.jobs.made) == 1
    assert desk.counts.counted["gate_jobs_total made"] == 1
    assert desk.counts.counted["gate_jobs_total succeeded"] == 1
    await desk.keeper.close()


@pytest.mark.parametrize(
    ("phase", "answer"),
    [
        (JobPhase.FAILED, GateAnswer.FAILED),
        (JobPhase.TIMED_OUT, GateAnswer.TIMEOUT),
        (JobPhase.GONE, GateAnswer.REFUSED),
    ],
)
async def test_however_a_job_ends_it_is_not_asked_again(phase: JobPhase, answer: GateAnswer) -> None:
    """Unlike a webhook's, its no is final."""
    desk = Desk()
    desk.jobs.phase = phase
    record = desk.waiting()
    found = await desk.run_job(record, 30)
    assert (found.answer, found.tries) == (answer, 1)


async def test_the_next_process_finds_the_job_that_runs() -> None:
    """By the name, which is the same for whoever asks."""
    desk = Desk()
    record = desk.waiting()
    await desk.run_job(record, 5)
    await desk.keeper.close()
    assert desk.jobs.removed == []
    following = Desk(jobs=desk.jobs)
    desk.jobs.phase = JobPhase.SUCCEEDED
    assert (await following.run_job(record, 5)).answer is GateAnswer.PASSED
    assert len(desk.jobs.made) == 1
    await following.keeper.close()


async def test_a_job_is_asked_for_past_its_time_while_kubernetes_may_still_end_it() -> None:
    """A little longer than it may take, and no longer."""
    desk = Desk()
    record = desk.waiting()
    tries = (await desk.run_job(record, 120)).tries
    assert tries == 19  # every 5 s for a minute and half of another, and at once
    await desk.keeper.close()


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (ClusterUnavailableError("slow"), GateAnswer.UNANSWERED),
        (ForbiddenError("not yet"), GateAnswer.UNANSWERED),
        (InvalidObjectError("spec.x"), GateAnswer.REFUSED),
        (ClusterError("another's", reason="NotOurs"), GateAnswer.REFUSED),
    ],
)
async def test_what_the_api_server_says_no_to_is_no_answer_of_the_job(
    error: ClusterError, answer: GateAnswer
) -> None:
    """What may pass is tried again; what will not is said at once."""
    desk = Desk()
    desk.jobs.fails = [error]
    record = desk.waiting()
    found = await desk.run_job(record, 12)
    assert found.answer is answer
    assert str(error) in found.detail
    desk.jobs.fails = []
    passes = await desk.run_job(record, 12)
    assert passes.answer is (GateAnswer.RUNNING if answer is GateAnswer.UNANSWERED else answer)
    await desk.keeper.close()


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (GateLimits(), "gates.jobs.enabled is false"),
        (
            GateLimits(jobs=True, namespaces=("other",)),
            "gates.jobs.namespaces in the settings does not include",
        ),
        (
            GateLimits(jobs=True, service_accounts=("smoke-*",)),
            "gates.jobs.service_accounts in the settings does not include default",
        ),
    ],
)
async def test_a_job_that_the_settings_do_not_allow_is_not_made(limits: GateLimits, said: str) -> None:
    """Refused, with the setting's name."""
    desk = Desk(limits)
    found = await desk.run_job(desk.waiting(), 5)
    assert found.answer is GateAnswer.REFUSED
    assert said in found.detail
    assert desk.jobs.made == []


async def test_a_replica_that_does_not_lead_makes_no_job() -> None:
    """Nor does it take one away."""
    desk = Desk()
    desk.leads = 0.0
    record = desk.waiting()
    assert (await desk.run_job(record, 5)).answer is GateAnswer.UNANSWERED
    desk.keeper.dismiss(record, JOB_POLICY, Mode.ENFORCE)
    await asyncio.sleep(1)
    assert (desk.jobs.made, desk.jobs.removed) == ([], [])


async def test_a_job_that_nobody_waits_for_is_taken_away_once() -> None:
    """However often the passes over the held rollout look."""
    desk = Desk()
    record = desk.waiting()
    await desk.run_job(record, 5)
    held = record.with_state(replace(desk.keeper.taken(record).state, phase=Phase.HELD))
    for _ in range(5):
        desk.keeper.heed(held, JOB_POLICY, Mode.ENFORCE)
        await asyncio.sleep(1)
    assert desk.jobs.removed == desk.jobs.made
    assert desk.counts.counted["gate_jobs_total taken_away"] == 1


async def test_a_job_that_has_ended_is_left_for_its_log() -> None:
    """Its rollout is held by it, and someone will want to read why."""
    desk = Desk()
    desk.jobs.phase = JobPhase.FAILED
    record = desk.waiting()
    await desk.run_job(record, 5)
    desk.keeper.dismiss(record, JOB_POLICY, Mode.ENFORCE)
    await asyncio.sleep(1)
    assert desk.jobs.removed == []


async def test_a_deletion_that_fails_is_tried_again_a_few_times() -> None:
    """Then the Job is left to its deadline."""
    desk = Desk()
    record = desk.waiting()
    await desk.run_job(record, 5)
    desk.jobs.fails = [ClusterUnavailableError("slow")]
    desk.keeper.dismiss(record, JOB_POLICY, Mode.ENFORCE)
    await asyncio.sleep(30)
    assert desk.jobs.removed == desk.jobs.made
    lost = desk.waiting("api-other")
    desk.jobs.fails = [ClusterUnavailableError("slow")] * (TAKE_AWAY_TRIES + 1)
    desk.keeper.dismiss(lost, JOB_POLICY, Mode.ENFORCE)
    await asyncio.sleep(600)
    assert len(desk.jobs.fails) == 1


async def test_in_observe_mode_no_job_is_made_and_none_taken_away() -> None:
    """A freeze while one runs leaves it to itself."""
    desk = Desk()
    record = desk.waiting()
    desk.keeper.heed(record, JOB_POLICY, Mode.OBSERVE)
    await asyncio.sleep(5)
    assert desk.jobs.made == []
    await desk.run_job(record, 5)
    desk.keeper.heed(record, JOB_POLICY, Mode.OBSERVE)
    desk.keeper.dismiss(record, JOB_POLICY, Mode.OBSERVE)
    await asyncio.sleep(5)
    assert desk.jobs.removed == []

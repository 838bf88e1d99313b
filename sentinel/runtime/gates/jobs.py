"""The Jobs of gates: what the settings allow is run, in front of the fence, and what nobody waits for is taken away."""

import logging

from sentinel.domain.errors import ClusterError, ForbiddenError, NotLeadingError
from sentinel.domain.gate import GateAnswer, GateLimits, GateResult, JobGate, JobPhase, JobState
from sentinel.domain.record.record import Record
from sentinel.engine.rollout.gates import job_name
from sentinel.metric_names import MetricName
from sentinel.ports import Clock, Jobs, Telemetry
from sentinel.runtime.fence import Fence, fenced
from sentinel.runtime.logfields import about_record

log = logging.getLogger(__name__)

TAKE_AWAY_TRIES = 5
TAKE_AWAY_PAUSE = 5.0
"""Between two tries to delete a Job, in seconds. One that cannot be deleted ends by its own deadline."""

_ANSWERS = {
    JobPhase.RUNNING: GateAnswer.RUNNING,
    JobPhase.SUCCEEDED: GateAnswer.PASSED,
    JobPhase.FAILED: GateAnswer.FAILED,
    JobPhase.TIMED_OUT: GateAnswer.TIMEOUT,
    JobPhase.GONE: GateAnswer.REFUSED,
}


class GateJobs:
    """Runs and removes the Jobs of gates. The fence guards both, since either may write."""

    def __init__(
        self, jobs: Jobs, limits: GateLimits, fence: Fence, clock: Clock, telemetry: Telemetry
    ) -> None:
        self._jobs = jobs
        self._limits = limits
        self._fence = fence
        self._clock = clock
        self._telemetry = telemetry

    async def ask(
        self, gate: JobGate, record: Record, index: int, last: GateResult
    ) -> tuple[GateAnswer, str]:
        """Have the Job made where it has not been, and say where it stands. Raises nothing."""
        limits = self._limits
        refused = limits.account_refused(gate.service_account) or limits.namespace_refused(
            record.key.namespace
        )
        if refused:
            return GateAnswer.REFUSED, refused
        name, made = job_name(record, index), last.answer is GateAnswer.RUNNING
        try:
            state = await fenced(
                self._fence,
                record.key.namespace,
                lambda limit: self._jobs.run(gate, record, name, made=made, timeout=limit),
            )
        except ClusterError as error:
            # What is forbidden now may be granted: roles are read late by an API server that has just started.
            passing = error.retryable or isinstance(error, ForbiddenError)
            answer = last.answer if made else GateAnswer.UNANSWERED
            return (answer if passing else GateAnswer.REFUSED), f"Job {name}: {error}"
        answer = _ANSWERS[state.phase]
        if state.made:
            self._count("made")
        if answer is not GateAnswer.RUNNING:
            self._count(state.phase.value.replace(" ", "_"))
        return answer, _said(state)

    async def take_away(self, record: Record, index: int) -> None:
        """Delete the Job, with a few tries; one that is not there is fine. Raises nothing."""
        name = job_name(record, index)
        for attempt in range(1, TAKE_AWAY_TRIES + 1):
            try:
                removed = await fenced(
                    self._fence,
                    record.key.namespace,
                    lambda limit: self._jobs.remove(record, name, timeout=limit),
                )
            except NotLeadingError:
                return  # the next leader does, where the rollout is still its own
            except ClusterError as error:
                log.warning(
                    "Job %s cannot be deleted (try %d of %d): %s",
                    name,
                    attempt,
                    TAKE_AWAY_TRIES,
                    error,
                    extra=about_record(record),
                )
                await self._clock.sleep(TAKE_AWAY_PAUSE)
            else:
                if removed:
                    self._count("taken_away")
                    log.info(
                        "deleted Job %s, whose result is no longer needed", name, extra=about_record(record)
                    )
                return

    def _count(self, outcome: str) -> None:
        self._telemetry.count(MetricName.GATE_JOBS_TOTAL, outcome=outcome)


def _said(state: JobState) -> str:
    return f"Job {state.name}" + (f": {state.message}" if state.message else "")

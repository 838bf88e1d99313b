"""What a running process knows beyond the saved records: the tests' newest states, between two checkpoints."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Json, RolloutState
from sentinel.domain.workload.facts import Workload
from sentinel.engine.evidence.remembering import FlagrantStarts, LessonReader
from sentinel.engine.reconciling.judging import ever_pulled
from sentinel.engine.rules.crashes import CRASHED_ON
from sentinel.values import replace

CHECKPOINT_EVERY = timedelta(minutes=1)
IDLE = 5
"""A state in which nothing was counted since is saved so many times as rarely: a restart measures that again."""


class WorkingState:
    """Newest analysis per record in memory. A restart loses at most `every` of it, and measures that again."""

    def __init__(self, every: timedelta = CHECKPOINT_EVERY) -> None:
        self._every = every
        self._states: dict[str, RolloutState] = {}
        self._saved: dict[str, Record] = {}
        self._pulled: set[str] = set()
        self._judged_at: dict[str, int] = {}
        self._restored: set[str] = set()
        self.lessons = LessonReader()
        self.flagrant = FlagrantStarts()

    def apply(self, record: Record) -> Record:
        """The record with the newest analysis; what was saved by anyone since counts where it is ahead."""
        self._saved[record.name] = record
        return self.newest(record)

    def newest(self, record: Record) -> Record:
        """The same for a reader, who changes nothing."""
        newest = self._states.get(record.name)
        if (
            newest is None
            or record.state.progress.step != newest.progress.step
            or _is_later(record.state, newest)
        ):
            return record
        return record.with_state(
            replace(
                record.state,
                analysis=newest.analysis,
                measured_until=newest.measured_until,
                course=newest.course,
            )
        )

    def remember(self, record: Record) -> None:
        """Keep this as the newest; a rollout that is over is forgotten."""
        if record.state.ending.ended_at is not None:
            self._states.pop(record.name, None)
            self._saved.pop(record.name, None)
            self._pulled.discard(record.name)
            self._judged_at.pop(record.name, None)
            self._restored.discard(record.name)
            self.lessons.forget(record.name)
            return
        self._states[record.name] = record.state

    def keep_only(self, live: Collection[str]) -> None:
        """Forget rollouts, by their records' names, that ended otherwise than by this process: gone, or by another."""
        for kept in (self._states, self._saved, self._judged_at):
            for name in kept.keys() - live:
                del kept[name]
        self._pulled.intersection_update(live)
        self._restored.intersection_update(live)
        self.lessons.keep_only(live)

    def noting_target(self, record: Record, workload: Workload) -> Record:
        """A record in Undoing, that says so if its target was ever seen in the template after the candidate.

        Then the undo was made, though its answer was lost and its outcome could not be written down, and a candidate
        that is in the template again was put back.
        """
        undo, digest = record.state.undo, workload.candidate.digest
        if undo is None:
            return record
        if digest == record.candidate.digest:
            self._judged_at[record.name] = max(workload.generation, self._judged_at.get(record.name, 0))
        elif digest == undo.target.digest and workload.generation > self._judged_at.get(record.name, 0):
            self._restored.add(record.name)
        if record.name not in self._restored:
            return record
        return record.with_state(replace(record.state, undo=replace(undo, target_seen=True)))

    def worth_saving(self, record: Record, now: datetime) -> bool:
        """Whether a reader of the record would see something new, or a checkpoint is due."""
        saved = self._saved.get(record.name)
        if saved is None or _visible(record) != _visible(saved):
            return True
        state, before = record.state, saved.state
        passed = now - before.saved_at if before.saved_at is not None else None
        if passed is not None and passed < self._every:
            return False
        if (state.weight, state.message) != (before.weight, before.message):
            return True
        if (state.analysis, state.measured_until) == (before.analysis, before.measured_until):
            return False
        due = passed is None or passed >= IDLE * self._every
        return due or _counted(state.analysis) != _counted(before.analysis)

    def ever_pulled(self, record: Record, workload: Workload) -> bool:
        """Whether a pod of the candidate ever had its images: then the registry is to blame, not the release."""
        if ever_pulled(workload):
            self._pulled.add(record.name)
        return record.name in self._pulled


def _is_later(saved: RolloutState, newest: RolloutState) -> bool:
    """Whether a state was saved after the one in memory was: by another process, that goes on from there."""
    return saved.saved_at is not None and newest.saved_at is not None and saved.saved_at > newest.saved_at


def _counted(analysis: Mapping[str, Json]) -> dict[str, dict[str, object]]:
    """The tests' states apart from how far they have come in time: without requests, and while pods simply run."""
    return {
        rule: {key: _apart_from_time(key, value, state) for key, value in state.items()}
        for rule, state in analysis.items()
    }


def _apart_from_time(key: str, value: object, state: Json) -> object:
    if key == "standing" and isinstance(value, Mapping):
        return {name: each for name, each in value.items() if name not in ("ticks", "until")}
    if CRASHED_ON in state and key in ("candidate", "baseline") and isinstance(value, list):
        return value[1:]  # how many crashed, without the seconds that pods ran
    return value


def _visible(record: Record) -> tuple[object, ...]:
    state = record.state
    return (
        record.candidate,
        state.phase,
        state.progress,
        state.hold,
        state.waits,
        state.gating.asked_since,
        tuple(result.answer for result in state.gating.results),
        state.brake.seen_generation > 0,
        state.brake.released_generation,
        state.brake.released_by_person,
        state.verdict,
        state.undo,
        state.keeper_hold,
        state.ending.ended_at,
        tuple(alert.verdict for alert in record.alerts),
    )

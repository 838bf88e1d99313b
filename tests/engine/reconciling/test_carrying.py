"""Decisions carried out: intent, change, outcome, each once, whatever comes between."""

from __future__ import annotations

from collections.abc import Callable, Generator
from datetime import datetime
from typing import Any

import pytest

from sentinel.domain.decision import Decision, Release, Restore
from sentinel.domain.errors import ClusterError, ClusterUnavailableError, ForbiddenError, PreconditionError
from sentinel.domain.policy.policy import Mode
from sentinel.domain.record.entries import Action, OutcomeKind
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from sentinel.engine.reconciling.carrying import Carrying
from sentinel.engine.reconciling.effects import Apply, Effect, Save, SaveReason
from sentinel.engine.reconciling.memory import Memory
from sentinel.engine.reconciling.view import View
from tests.engine.builders import in_state, paused, undone_to
from tests.engine.snapshots import at, workload


class Noon:
    """A view that knows the time and nothing else."""

    def __init__(self, seconds: float = 0) -> None:
        self.seconds = seconds

    def now(self) -> datetime:
        """The time that was set."""
        return at(self.seconds)


def carrying(memory: Memory | None = None) -> Carrying:
    """Carries decisions out at one moment."""
    view: View = Noon()  # type: ignore[assignment] - of the protocol only what is called
    return Carrying(view, memory or Memory())


def played(
    steps: Generator[Effect, Any, Record], applied: Callable[[Apply], str | ClusterError] = lambda _: "done"
) -> tuple[list[Effect], Record | ClusterError]:
    """The effects in order, and how it ended; every record is written, a change is answered by `applied`."""
    effects: list[Effect] = []
    answer: object = None
    error: ClusterError | None = None
    while True:
        try:
            effect = steps.throw(error) if error else steps.send(answer)
        except StopIteration as end:
            return effects, end.value
        except ClusterError as failed:
            return effects, failed
        effects.append(effect)
        answer, error = None, None
        if isinstance(effect, Save):
            answer = effect.record
        elif isinstance(effect, Apply):
            found = applied(effect)
            answer, error = (None, found) if isinstance(found, ClusterError) else (found, None)


def test_the_intent_is_written_before_the_change_is_made() -> None:
    """Whoever finds the record after a crash in between knows what was about to happen."""
    record = in_state(Phase.PROGRESSING)
    decision = Decision(record.state, None, action=Action.ADVANCE, reason="StepPassed", change=Release())
    effects, done = played(carrying().carry_out(record, decision, paused(1), Mode.ENFORCE))
    assert [type(effect) for effect in effects] == [Save, Apply, Save]
    first, last = effects[0], effects[2]
    assert isinstance(first, Save)
    assert isinstance(last, Save)
    assert (first.stage, last.stage) == (SaveReason.INTENT, SaveReason.OUTCOME)
    assert first.record.pending is not None
    assert isinstance(done, Record)
    assert done.pending is None


@pytest.mark.parametrize(
    ("restarted", "detail"),
    [
        (False, "completed after an error: no answer within 5 s"),
        (True, "completed after a restart or a change of leader"),
    ],
)
def test_a_decision_that_was_interrupted_tells_by_what(restarted: bool, detail: str) -> None:
    """Whoever reads the record is not told of a restart where there was none."""
    memory = Memory()
    record, at_a_step = in_state(Phase.PROGRESSING), paused(1)
    decision = Decision(record.state, None, action=Action.ADVANCE, reason="StepPassed", change=Release())
    steps = carrying(memory).carry_out(record, decision, at_a_step, Mode.ENFORCE)
    effects, failed = played(steps, lambda _: ClusterUnavailableError("no answer within 5 s"))
    assert isinstance(failed, ClusterUnavailableError)
    intent = effects[0]
    assert isinstance(intent, Save)
    written = intent.record
    assert written.pending is not None
    second = carrying(None if restarted else memory)
    _, done = played(second.complete(written, written.pending, None, at_a_step))
    assert isinstance(done, Record)
    assert done.decisions[-1].outcome is not None
    assert done.decisions[-1].outcome.detail == detail


def undoing() -> tuple[Record, Decision]:
    """A record whose undo was just decided."""
    record = in_state(Phase.UNDOING, undo=undone_to())
    return record, Decision(record.state, None, action=Action.UNDO, change=Restore(undone_to().target))


def test_an_undo_that_met_another_template_is_given_to_people() -> None:
    """What was judged is gone: the decision ends refused, and the same template is not undone by it later."""
    record, decision = undoing()
    changed = PreconditionError("the pod template was changed by kubectl", reason="TemplateChanged")
    _, found = played(carrying().carry_out(record, decision, workload(), Mode.ENFORCE), lambda _: changed)
    assert isinstance(found, Record)
    assert found.decisions[-1].outcome is not None
    assert found.decisions[-1].outcome.kind is OutcomeKind.REFUSED
    assert found.state.phase is Phase.HELD


def test_an_undo_that_is_forbidden_is_tried_again_at_first() -> None:
    """An API server that has just started refuses what it has not read the roles for yet."""
    record, decision = undoing()
    refused = ForbiddenError("deployments is forbidden")
    _, found = played(carrying().carry_out(record, decision, workload(), Mode.ENFORCE), lambda _: refused)
    assert found is refused


def test_in_observe_mode_an_undo_is_entered_as_observed() -> None:
    """The report of what would have been done counts it, the budget does not."""
    record = in_state(Phase.BAKING)
    decision = Decision(record.state, None, action=Action.UNDO, reason="ErrorRate")
    effects, found = played(carrying().carry_out(record, decision, workload(), Mode.OBSERVE))
    assert [type(effect) for effect in effects] == [Save]
    assert isinstance(found, Record)
    assert found.decisions[-1].outcome is not None
    assert found.decisions[-1].outcome.kind is OutcomeKind.OBSERVED

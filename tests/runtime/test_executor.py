"""The executor behind its fence."""

from __future__ import annotations

import pytest

from sentinel.domain.decision import Decision, Restore, Resume
from sentinel.domain.errors import ClusterUnavailableError, NotLeadingError, PreconditionError
from sentinel.domain.policy import Mode
from sentinel.domain.record import Action, OutcomeKind, Phase
from sentinel.ports import Cluster
from sentinel.runtime.reconciling.executor import Executor
from tests.engine.builders import in_state, paused, undone_to
from tests.engine.snapshots import workload
from tests.runtime.doubles import Counts, LoopClock, Shelf


class Untouched:
    """A cluster that nobody may change."""

    async def apply(self, *_what: object, **_how: object) -> str:
        """Never."""
        raise AssertionError("the cluster was touched")


async def test_who_does_not_lead_writes_no_decision_and_no_state() -> None:
    """Neither an entry nor a checkpoint is saved once the lease may be another's."""
    shelf, cluster = Shelf(), Untouched()
    touched: Cluster = cluster  # type: ignore[assignment] - of the protocol only what would be called
    executor = Executor(touched, shelf, LoopClock(), Counts(), lambda: 0.0)
    record = in_state(Phase.BAKING)
    decision = Decision(record.state, None, action=Action.ESCALATE, reason="Alert")
    with pytest.raises(NotLeadingError):
        await executor.carry_out(record, decision, None, Mode.ENFORCE)
    with pytest.raises(NotLeadingError):
        await executor.keep(record)
    assert not shelf.records


class Deaf:
    """A cluster that gives no answer."""

    async def apply(self, *_what: object, **_how: object) -> str:
        """Never."""
        raise ClusterUnavailableError("no answer within 5 s")


@pytest.mark.parametrize(
    ("restarted", "detail"),
    [
        (False, "carried on after an error: no answer within 5 s"),
        (True, "carried on after a restart or a change of leader"),
    ],
)
async def test_a_decision_that_was_interrupted_tells_by_what(restarted: bool, detail: str) -> None:
    """Whoever reads the record is not told of a restart where there was none."""
    shelf, deaf = Shelf(), Deaf()
    cluster: Cluster = deaf  # type: ignore[assignment] - of the protocol only what is called
    first, second = (Executor(cluster, shelf, LoopClock(), Counts()) for _ in range(2))
    record, workload = in_state(Phase.PROGRESSING), paused(1)
    decision = Decision(record.state, None, action=Action.ADVANCE, reason="StepPassed", change=Resume())
    with pytest.raises(ClusterUnavailableError):
        await first.carry_out(record, decision, workload, Mode.ENFORCE)
    written = shelf.records[record.name]
    assert written.pending is not None
    done = await (second if restarted else first).complete(written, written.pending, None, workload)
    assert done.decisions[-1].outcome is not None
    assert done.decisions[-1].outcome.detail == detail


class Elsewhere:
    """A cluster in which the workload's template is another one by now."""

    async def apply(self, *_what: object, **_how: object) -> str:
        """Refused."""
        raise PreconditionError("the pod template was changed by kubectl", reason="TemplateChanged")


async def test_an_undo_that_met_another_template_is_given_to_people() -> None:
    """What was judged is gone: the decision ends refused, and the same template is not undone by it later."""
    record = in_state(Phase.UNDOING, undo=undone_to())
    decision = Decision(record.state, None, action=Action.UNDO, change=Restore(undone_to().target))
    cluster: Cluster = Elsewhere()  # type: ignore[assignment] - of the protocol only what is called
    executor = Executor(cluster, Shelf(), LoopClock(), Counts())
    found = await executor.carry_out(record, decision, workload(), Mode.ENFORCE)
    assert found.decisions[-1].outcome is not None
    assert found.decisions[-1].outcome.kind is OutcomeKind.REFUSED
    assert found.state.phase is Phase.HELD

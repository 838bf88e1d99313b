"""The executor behind its fence."""

from __future__ import annotations

import pytest

from sentinel.domain.decision import Decision
from sentinel.domain.errors import NotLeadingError
from sentinel.domain.policy import Mode
from sentinel.domain.record import Action, Phase
from sentinel.ports import Cluster
from sentinel.runtime.executor import Executor
from tests.engine.builders import in_state
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

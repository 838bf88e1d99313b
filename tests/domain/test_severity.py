"""How urgent it is what people are called for."""

from __future__ import annotations

import pytest

from sentinel.domain.record.entries import Action
from sentinel.domain.severity import Severity, severity_of
from tests.engine.builders import entry


@pytest.mark.parametrize(
    ("action", "reason", "severity"),
    [
        (Action.HOLD, "UndoBudget", Severity.CRITICAL),
        (Action.ESCALATE, "RestoreOverdue", Severity.CRITICAL),
        (Action.ESCALATE, "PausedByHand", Severity.CRITICAL),
        (Action.HOLD, "PausedByHand", Severity.WARNING),
        (Action.HOLD, "EnvironmentOutage", Severity.ERROR),
        (Action.UNDO, "WorseThanBaseline", Severity.ERROR),
        (Action.HOLD, "EvidenceMissing", Severity.WARNING),
        (Action.ESCALATE, "AwaitingApproval", Severity.WARNING),
    ],
)
def test_a_bad_release_that_serves_on_is_the_most_urgent(
    action: Action, reason: str, severity: Severity
) -> None:
    """Then what may hurt users; what only waits for a person is a warning."""
    assert severity_of(entry(action, reason)) is severity

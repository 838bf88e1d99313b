"""What people asked for about a rollout, and what came of it."""

from datetime import datetime

from sentinel.domain.command import Command
from sentinel.values import dataclass


@dataclass(frozen=True, slots=True)
class CommandReport:
    """What a person asked for about this rollout, and its outcome; `message` says why it was refused."""

    name: str
    action: str
    requested_by: str
    reason: str
    at: datetime
    phase: str
    message: str
    answered_at: datetime | None


def command_report(asked: Command) -> CommandReport:
    """The report on a command."""
    return CommandReport(
        name=asked.name,
        action=asked.action.value,
        requested_by=asked.requested_by,
        reason=asked.reason,
        at=asked.created_at,
        phase=asked.phase.value,
        message=asked.message,
        answered_at=asked.answered_at,
    )

"""What people may ask of a rollout now, where they are offered it: by buttons in a message, or on a page."""

from sentinel.domain.command import CommandAction
from sentinel.domain.policy.policy import Mode
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase


def offered(record: Record) -> tuple[CommandAction, ...]:
    """The actions that apply to a rollout now; none once it has ended."""
    if not record.live or record.state.phase is Phase.UNDOING:
        return ()
    state, held = record.state, record.state.phase is Phase.HELD
    actions = []
    awaits = state.waits.approval_since is not None and not held and record.in_flight
    if awaits and state.progress.step + 1 not in record.approvals:
        actions.append(CommandAction.APPROVE)
    if record.in_flight:
        actions.append(CommandAction.RESUME if held else CommandAction.HOLD)
    if record.stable is not None and record.mode is not Mode.OBSERVE:
        actions.append(CommandAction.UNDO)
    return tuple(actions)


def applies(record: Record, action: CommandAction, step: int | None) -> bool:
    """Whether what was offered still applies; `step` is the one that was to be approved, from 1."""
    passed = action is CommandAction.APPROVE and step != record.state.progress.step + 1
    return action in offered(record) and not passed

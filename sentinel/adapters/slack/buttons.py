"""The buttons of a rollout's message: which ones apply, what a press of one carries, and reading it back."""

import hashlib
import json
from collections.abc import Mapping

from sentinel.adapters.slack.mrkdwn import Block
from sentinel.domain.command import CommandAction
from sentinel.domain.figures import percent
from sentinel.domain.record.offers import offered
from sentinel.domain.record.record import Record
from sentinel.domain.words import standing
from sentinel.values import dataclass

PREFIX = "rollout."

_LABELS = {CommandAction.APPROVE: "Approve", CommandAction.HOLD: "Hold", CommandAction.UNDO: "Undo"}
_STYLES = {CommandAction.APPROVE: "primary", CommandAction.UNDO: "danger"}
_MAX_NAME = 100
_MAX_CONFIRM = 300
"""The longest text of a confirmation that Slack accepts."""


@dataclass(frozen=True, slots=True)
class Press:
    """One press: what was asked for, of which rollout, and by whom.

    `decision` is the newest decision in the message when the button was pressed: the same button of a later message
    is another press. `step` counts from 1.
    """

    action: CommandAction
    namespace: str
    record: str
    step: int
    decision: str
    user: str
    user_name: str
    channel: str
    message: str

    @property
    def command(self) -> str:
        """The name of its RolloutCommand: the same for a second press by the same person."""
        told = (self.namespace, self.record, self.action.value, str(self.step), self.decision)
        digest = hashlib.sha256("\0".join((*told, self.message, self.user)).encode()).hexdigest()
        return f"slack-{self.action.value}-{digest[:20]}"

    @property
    def requested_by(self) -> str:
        """Who is named in the record."""
        return f"slack:{self.user}/{self.user_name}" if self.user_name else f"slack:{self.user}"


def buttons(record: Record) -> list[Block]:
    """The buttons that apply, as one block; empty if none applies."""
    elements = [_button(record, action) for action in offered(record) if action in _LABELS]
    return [{"type": "actions", "elements": elements}] if elements else []


def press_of(payload: Mapping[str, object]) -> Press | None:
    """The press in an interaction's payload; None if it is not a press of our buttons.

    Raises ValueError with a sentence if it is one of ours and cannot be read.
    """
    actions = payload.get("actions")
    if payload.get("type") != "block_actions" or not isinstance(actions, list) or len(actions) != 1:
        return None
    name = _text(actions[0], "action_id")
    if not name.startswith(PREFIX):
        return None
    value = _value(actions[0])
    user, container = payload.get("user"), payload.get("container")
    step = value.get("step") if isinstance(value, dict) else None
    if not isinstance(step, int):
        raise ValueError("the button's value has no step")  # noqa: TRY004 - what was sent is wrong, not how we are called
    return Press(
        action=CommandAction(name.removeprefix(PREFIX)),
        namespace=_text(value, "namespace"),
        record=_text(value, "record"),
        step=step,
        decision=_text(value, "decision"),
        user=_text(user, "id"),
        user_name=_name(user),
        channel=_text(container, "channel_id"),
        message=_text(container, "message_ts"),
    )


def _button(record: Record, action: CommandAction) -> Block:
    value = {
        "namespace": record.key.namespace,
        "record": record.name,
        "step": record.state.progress.step + 1,
        "decision": record.decisions[-1].id if record.decisions else "",
    }
    button: dict[str, object] = {
        "type": "button",
        "action_id": f"{PREFIX}{action.value}",
        "text": _plain(_LABELS[action]),
        "value": json.dumps(value),
    }
    if action in _STYLES:
        button["style"] = _STYLES[action]
    if action is not CommandAction.HOLD:
        button["confirm"] = _confirm(record, action)
    return button


def _confirm(record: Record, action: CommandAction) -> Block:
    """The confirmation of a press that moves the rollout: its effect, and where the rollout is."""
    undo, state = action is CommandAction.UNDO, record.state
    title = "Undo this rollout?" if undo else f"Approve step {state.progress.step + 1}?"
    effect = (
        f"goes back to {record.stable}" if undo else "continues with its next step once every rule has passed"
    )
    where = f"It is {standing(record).value}, at {percent(state.weight)} of the pods"
    text = f"{record.key.name} {effect}. {where}: {' '.join(state.message.split()) or 'no decision yet'}"
    return {
        "title": _plain(title),
        "text": _plain(text if len(text) <= _MAX_CONFIRM else f"{text[: _MAX_CONFIRM - 1]}…"),
        "confirm": _plain(_LABELS[action]),
        "deny": _plain("Cancel"),
        "style": _STYLES[action],
    }


def _plain(text: str) -> Mapping[str, object]:
    return {"type": "plain_text", "text": text}


def _text(value: object, key: str) -> str:
    found = value.get(key) if isinstance(value, Mapping) else None
    if not isinstance(found, str):
        raise ValueError(f"{key} is missing or not text")  # noqa: TRY004 - as above
    found.encode()  # a lone surrogate is not text either: UnicodeEncodeError is a ValueError
    return found


def _value(button: object) -> object:
    try:
        return json.loads(_text(button, "value"))
    except RecursionError:
        raise ValueError("the button's value is nested too deeply") from None


def _name(user: object) -> str:
    """The name that Slack shows, as a record can hold it."""
    found = (user.get("username") or user.get("name")) if isinstance(user, Mapping) else None
    return "".join(c for c in found if c.isprintable())[:_MAX_NAME] if isinstance(found, str) else ""

"""Which buttons a message has, and what a press of one carries."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.adapters.slack.buttons import buttons, press_of
from sentinel.adapters.slack.message import rollout_message
from sentinel.domain.command import CommandAction
from sentinel.domain.policy.policy import Mode
from sentinel.domain.record.offers import offered
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import IN_FLIGHT, Phase
from tests.adapters.slack.stories import entry, later, record, started
from tests.support.states import changed_state

APPROVE, HOLD, UNDO = CommandAction.APPROVE, CommandAction.HOLD, CommandAction.UNDO
RESUME = CommandAction.RESUME


def waiting() -> Record:
    """A rollout whose first step waits for a human."""
    told = record(Phase.BAKING)
    return told.with_state(changed_state(told.state, approval_since=later(60)))


def payload(told: Record, label: str, user: dict[str, str] | None = None) -> dict[str, Any]:
    """What Slack sends when a button is pressed."""
    (block,) = buttons(told)
    elements: Any = block["elements"]
    (button,) = (each for each in elements if each["text"]["text"] == label)
    return {
        "type": "block_actions",
        "user": user or {"id": "U1", "username": "alice"},
        "container": {"message_ts": "1.0", "channel_id": "C1"},
        "actions": [button],
    }


@pytest.mark.parametrize(
    ("told", "actions"),
    [
        (waiting(), (APPROVE, HOLD, UNDO)),
        (replace(waiting(), approvals=frozenset({1})), (HOLD, UNDO)),
        (record(Phase.PROGRESSING), (HOLD, UNDO)),
        (record(Phase.HELD), (RESUME, UNDO)),
        (record(Phase.PROMOTED), (UNDO,)),
        (record(Phase.UNDOING), ()),
        (record(Phase.UNDONE), ()),
        (record(Phase.SUPERSEDED), ()),
        (replace(record(), stable=None), (HOLD,)),
        (replace(record(), mode=Mode.OBSERVE), (HOLD,)),
    ],
)
def test_only_what_applies_is_offered(told: Record, actions: tuple[CommandAction, ...]) -> None:
    """An approval while it is waited for, a hold or its end in flight, an undo while there is what to go back to."""
    assert offered(told) == actions


@given(st.sampled_from(sorted(set(Phase) - IN_FLIGHT - {Phase.PROMOTED})))
def test_a_rollout_that_is_past_has_no_buttons(phase: Phase) -> None:
    """However it ended."""
    assert buttons(record(phase)) == []


def test_what_moves_a_rollout_asks_first() -> None:
    """It says what will happen and where the rollout stands, within what Slack takes; a hold needs no question."""
    told = waiting()
    told = told.with_state(replace(told.state, weight=0.1, message="every rule passed " * 30))
    (block,) = buttons(told)
    elements: Any = block["elements"]
    asked = {each["text"]["text"]: each.get("confirm") for each in elements}
    assert asked["Hold"] is None
    stands = "It is Baking, at 10% of the pods: every rule passed every rule passed"
    assert asked["Undo"]["text"]["text"].startswith(f"api goes back to revision 7 (shop/api:1.7.2). {stands}")
    approve = asked["Approve"]
    assert approve["title"]["text"] == "Approve step 1?"
    assert stands in approve["text"]["text"]
    assert len(approve["text"]["text"]) == 300


def test_without_anyone_to_take_presses_there_are_no_buttons() -> None:
    """The settings ask for them or not."""
    notice = started()
    kinds = [block["type"] for block in rollout_message(notice).blocks]
    assert "actions" not in kinds
    assert [block["type"] for block in rollout_message(notice, pressable=True).blocks].count("actions") == 1


def test_a_press_reads_back_what_the_button_was_made_of() -> None:
    """The rollout, the step, and who pressed, by id and name."""
    press = press_of(payload(waiting(), "Approve"))
    assert press is not None
    assert (press.action, press.namespace, press.record, press.step) == (APPROVE, "shop", "api-7c9", 1)
    assert press.requested_by == "slack:U1/alice"


def test_the_same_press_is_the_same_command_and_another_is_not() -> None:
    """By person, by button, and by what was decided since."""
    told = waiting()
    later_on = told.with_decision(entry(started().entry.action, "Seen", "again"))  # type: ignore[union-attr]
    presses = [
        press_of(payload(told, "Hold")),
        press_of(payload(told, "Hold")),
        press_of(payload(told, "Undo")),
        press_of(payload(told, "Hold", {"id": "U2", "username": "bob"})),
        press_of(payload(later_on, "Hold")),
    ]
    names = [press.command for press in presses if press is not None]
    assert names[0] == names[1]
    assert len(set(names)) == 4
    assert all(len(name) <= 63 for name in names)


def test_presses_of_others_are_none_of_ours() -> None:
    """A button that some other part of the app made, and what is no press at all."""
    ours = payload(waiting(), "Hold")
    assert press_of({**ours, "actions": [{**ours["actions"][0], "action_id": "other"}]}) is None
    assert press_of({"type": "view_submission"}) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"actions": [{"action_id": "rollout.hold", "value": "no JSON"}]},
        {"actions": [{"action_id": "rollout.hold", "value": "[]"}]},
        {"actions": [{"action_id": "rollout.explode", "value": '{"step": 1}'}]},
        {"user": None},
        {"container": {}},
    ],
)
def test_a_press_that_cannot_be_read_is_an_error(changed: dict[str, object]) -> None:
    """Never a command."""
    with pytest.raises(ValueError, match=r"."):
        press_of({**payload(waiting(), "Hold"), **changed})

"""What the messages say."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.adapters.slack.message import decision_message, rollout_message
from sentinel.domain.notice import Notice
from sentinel.domain.policy.policy import Mode
from sentinel.domain.record.entries import Action, Outcome, OutcomeKind
from sentinel.domain.record.state import Hold, Phase, RevisionRef, UndoState
from sentinel.domain.revert import RevertReason, RevertRef
from sentinel.domain.workload.keeper import KeeperHold, KeeperRef
from tests.adapters.slack import stories
from tests.adapters.slack.blocks import assert_valid, shown
from tests.engine.builders import entry, in_state

GOLDEN_UNDONE = """\
:leftwards_arrow_with_hook: *Undone* `deployment/api in shop`

*Candidate*
revision 8 (shop/api:1.8.0)
*Stable*
revision 7 (shop/api:1.7.2)
*Change cause*
deploy 1.8.0
*Triggered by*
helm
*Policy*
shop-api
*Step*
1, 10% of the pods
*Started*
2026-01-01 12:00:00 UTC

Undone: 12.3% of the candidate's requests fail, the baseline's 0.1%
Rule `error-rate`, reason `ErrorRateOverLimit`
• *canary* 12.3% (123 of 1,000 requests failed) · *baseline* 0.1% (9 of 9,000 requests failed) · limit 5% · \
evidence 4,000:1
Done: template of revision 7 put back
Back to revision 7 (shop/api:1.7.2)
Detected in 15 s, undone 15.1 s after the first sign of the fault, restored 38 s after the first sign of the fault

*What to do next*
• Fix the release and deploy it again.

`kubectl -n shop describe rolloutrecord api-7c9`"""

GOLDEN_HELD_REPLY = """\
:rotating_light: *Hold*: both arms fail: an outage, not the candidate

*What to do next*
• Resume the rollout:
```kubectl -n shop annotate --overwrite rolloutrecords.rollback-sentinel.dev api-7c9 a/b=c```

`Everywhere` · 2026-01-01 12:01:15 UTC · decision `0123456789abcdef`"""


def test_an_undone_rollout_reads_as_agreed() -> None:
    """What, which image, from which stable, who, the rule, both arms in numbers, what was done, what is next."""
    message = rollout_message(stories.undone())
    assert_valid(message.blocks)
    assert shown(message.blocks) == GOLDEN_UNDONE
    assert message.text == "Undone: deployment/api in shop, revision 8 (shop/api:1.8.0)"


@pytest.mark.parametrize(
    ("url", "shown_as"),
    [
        (
            "https://git.example/pull/1|<!channel>",
            "<https://git.example/pull/1%7C%3C!channel%3E|revert proposed>",
        ),
        ("", "no revert: &lt;!channel&gt;"),
    ],
)
def test_a_revert_in_git_is_linked_or_its_obstacle_is_said(url: str, shown_as: str) -> None:
    """A server's text cannot mention anyone."""
    reason = RevertReason.PULL_OPENED if url else RevertReason.REFUSED
    notice = stories.undone()
    revert = RevertRef(reason, "no revert: <!channel>", notice.record.started_at, url)
    message = rollout_message(replace(notice, record=replace(notice.record, revert=revert)))
    assert_valid(message.blocks)
    assert f"*Git*\n{shown_as}" in shown(message.blocks)


def test_an_urgent_hold_reads_as_agreed() -> None:
    """The reply asks for a human and gives the command to copy."""
    notice = stories.held()
    assert notice.entry is not None
    message = decision_message(notice, notice.entry)
    assert_valid(message.blocks)
    assert shown(message.blocks) == GOLDEN_HELD_REPLY


def test_a_rollout_in_flight_says_how_to_undo_it_by_hand() -> None:
    """The plain commands stand in the message: first the pause is lifted, which `rollout undo` would refuse."""
    text = shown(rollout_message(stories.started()).blocks)
    unpause = """kubectl -n shop patch deployment/api --type=merge -p '{"spec":{"paused":false}}'"""
    undo = "kubectl -n shop rollout undo deployment/api --to-revision=7"
    assert text.index(unpause) < text.index(undo)


def test_a_first_deployment_has_no_stable() -> None:
    """Without a stable the message says so and offers no undo."""
    notice = stories.started()
    text = shown(rollout_message(replace(notice, record=replace(notice.record, stable=None))).blocks)
    assert "first deployment" in text
    assert "rollout undo" not in text


def test_observe_mode_shows() -> None:
    """Nobody takes an observed undo for a real one."""
    notice = stories.undone()
    assert notice.entry is not None
    observed = replace(
        notice.entry, outcome=Outcome(OutcomeKind.OBSERVED, stories.START, "would have undone")
    )
    notice = Notice(replace(notice.record, mode=Mode.OBSERVE).with_decision(observed), observed)
    assert "observe mode: changes nothing" in shown(rollout_message(notice).blocks)
    told = shown(decision_message(notice, observed).blocks)
    assert "*Would undo* (observe mode" in told
    assert "Nothing was changed (observe mode or frozen): would have undone" in told


@pytest.mark.parametrize(("reason", "title"), [("WouldUndo", "Would undo"), ("NoBaseline", "Would hold")])
def test_what_would_be_done_is_titled_so(reason: str, title: str) -> None:
    """Nothing is held in observe mode, or while frozen."""
    notice = stories.started()
    held = Hold(reason, stories.START, "over the limit", observed=True)
    told = notice.record.with_state(replace(notice.record.state, phase=Phase.HELD, hold=held))
    assert f"*{title}*" in shown(rollout_message(replace(notice, record=told)).blocks)


def test_a_promotion_shows_every_rule_in_numbers() -> None:
    """Figures named by their rule come as one line a rule, latencies in seconds."""
    entry = stories.entry(
        Action.PROMOTE,
        "AllRulesPassed",
        "promoted",
        numbers={
            "error-rate.candidate_total": 500,
            "error-rate.candidate_errors": 0,
            "latency.candidate_total": 500,
            "latency.candidate_mean": 0.2,
            "latency.baseline_total": 0,
            "latency.limit": 1.0,
            "crash.pods": 3,
            "crash.restarts": 0,
        },
    )
    text = shown(decision_message(Notice(stories.record(Phase.PROMOTED), entry), entry).blocks)
    assert "• error-rate: *canary* 0% (0 of 500 requests failed)" in text
    assert "• latency: *canary* 200 ms (500 requests) · limit 1 s" in text
    assert "• crash: pods 3, restarts 0" in text


@given(
    st.text(max_size=300),
    st.sampled_from(["", "<!channel>", "<@U1>", "<http://x|y>", "&lt;", "```", "@here"]),
)
def test_no_text_from_outside_can_mention_or_link(text: str, attack: str) -> None:
    """Whatever stands in names, images, causes and messages, the blocks are valid and free of markup for Slack."""
    evil = text + attack
    notice = stories.undone()
    assert notice.entry is not None
    entry = replace(notice.entry, message=evil, rule=evil, reason=evil, numbers={evil: evil})
    record = replace(
        notice.record,
        candidate=RevisionRef("d", images=(evil,), change_cause=evil),
        trigger=evil,
        policy=evil,
        state=replace(notice.record.state, message=evil),
    )
    evil_notice = Notice(record, entry, advice=(evil,))
    assert_valid(rollout_message(evil_notice).blocks)
    assert_valid(decision_message(evil_notice, entry).blocks)
    assert "<" not in rollout_message(evil_notice).text


def test_long_texts_are_cut_to_slacks_limits() -> None:
    """A message of megabytes, all of it in need of escaping, still makes a valid message."""
    notice = stories.undone()
    assert notice.entry is not None
    huge = "&" * 100_000
    entry = replace(notice.entry, message=huge, numbers={f"n{n}": huge for n in range(200)})
    record = replace(notice.record, candidate=RevisionRef("d", images=(huge,) * 9), trigger=huge)
    steps = tuple(f"{huge}: kubectl {huge}" for _ in range(9))
    big = Notice(record.with_state(replace(record.state, message=huge)), entry, advice=steps)
    assert_valid(rollout_message(big).blocks)
    assert_valid(decision_message(big, entry).blocks)


def test_a_held_rollout_says_since_when_and_why() -> None:
    """The hold's own reason and the attempt stand in the message."""
    notice = stories.held()
    hold = Hold("KnownBad", stories.START, "this revision was undone an hour ago")
    state = replace(notice.record.state, hold=hold)
    record = replace(notice.record, attempt=2).with_state(state)
    text = shown(rollout_message(replace(notice, record=record)).blocks)
    assert "Held since 2026-01-01 12:00:00 UTC: this revision was undone an hour ago" in text
    assert "2 of this revision" in text


def test_an_undo_under_way_says_how_far_it_is() -> None:
    """Before the restore only what has happened is timed, from the decision where the fault's begin is unknown."""
    notice = stories.undone()
    undo = UndoState(stories.STABLE, stories.later(75), patched_at=stories.later(75.04))
    record = notice.record.with_state(replace(notice.record.state, undo=undo))
    text = shown(rollout_message(replace(notice, record=record)).blocks)
    assert "Undone 40 ms after the decision" in text
    assert "restored" not in text.lower()


def test_a_hold_on_who_deploys_the_workload_is_a_field() -> None:
    """With the tool's object and since when."""
    notice = stories.undone()
    held_at = stories.later(75)
    hold = KeeperHold(KeeperRef("Tool", "ops", "shop"), {}, held_at, held_at, "Bad")
    record = notice.record.with_state(replace(notice.record.state, keeper_hold=hold))
    message = rollout_message(replace(notice, record=record))
    assert_valid(message.blocks)
    assert "*Held*\nTool ops/shop, since 2026-01-01 12:01:15 UTC" in shown(message.blocks)


def test_the_workload_and_the_reason_link_to_the_page() -> None:
    """Where the settings say at which address people reach it."""
    undone = entry(Action.UNDO, "WorseThanBaseline")
    record = replace(in_state(), decisions=(undone,))
    page, reason = (
        "https://s.example.com/ui/rollouts/a/b",
        "https://s.example.com/ui/reasons/WorseThanBaseline",
    )
    notice = Notice(record, undone, page=page, reason_page=reason)
    assert f"<{page}|" in str(rollout_message(notice).blocks)
    assert f"<{reason}|WorseThanBaseline>" in str(rollout_message(notice).blocks)
    assert f"<{reason}|WorseThanBaseline>" in str(decision_message(notice, undone).blocks)

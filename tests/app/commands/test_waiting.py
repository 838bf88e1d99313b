"""`sentinel wait`: what a pipeline reads of a rollout."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest

from clustersim.node.behaviour import crash_loop
from sentinel.app.commands.connection import ClusterConnection
from sentinel.app.commands.rollouts import waiting
from sentinel.app.commands.rollouts.waiting import (
    End,
    Patience,
    Progress,
    WaitResult,
    ending,
    rollout_of,
    unguarded,
    write_summary,
)
from sentinel.domain.record.entries import Action
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Hold, Phase, RolloutState, UndoState
from sentinel.domain.workload.facts import OwnSteps, Workload
from sentinel.domain.workload.revision import Revision
from sentinel.engine.rollout.lifecycle import ROLLED_BACK
from tests.app.commands.records import NEW, NOON, OLD, after, entry, record, undone
from tests.support.cli import ONLY_PODS, refusal, sentinel, served
from tests.support.world import NAMESPACE

FIVE_MINUTES = timedelta(minutes=5)
UNATTENDED = ONLY_PODS.replace(", approval: required", "")


def workload(digest: str) -> Workload:
    """The workload with this template in force."""
    return Workload(record().key, "u", Revision(digest))


def verdict(phase: Phase, hold: Hold | None = None, seconds: float = 0) -> WaitResult | None:
    """How a rollout in this phase ends a wait."""
    end = ending(record(state=RolloutState(phase, hold=hold)), after(seconds), FIVE_MINUTES)
    return end.verdict if end else None


def test_each_end_has_its_exit_code() -> None:
    """0 promoted, 1 undone, 5 ended without a verdict; what goes on is waited for."""
    assert verdict(Phase.PROMOTED) == 0
    assert verdict(Phase.UNDONE) == 1
    assert [verdict(p) for p in (Phase.SUPERSEDED, Phase.FAILED, Phase.UNJUDGED)] == [5, 5, 5]
    assert [verdict(p) for p in (Phase.PROGRESSING, Phase.BAKING, Phase.UNDOING)] == [None, None, None]


def test_decisions_are_told_once_at_the_time_they_were_made() -> None:
    """Also those made before anyone waited; where the rollout stands is told as of now, when that changes."""
    progress = Progress()
    first = record(decisions=(entry(Action.START, 0, "NewRevision", "began"),))
    then = replace(first, decisions=(*first.decisions, entry(Action.ADVANCE, 65, "StepPassed", "on to 50%")))
    assert list(progress.news(first, after(60))) == [
        "12:00:00Z start: began",
        "12:01:00Z Baking, step 1, 10% of the pods",
    ]
    assert list(progress.news(then, after(70))) == ["12:01:05Z advance: on to 50%"]


def test_a_hold_for_a_human_ends_the_wait_at_once() -> None:
    """Nobody but a human ends it: a pipeline need not sit it out."""
    assert verdict(Phase.HELD, Hold("Deadline", NOON, "too late")) == 2


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("WouldUndo", "would have been undone (nothing was changed): too bad"),
        ("NoBaseline", "would be held until a person decides (nothing was changed): too bad"),
    ],
)
def test_what_is_only_decided_is_not_told_as_done(reason: str, words: str) -> None:
    """In observe mode, or while frozen, a pipeline reads what would be."""
    state = RolloutState(Phase.HELD, hold=Hold(reason, NOON, "too bad", observed=True), message="too bad")
    found = ending(record(state=state), NOON, timedelta(minutes=5))
    assert found is not None
    assert (int(found.verdict), found.message) == (2, words)


def test_a_hold_that_ends_by_itself_is_waited_out_for_a_while() -> None:
    """An outage may pass; one that stays is told."""
    outage = Hold("EnvironmentOutage", NOON, "all are bad", sticky=False)
    assert verdict(Phase.HELD, outage, 299) is None
    assert verdict(Phase.HELD, outage, 300) == 2


def test_a_release_that_was_undone_before_the_wait_began_is_undone() -> None:
    """The template in force is the good old one again, which must not turn the pipeline green."""
    before = record(candidate=OLD, state=RolloutState(Phase.PROMOTED), started_at=after(-100), uid="b")
    found = rollout_of(workload("old"), [undone(), before])
    assert found is not None
    assert found.state.phase is Phase.UNDONE


def test_a_release_that_people_took_back_is_not_the_success_of_the_one_before() -> None:
    """Rolled back by hand: the newest rollout counts."""
    taken_back = record(state=RolloutState(Phase.SUPERSEDED, reason=ROLLED_BACK))
    assert rollout_of(workload("old"), [taken_back]) is taken_back


def test_an_older_rollout_of_the_same_template_does_not_count() -> None:
    """A revision released again is a rollout of its own, and waited for until it is taken up."""
    newer = record(candidate=NEW, state=RolloutState(Phase.PROMOTED), uid="n")
    older = record(candidate=OLD, state=RolloutState(Phase.PROMOTED), started_at=after(-100))
    assert rollout_of(workload("old"), [newer, older]) is None


def test_an_undo_to_another_revision_is_not_this_ones() -> None:
    """The undo led elsewhere, and then someone released this template: not taken up yet."""
    state = RolloutState(Phase.UNDONE, undo=UndoState(OLD, NOON))
    assert rollout_of(workload("third"), [record(state=state)]) is None


def test_a_workload_that_was_never_on_record_is_told_at_once() -> None:
    """A sentinel would have seen it within a minute; one that is younger, or labelled, may still be taken up."""
    known = Revision("new", created_at=NOON)
    plain = replace(workload("new"), candidate=known)
    labelled = replace(plain, labels={"rollback-sentinel.dev/guard": "true"})
    assert unguarded(plain, after(59)) is None
    end = unguarded(plain, after(61))
    assert end is not None
    assert end.verdict == 4
    assert unguarded(labelled, after(61)) is None


def test_the_summary_is_markdown_in_which_nothing_is_markup_by_chance(tmp_path: Path) -> None:
    """A message with markup in it is shown as it is; the explanation stands below."""
    file = tmp_path / "summary.md"
    file.write_text("before\n")
    ended = replace(undone(), trigger="``` evil")
    write_summary(file, End(WaitResult.UNDONE, "undone: *bold* <b>", ended))
    text = file.read_text()
    assert text.startswith("before\n### ↩️ Rollout undone")
    assert "\\*bold\\* \\<b\\>" in text
    assert "by error-rate at step 2" in text
    assert text.count("```") == 2


class Untaken:
    """A connection to a Rollout whose controller takes up what was written after so many reads, or never."""

    def __init__(self, reads: int | None) -> None:
        self.left = reads
        self.new = record(candidate=NEW, state=RolloutState(Phase.UNDONE, message="it crashed"), uid="2")
        self.old = record(candidate=OLD, state=RolloutState(Phase.PROMOTED), uid="1")

    async def workload(self, _name: str) -> Workload:
        """The Rollout at this read."""
        self.left = self.left - 1 if self.left else self.left
        seen = self.left == 0
        return Workload(
            record().key,
            "u",
            Revision("new" if seen else "old"),
            generation=2,
            observed_generation=2 if seen else 1,
            own_steps=OwnSteps(0, 2),
        )

    async def records(self, workload: Workload) -> tuple[Record, ...]:
        """The rollouts so far, the newest first."""
        return (self.new, self.old) if workload.candidate.digest == "new" else (self.old,)


@pytest.mark.parametrize(
    ("reads", "end", "said"),
    [(3, WaitResult.UNDONE, "it crashed"), (None, WaitResult.HELD, "has not taken up what was written")],
)
async def test_a_template_that_its_controller_has_not_taken_up_is_not_the_one_before(
    reads: int | None, end: WaitResult, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipeline waits for its own release, whether the controller is a moment late or down."""
    monkeypatch.setattr(waiting, "POLL_SECONDS", 0.01)
    limits = Patience(timedelta(seconds=5), begin=timedelta(seconds=0.3))
    found = await waiting.wait_for_end(cast("ClusterConnection", Untaken(reads)), "rollout/web", limits)
    assert found.verdict is end
    assert said in found.message


@pytest.mark.real_time
async def test_a_good_release_is_waited_for_before_it_is_even_on_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 0, progress line by line, and the summary that GitHub asked for."""
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    async with served(tmp_path, UNATTENDED) as here:
        await here.stop()
        here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        waited = asyncio.create_task(sentinel(here, "wait", "web", "--for", "60s"))
        await here.start()
        result = await waited
        assert result.exit_code == 0, result.output
        assert "promote: " in result.output
        assert "Rollout promoted" in (tmp_path / "summary.md").read_text()


@pytest.mark.real_time
async def test_a_bad_release_is_exit_code_1(tmp_path: Path) -> None:
    """It crashes, is undone, and the pipeline fails."""
    async with served(tmp_path, UNATTENDED) as here:
        here.cluster.behave("web:2", crash_loop())
        here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        result = await sentinel(here, "wait", "web", "--for", "60s")
        assert result.exit_code == 1, result.output
        assert "undone: " in result.output


@pytest.mark.real_time
async def test_a_rollout_that_waits_for_approval_times_out(tmp_path: Path) -> None:
    """Exit code 3 with where it stands."""
    async with served(tmp_path) as here:
        here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        result = await sentinel(here, "wait", "web", "--for", "8s")
        assert result.exit_code == 3, result.output
        assert "not decided within" in result.output


@pytest.mark.real_time
async def test_nothing_guards_it_is_exit_code_4(tmp_path: Path) -> None:
    """Without a rollout on record nothing is waited for longer than a sentinel takes to begin."""
    async with served(tmp_path, daemon=False) as here:
        result = await sentinel(here, "wait", "web", "--begins-within", "1s")
        assert result.exit_code == 4, result.output
        assert "no sentinel saw the rollout" in result.output


@pytest.mark.real_time
async def test_bad_input_is_one_sentence(tmp_path: Path) -> None:
    """A workload that is not there, a kind that is not guarded, a time that is none."""
    async with served(tmp_path, daemon=False) as here:
        assert "there is no Deployment nope" in refusal(await sentinel(here, "wait", "nope"))
        assert "job is not a kind of workload" in refusal(await sentinel(here, "wait", "job/web"))
        assert "--for: " in refusal(await sentinel(here, "wait", "web", "--for", "soon"))

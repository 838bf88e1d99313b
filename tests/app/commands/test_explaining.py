"""`sentinel explain`: a rollout in words."""

from dataclasses import replace
from pathlib import Path

import pytest

from sentinel.app.commands.rollouts.explaining import explained
from sentinel.domain.policy.policy import Mode
from sentinel.domain.record.state import Phase, RolloutState
from sentinel.domain.revert import RevertReason, RevertRef
from tests.app.commands.records import record, undone
from tests.engine.statistics.test_starts import profile_of
from tests.support.cli import refusal, sentinel, served

GOLDEN = """\
deployment/web in shop: revision 2 (web:2), replaces revision 1 (web:1)
  Phase:        Undone, back to revision 1 (web:1)
  Why:          canary 12%, baseline 0.5%
  Record:       web-abc
  Policy:       shop
  Triggered by: kubectl-set
  Started:      2026-03-01 12:00:00 UTC
  Ended:        2026-03-01 12:01:40 UTC, after 100s

Decisions
  12:00:00       +0s  start (NewRevision)
                       revision 2 replaces revision 1
                       => done: paused
  12:01:00      +60s  advance to step 2 (StepPassed)
                       10% passed, next is 50%
                       - error-rate: canary 0.5% (1 of 200 requests failed), baseline 0.5% (9 of 1,800 requests failed), limit 5%, evidence 0.1:1
                       => done: resumed
  12:01:30      +90s  undo by error-rate at step 2 (WorseThanBaseline)
                       canary 12%, baseline 0.5%; back to revision 1 (web:1)
                       - canary 12% (48 of 400 requests failed), baseline 0.5% (9 of 1,800 requests failed), limit 5%, evidence 0.1:1
                       => done: the template of revision 1 (web:1) was restored
  12:01:35      +95s  escalate (RestoreOverdue)
                       not back yet
                       => in progress: the outcome is not known yet
                       => people were called

Alerts
  12:01:15      +75s  HighErrorRate (firing)
                       many errors
                       - pod=web-1a-x; firing since 2026-03-01 12:01:10 UTC
                       => ignored: a pod of the baseline

Canary and baseline at each decision
  error-rate       canary     ▁█  0.5% to 12%
  error-rate       baseline   ▁▁  0.5% to 0.5%
"""  # noqa: E501 - as it is written


def test_every_decision_is_told_with_its_evidence_and_outcome() -> None:
    """Head, decisions with numbers in words, alerts with what they came to, and both arms' course."""
    told = "\n".join(explained(undone()))
    assert told.startswith(GOLDEN)
    assert told[len(GOLDEN) :].lstrip("\n").startswith("What to do next")


def test_the_revert_in_git_is_shown() -> None:
    """With its address, and as the first thing to do."""
    revert = RevertRef(
        RevertReason.PULL_OPENED, "a revert is proposed: https://g/1", undone().started_at, "https://g/1"
    )
    told = "\n".join(explained(replace(undone(), revert=revert)))
    assert "Git:          a revert is proposed: https://g/1" in told
    assert "Review and merge the revert in Git: https://g/1" in told


def test_observe_mode_is_said() -> None:
    """A reader must not take what was only decided for something that was done."""
    told = "\n".join(explained(record(mode=Mode.OBSERVE, state=RolloutState(Phase.BAKING))))
    assert "observe mode: decides and reports, changes nothing" in told


def test_both_starts_are_shown_by_age() -> None:
    """The stable's, with what it allows, and the candidate's; an age that nobody saw has no figure."""
    analysis = {
        "error-rate": {"stable_start": profile_of(2).as_json(), "start": profile_of(12, pods=1).as_json()}
    }
    told = "\n".join(explained(record(state=RolloutState(Phase.BAKING, analysis=analysis))))
    assert (
        "error-rate       stable     5 s 2%, 10 s -, 15 s -, 20 s -, 30 s -, 45 s -, 60 s -, 90 s -; 10"
        in told
    )
    assert "error-rate       candidate  5 s 12%, 10 s -," in told


@pytest.mark.real_time
async def test_a_workload_or_a_record_can_be_named(tmp_path: Path) -> None:
    """Both lead to the same rollout; what is neither is one sentence; JSON is the record itself."""
    async with served(tmp_path) as here:
        name = here.records()[0].name
        by_workload = await sentinel(here, "explain", "deployment/web")
        by_record = await sentinel(here, "explain", name)
        assert by_workload.output == by_record.output
        assert "was fully rolled out before the sentinel watched it" in by_record.output
        assert '"kind": "RolloutRecord"' in (await sentinel(here, "explain", name, "-o", "json")).output
        assert "has neither a RolloutRecord nope" in refusal(await sentinel(here, "explain", "nope"))

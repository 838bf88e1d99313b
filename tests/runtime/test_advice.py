"""What a human can do next, as commands that need no sentinel."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from typing import Any

import pytest

from sentinel.domain.record.entries import Action
from sentinel.domain.record.holds import HoldReason
from sentinel.domain.record.state import Phase
from sentinel.domain.verdict import DecisionCause
from sentinel.domain.workload.facts import WorkloadKey
from sentinel.domain.workload.kinds import WorkloadKind
from sentinel.runtime.notify.advice import advice
from sentinel.runtime.notify.remedies import REMEDIES
from tests.engine.builders import entry, held, in_state, paused, undoing


def command_in(step: str) -> dict[str, Any]:
    """The object that a step's command makes."""
    first, body, last = step.split(": ", 1)[1].split("\n")
    assert (first, last) == ("kubectl create -f - <<EOF", "EOF")
    command: dict[str, Any] = json.loads(body)
    return command


def test_a_held_rollout_may_be_let_go_on_or_taken_back() -> None:
    """What its reason asks for comes first; then by a command, or by hand once our pause is lifted."""
    steps = advice(held("FirstDeployment"), None)
    assert steps[0] == REMEDIES[HoldReason.FIRST_DEPLOYMENT]
    assert command_in(steps[1])["spec"]["action"] == "resume"
    assert "rollout undo deployment/api" in steps[3]


def test_a_reason_of_another_release_has_no_remedy() -> None:
    """The commands are the same."""
    assert command_in(advice(held("OfTomorrow"), None)[0])["spec"]["action"] == "resume"


def test_the_patch_that_lifts_our_pause_is_plain_kubectl() -> None:
    """One merge patch that a shell takes as it stands: the pause and our mark go together."""
    command = advice(held("FirstDeployment"), None)[2].split(": ", 1)[1]
    words = shlex.split(command)
    assert words[:5] == ["kubectl", "-n", "shop", "patch", "deployment/api"]
    patch = json.loads(words[-1])
    assert patch["spec"] == {"paused": False}
    assert list(patch["metadata"]["annotations"].values()) == [None]


def test_an_approval_is_one_command() -> None:
    """With the rollout that is meant, the step's number, from 1, and the name of the one who asks."""
    asked = entry(Action.ESCALATE, "AwaitingApproval")
    command = command_in(advice(in_state(Phase.BAKING, step=1), asked)[0])
    assert command["metadata"] == {"generateName": "approve-", "namespace": "shop"}
    assert command["spec"] == {
        "workload": {"kind": "Deployment", "name": "api"},
        "record": "api-new",
        "action": "approve",
        "step": 2,
        "requestedBy": "$(kubectl auth whoami -o jsonpath={.status.userInfo.username})",
    }


def test_while_our_pause_stands_every_notice_says_how_to_lift_it() -> None:
    """`kubectl rollout undo` refuses a paused Deployment, with or without a sentinel."""
    ours = in_state(Phase.BAKING, seen_generation=paused(1).generation)
    assert any('"paused": false' in step for step in advice(ours, None))
    assert any('"paused": false' in step for step in advice(ours, entry(Action.ESCALATE, "AwaitingApproval")))


def test_an_overdue_restore_asks_to_look() -> None:
    """Why the old pods do not come up."""
    told = entry(Action.ESCALATE, "RestoreOverdue", escalated=True)
    assert "kubectl -n shop describe deployment/api" in advice(undoing(), told)[0]
    assert advice(undoing(), entry(Action.UNDO, "Bad")) == ()


def test_an_undone_release_is_to_be_fixed() -> None:
    """And deployed again, or forgiven."""
    steps = advice(in_state(Phase.UNDONE), None)
    assert "Fix the release" in steps[0]
    assert command_in(steps[1])["spec"]["action"] == "forgive"


@pytest.mark.parametrize("phase", [Phase.PROGRESSING, Phase.PROMOTED, Phase.SUPERSEDED])
def test_where_nothing_is_asked_nothing_is_advised(phase: Phase) -> None:
    """No noise."""
    assert advice(in_state(phase), entry(Action.START, "NewRevision")) == ()


@pytest.mark.parametrize(
    ("kind", "patch"),
    [
        (WorkloadKind.DEPLOYMENT, '"spec": {"paused": false}'),
        (WorkloadKind.STATEFULSET, '"spec": {"updateStrategy": {"rollingUpdate": {"partition": 0}}}'),
        (WorkloadKind.DAEMONSET, '"spec": {"updateStrategy": {"type": "RollingUpdate"}}'),
        (WorkloadKind.ROLLOUT, None),
    ],
)
def test_each_kind_is_let_go_of_by_its_own_patch(kind: WorkloadKind, patch: str | None) -> None:
    """A workload that makes its own steps has no brake of ours to lift."""
    record = replace(held("FirstDeployment"), key=WorkloadKey(kind, "shop", "api"))
    steps = advice(record, None)
    assert len(steps) == (2 if patch is None else 4)
    assert patch is None or patch in steps[2]


@pytest.mark.parametrize(
    ("action", "reason", "said"),
    [
        (Action.HOLD, "GateFailed", "logs job/api-gate-0123456789 --all-containers"),
        (Action.UNDO, "GateFailed", "logs job/api-gate-0123456789 --all-containers"),
        (Action.HOLD, "GateTimeout", "describe job/api-gate-0123456789"),
    ],
)
def test_a_gates_job_that_decided_is_where_to_look_first(action: Action, reason: str, said: str) -> None:
    """What it printed; or, where Kubernetes has deleted its pods, how far it came."""
    told = entry(action, reason, cause=DecisionCause(job="api-gate-0123456789"))
    where = held(reason) if action is Action.HOLD else undoing()
    assert advice(where, told)[0].endswith(f"kubectl -n shop {said}")


def test_a_webhook_that_decided_is_nowhere_to_be_looked_at() -> None:
    """What it said stands in the message."""
    told = entry(Action.HOLD, "GateFailed", numbers={"tries": 3})
    assert advice(held("GateFailed"), told) == advice(held("GateFailed"), None)

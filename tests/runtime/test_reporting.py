"""Every decision is reported once, whatever its kind, with the fields by which log lines are found."""

from __future__ import annotations

import logging
from dataclasses import replace
from random import Random

import pytest

from sentinel.domain.figures import rfc3339
from sentinel.domain.policy.policy import Mode
from sentinel.domain.record.entries import Action, DecisionEntry, Outcome, OutcomeKind
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from sentinel.domain.workload.facts import Workload
from sentinel.ports import Cluster
from sentinel.runtime.notify.announcements import Announcements
from sentinel.runtime.notify.notifications import LogNotifier, Notifications
from sentinel.runtime.notify.reporting import MOST_WERE_OVER, Reporter
from tests.engine.builders import entry, in_state
from tests.engine.snapshots import at, workload
from tests.runtime.doubles import Counts, Shelf

FIELDS = ("workload", "namespace", "action", "reason", "rule", "decided_at", "mode", "step")


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """The log from INFO on."""
    caplog.set_level(logging.INFO)
    return caplog


def reporter(mode: Mode = Mode.ENFORCE, announcements: Announcements | None = None) -> Reporter:
    """One that has only the log, unless Events are to be announced as well."""
    cluster: Cluster = object()  # type: ignore[assignment] - no Event is written here
    notifications = Notifications(LogNotifier(), Shelf(), lambda _: None, Counts(), Random(1))
    return Reporter(notifications, announcements or Announcements(cluster), lambda _: mode)


class Announced(Announcements):
    """Keeps what is to be announced."""

    def __init__(self) -> None:
        self.entries: list[DecisionEntry] = []

    def announce(self, workload: Workload, entry: DecisionEntry) -> None:
        """Keep it."""
        self.entries.append(entry)


def rollout(*entries: DecisionEntry) -> Record:
    """A rollout with these decisions."""
    return replace(in_state(), decisions=entries)


def actions(logged: pytest.LogCaptureFixture) -> list[str]:
    """The decisions in the log."""
    return [line.__dict__["action"] for line in logged.records if "action" in line.__dict__]


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("action", Action)
async def test_every_kind_of_decision_is_logged_with_its_fields(
    action: Action, mode: Mode, logged: pytest.LogCaptureFixture
) -> None:
    """The time is the decision's own, the step counts from 1, and a field that does not apply is empty."""
    record = rollout(entry(action, "CrashLoop", 60, rule="crash-loop", step=1))
    reporter(mode).report(record, None)
    (line,) = logged.records
    assert {name: line.__dict__[name] for name in FIELDS} == {
        "workload": str(record.key),
        "namespace": record.key.namespace,
        "action": action.value,
        "reason": "CrashLoop",
        "rule": "crash-loop",
        "decided_at": rfc3339(at(60)),
        "mode": mode.value,
        "step": 2,
    }


async def test_a_decision_that_calls_a_human_is_a_warning(logged: pytest.LogCaptureFixture) -> None:
    """With what can be done next."""
    reporter().report(rollout(entry(Action.ESCALATE, "Alert", escalated=True)), None)
    (line,) = logged.records
    assert line.levelname == "WARNING"


async def test_a_decision_is_reported_once(logged: pytest.LogCaptureFixture) -> None:
    """However often the record is looked at."""
    report = reporter().report
    start, hold = entry(Action.START, "NewRevision"), entry(Action.HOLD, "NoData", 60)
    for record in (rollout(start), rollout(start), rollout(start, hold), rollout(start, hold)):
        report(record, None)
    assert actions(logged) == ["start", "hold"]


async def test_a_decision_is_reported_when_its_outcome_is_known(logged: pytest.LogCaptureFixture) -> None:
    """Before that nobody can say what became of it."""
    report = reporter().report
    intent = entry(Action.UNDO, "CrashLoop", outcome=None)
    report(rollout(intent), None)
    assert not logged.records
    report(rollout(replace(intent, outcome=Outcome(OutcomeKind.DONE, at(1)))), None)
    assert actions(logged) == ["undo"]


async def test_a_new_process_logs_nothing_that_was_decided_before_it(
    logged: pytest.LogCaptureFixture,
) -> None:
    """The log of the one before has it; what comes after is logged."""
    new, past = reporter(), rollout(entry(Action.START, "NewRevision"))
    new.take_over([past], at(600))
    new.report(past, None)
    assert not logged.records
    new.report(past.with_decision(entry(Action.PROMOTE, "Passed", 700)), None)
    assert actions(logged) == ["promote"]


async def test_what_was_over_before_our_time_has_no_event() -> None:
    """A first start in a large cluster writes none; what is decided about such a rollout later has one."""
    announced = Announced()
    over, restart = entry(Action.CLOSE, "NotWatched"), entry(Action.RESTART, "ConfigChanged", 60)
    record = replace(in_state(Phase.UNJUDGED), decisions=(over,))
    shop = workload()
    report = reporter(announcements=announced).report
    for known in (record, record.with_decision(restart)):
        report(replace(known, workload_uid=shop.uid), shop)
    assert announced.entries == [restart]


async def test_a_first_start_in_a_large_cluster_does_not_fill_the_log(
    logged: pytest.LogCaptureFixture,
) -> None:
    """Of what was over before our time the first have a line each, and then one tells where the others are."""
    report = reporter().report
    over = replace(in_state(Phase.UNJUDGED), decisions=(entry(Action.CLOSE, "NotWatched"),))
    for number in range(MOST_WERE_OVER + 10):
        report(replace(over, name=f"web-{number}"), None)
    report(replace(rollout(entry(Action.START, "NewRevision")), name="next"), None)
    told = [line.getMessage() for line in logged.records if "action" not in line.__dict__]
    assert actions(logged) == ["close"] * MOST_WERE_OVER + ["start"]
    assert told == ["further rollouts that were over before the sentinel came are on record, not in the log"]

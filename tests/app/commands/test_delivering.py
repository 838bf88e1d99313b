"""`sentinel dora`: the four figures as people and programs read them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from io import StringIO

from rich.console import Console

from sentinel.app.commands.rollouts.delivering import dora_table
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase, RevisionRef, UndoState
from sentinel.domain.workload.revision import ChangeOrigin, OriginKind
from sentinel.reports.dora import DoraScope, DoraTargets, dora, dora_document
from tests.app.commands.records import NEW, NOON, OLD, record
from tests.support.states import state_of

HOUR = timedelta(hours=1)


def promoted(hours_ago: float, lead: timedelta | None = None, kind: OriginKind = OriginKind.COMMIT) -> Record:
    """A rollout that was promoted, committed so long before."""
    when = NOON - hours_ago * HOUR
    origin = ChangeOrigin(when - lead, kind) if lead is not None else None
    state = state_of(Phase.PROMOTED, promoted_at=when, ended_at=when)
    return record(
        candidate=RevisionRef("n", images=("web:2",), origin=origin), state=state, uid=str(hours_ago)
    )


def undone(hours_ago: float) -> Record:
    """A rollout that was undone within 20 s."""
    when = NOON - hours_ago * HOUR
    undo = UndoState(OLD, when, restored_at=when + timedelta(seconds=20))
    return record(candidate=NEW, state=state_of(Phase.UNDONE, undo=undo, ended_at=when), uid=f"u{hours_ago}")


def figures(*records: Record) -> tuple[DoraScope, ...]:
    """Those of these records at noon, of the last week."""
    return dora(records, (), NOON, (7,))


def shown(*records: Record) -> list[str]:
    """The table's lines."""
    console = Console(width=1000, file=StringIO(), color_system=None)
    with console.capture() as written:
        console.print(dora_table(figures(*records), DoraTargets(), namespace=""))
    return [line.rstrip() for line in written.get().splitlines()]


def test_what_misses_its_target_is_marked() -> None:
    """Two deployments a week are too few; half an hour (within 5 %) is fast enough, and half of the changes failed."""
    lines = shown(promoted(1, 0.5 * HOUR), promoted(2, 0.5 * HOUR), undone(3), undone(4))
    assert " ".join(lines[1].split()) == "(all) (all) 7 2 0.29 ! 31m 50% (2/4) ! 21s"
    assert "! misses its target: 1 a day, lead time under 1h0m, failed under 5% and" in lines[-1]


def test_lead_times_that_are_not_from_commits_are_said() -> None:
    """How many are from images, and how many deployments have none."""
    said = shown(promoted(1, HOUR), promoted(2, HOUR, OriginKind.IMAGE), promoted(3))[-1]
    assert "1 of 2 lead times count from the making of the image, not from the commit." in said
    assert "1 deployment without a lead time" in said


def test_nothing_to_measure_is_said() -> None:
    """In one sentence."""
    assert shown() == ["No rollout in any namespace reached users in this time, and none is in a history."]


def test_programs_get_plain_numbers() -> None:
    """Seconds and shares, null where nothing is known, and whether each target is met."""
    document = json.loads(json.dumps(dora_document(figures(promoted(1, HOUR)), DoraTargets())))
    whole, namespace, workload = document["scopes"]
    assert (whole["namespace"], namespace["namespace"], workload["workload"]) == ("", "shop", "web")
    (window,) = workload["windows"]
    assert (window["deployments"], window["changeFailureRate"], window["timeToRestore"]) == (1, 0.0, None)
    assert window["met"] == {
        "deploymentsPerDay": False,
        "leadTime": False,
        "changeFailureRate": True,
        "timeToRestore": None,
    }
    assert document["targets"]["leadTime"] == 3600


def test_a_deployed_config_change_needs_no_commit() -> None:
    """It counts among the deployments without a lead time."""
    config = replace(promoted(1), stable=RevisionRef("n"))
    assert figures(config)[0].figures[0].total.deployments == 1

"""Which guards keep a decided action from being done."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.domain.policy.policy import Policy, UndoBudget, UndoPolicy
from sentinel.domain.record.entries import Action, DecisionEntry, Outcome, OutcomeKind
from sentinel.domain.record.record import Record
from sentinel.domain.workload.facts import HOLD_LABEL
from sentinel.engine.rollout.guards import Guard, permitted
from tests.engine.snapshots import KEY, at, pod, record, workload

HOUR = timedelta(hours=1)
POLICY = Policy("api", "p", undo=UndoPolicy(budget=UndoBudget(2, HOUR)))
DONE = OutcomeKind.DONE


def undone(name: str, *ends: float, kind: OutcomeKind | None = DONE, elsewhere: bool = False) -> Record:
    """A rollout with undos at these times; None is one under way."""
    entries = tuple(
        DecisionEntry(
            f"{name}-{end}",
            at(end - 1),
            Action.UNDO,
            "CrashLoop",
            "",
            "new",
            0,
            outcome=Outcome(kind, at(end)) if kind else None,
        )
        for end in ends
    )
    key = KEY._replace(name="web") if elsewhere else KEY
    return record(name=name, key=key, decisions=entries)


def guard(
    *records: Record,
    action: Action = Action.UNDO,
    elsewhere: tuple[Record, ...] = (),
    cluster: UndoBudget | None = None,
    held: bool = False,
    now: float = 0,
) -> Guard:
    """The guard on an action of the rollout `mine`."""
    labels = {HOLD_LABEL: "true"} if held else {}
    own = next((r for r in records if r.name == "mine"), record(name="mine"))
    return permitted(
        action,
        POLICY,
        workload(pod("new-1"), labels=labels),
        own,
        records,
        (*records, *elsewhere),
        cluster_budget=cluster,
        now=at(now),
    )


def test_an_undo_is_permitted_while_the_budget_lasts() -> None:
    """Below the budget nothing stands in the way."""
    assert guard() == Guard()
    assert guard(undone("a", -60)).allowed


def test_a_spent_budget_refuses_the_undo() -> None:
    """At the budget's limit the next undo of the workload is refused, with the figures."""
    refused = guard(undone("a", -60), undone("b", -120))
    assert refused == Guard(
        "UndoBudget",
        "the undo budget is spent: 2 undos of this workload within 1 h, at most 2 allowed",
    )


def test_old_undos_are_forgotten() -> None:
    """An undo counts for the budget's time and no longer."""
    assert not guard(undone("a", -60), undone("b", -3599)).allowed
    assert guard(undone("a", -60), undone("b", -3600)).allowed


@pytest.mark.parametrize("kind", [OutcomeKind.FAILED, OutcomeKind.REFUSED, OutcomeKind.OBSERVED])
def test_undos_that_were_not_done_cost_nothing(kind: OutcomeKind) -> None:
    """Refused, failed and observed undos leave the budget as it is."""
    assert guard(undone("a", -60, -61, -62, kind=kind)).allowed


def test_other_actions_cost_nothing() -> None:
    """Only undos are counted, and only an undo is refused for the budget."""
    advance = DecisionEntry("x", at(-9), Action.ADVANCE, "", "", "new", 0, outcome=Outcome(DONE, at(-9)))
    assert guard(replace(undone("a", -60), decisions=(advance,) * 5)).allowed
    assert guard(undone("a", -60, -61), action=Action.PROMOTE).allowed


def test_an_undo_under_way_counts_for_others_alone() -> None:
    """One that a restart interrupted can be completed; another rollout's is spent already."""
    assert guard(undone("mine", -5, kind=None), undone("a", -60)).allowed
    assert not guard(undone("b", -5, kind=None), undone("a", -60)).allowed
    assert guard(undone("b", -5000, kind=None), undone("a", -60)).allowed


def test_the_clusters_budget_counts_every_workload() -> None:
    """Past it no workload is undone; without one there is no limit; undos under way count."""
    others = (undone("web-1", -60, elsewhere=True), undone("mine", -5, kind=None, elsewhere=True))
    refused = guard(elsewhere=others, cluster=UndoBudget(2, HOUR))
    assert (refused.allowed, refused.reason) == (False, "ClusterBudget")
    assert guard(elsewhere=others, cluster=UndoBudget(3, HOUR)).allowed
    assert guard(elsewhere=others).allowed


@pytest.mark.parametrize(
    ("action", "allowed"),
    [
        (action, action not in (Action.ADVANCE, Action.PROMOTE, Action.HOLD, Action.RESUME, Action.UNDO))
        for action in Action
    ],
)
def test_the_hold_label_forbids_whatever_touches_the_workload(action: Action, allowed: bool) -> None:
    """What only records or tells goes on."""
    assert guard(action=action, held=True).allowed is allowed
    assert guard(action=action).allowed


@given(st.lists(st.floats(-10_000, -1), max_size=6), st.integers(1, 5))
def test_never_more_undos_than_the_budget_within_its_time(ends: list[float], limit: int) -> None:
    """An undo is permitted exactly when fewer than the limit were done within the budget's time."""
    refused = guard(elsewhere=(undone("web", *ends, elsewhere=True),), cluster=UndoBudget(limit, HOUR))
    assert refused.allowed is (sum(end > -3600 for end in ends) < limit)

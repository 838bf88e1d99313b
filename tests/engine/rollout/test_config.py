"""Config that changes with a rollout, or instead of one: what is remembered, said, restarted and put back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sentinel.domain.decision import Restart, Restore
from sentinel.domain.policy.policy import Mode, OnConfigChange, Policy, UndoneConfig
from sentinel.domain.record.config import ConfigChange, ConfigReturn, ConfigState
from sentinel.domain.record.entries import Action, Outcome, OutcomeKind
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase, RevisionRef
from sentinel.domain.workload.config import ABSENT, ConfigFact, ConfigKind, ConfigReading, ConfigRef
from sentinel.domain.workload.facts import HOLD_LABEL, Brake, Exposure, Standby, TrafficShare, Workload
from sentinel.engine.rollout.config import config_of, note_config, restart_for_config, started_with
from sentinel.engine.rollout.decision import decide
from sentinel.engine.rollout.undo.undoing import undo
from tests.engine.builders import FAIL, PLAIN, entry, in_state, rollout, situation, undone_to, with_undo
from tests.engine.snapshots import NEW, OLD, at, record, revision

SETTINGS = ConfigRef(ConfigKind.CONFIG_MAP, "settings")
KEYS = ConfigRef(ConfigKind.SECRET, "keys")
TRIGGER = replace(PLAIN, on_config_change=OnConfigChange.TRIGGER)
RESTORE = with_undo(TRIGGER, config=UndoneConfig.RESTORE)
BEFORE = {SETTINGS.key: "c0"}


def holds(digest: str, ref: ConfigRef = SETTINGS, seconds: float = -60) -> ConfigFact:
    """What is known of an object's content."""
    return ConfigFact(ref, digest, at(seconds), "edit")


def naming(*facts: ConfigFact, updated: int = 1, **changes: Any) -> Workload:
    """A rollout whose templates name these."""
    named = tuple(fact.ref for fact in facts)
    others = (replace(OLD, named=named, available=10),)
    candidate = changes.pop("candidate", replace(NEW, named=named))
    return replace(rollout(updated, **changes), config=facts, others=others, candidate=candidate)


def with_config(of: Record, **changes: Any) -> Record:
    """The record with what it remembers of config."""
    config = ConfigState(**{"stable": BEFORE, "started": BEFORE, **changes})
    return of.with_state(replace(of.state, config=config))


def at_rest(*facts: ConfigFact, **changes: Any) -> Workload:
    """Fully rolled out."""
    return naming(*facts, updated=10, **changes)


PROMOTED = with_config(in_state(Phase.PROMOTED, promoted_at=at(10)))


# What is remembered.


def test_a_rollout_remembers_what_changed_since_the_stable_was_started() -> None:
    """By the newest record that says what the stable ran with; a new name is no change."""
    earlier = with_config(record(OLD, None, name="api-old"))
    reading = ConfigReading((holds("c1"), holds("k", KEYS)))
    found = config_of(RevisionRef.of(OLD), (earlier,), naming(), reading)
    assert found.stable == BEFORE
    assert [str(change) for change in found.changes] == [
        "ConfigMap settings was changed in place at 2026-03-01 11:59:00 UTC by edit"
    ]
    assert found.latest == {SETTINGS.key: "c1", KEYS.key: "k"}
    assert started_with(found, reading) == f". {found.changes[0]}"


def test_the_stable_of_a_rollout_cut_short_ran_with_what_that_one_says() -> None:
    """What the candidate before was started with says nothing of the stable's pods."""
    cut_short = with_config(record(revision("bad", number=3), OLD), started={SETTINGS.key: "c9"})
    assert config_of(RevisionRef.of(OLD), (cut_short,), naming(), ConfigReading()).stable == BEFORE


def test_after_an_undo_its_target_runs_with_what_was_there_then() -> None:
    """Its pods were started again."""
    undone = with_config(
        in_state(Phase.UNDONE, undo=undone_to(RevisionRef.of(OLD))), started={SETTINGS.key: "c5"}
    )
    assert config_of(RevisionRef.of(OLD), (undone,), naming(), ConfigReading()).stable == {SETTINGS.key: "c5"}


@pytest.mark.parametrize(("apart", "alone"), [("same", True), ("other", False), ("", False)])
def test_revisions_that_differ_by_our_annotation_differ_by_config_alone(apart: str, alone: bool) -> None:
    """That is known from the digests without it."""
    world = replace(naming(), candidate=replace(NEW, apart="same"), others=(replace(OLD, apart=apart),))
    assert config_of(RevisionRef.of(OLD), (), world, ConfigReading()).alone is alone


# What is said.


@pytest.mark.parametrize("digest", ["c1", ABSENT])
def test_a_change_is_noted_once(digest: str) -> None:
    """And nobody is called."""
    found = decide(situation(with_config(in_state()), naming(holds(digest)), policy=PLAIN))
    assert (found.action, found.reason, found.escalate, found.change) == (
        Action.NOTE,
        "ConfigChanged",
        False,
        None,
    )
    again = situation(in_state().with_state(found.state), naming(holds(digest)), policy=PLAIN)
    assert note_config(again) is None


def test_an_object_that_is_written_all_the_time_is_noted_every_ten_minutes() -> None:
    """Programs may keep their own state in a ConfigMap that they mount."""
    first = decide(situation(with_config(in_state()), naming(holds("c1")), policy=PLAIN))
    said = replace(entry(Action.NOTE, "ConfigChanged", 70), message=first.message)
    after = in_state().with_state(first.state).with_decision(said)
    assert note_config(situation(after, naming(holds("c2")), policy=PLAIN, now=100)) is None
    assert note_config(situation(after, naming(holds("c3")), policy=PLAIN, now=700)) is not None


@pytest.mark.parametrize("fact", [holds(""), holds("c0"), holds("k1", KEYS)])
def test_what_is_not_known_to_have_changed_is_not_noted(fact: ConfigFact) -> None:
    """Unknown now, the same, or not known before."""
    assert note_config(situation(with_config(in_state()), naming(fact), policy=PLAIN)) is None


def test_what_could_not_be_read_at_the_start_is_learnt_later() -> None:
    """Without a note: it is not a change."""
    found = decide(situation(with_config(in_state(), started={}), naming(holds("c1")), policy=PLAIN))
    assert found.action is None
    assert found.state.config.started == {SETTINGS.key: "c1"}


# What starts pods again.


def test_a_change_at_rest_is_a_rollout_by_policy() -> None:
    """All pods are started again, once the change is ten seconds old."""
    young = restart_for_config(situation(PROMOTED, at_rest(holds("c1", seconds=65)), policy=TRIGGER))
    assert young is not None
    assert (young.action, young.requeue_at) == (None, at(75))
    due = decide(situation(PROMOTED, at_rest(holds("c1", seconds=60)), policy=TRIGGER))
    assert due.action is Action.RESTART
    assert isinstance(due.change, Restart)
    assert due.change.config == due.cause.config


@pytest.mark.parametrize(
    ("world", "policy"),
    [
        (at_rest(holds("c0")), TRIGGER),
        (at_rest(holds("c1")), PLAIN),
        (at_rest(holds(ABSENT)), TRIGGER),
        (at_rest(holds("c1"), holds("", KEYS)), TRIGGER),
        (at_rest(holds("c1"), labels={HOLD_LABEL: "true"}), TRIGGER),
        (at_rest(holds("c1"), brake=Brake(on=True)), TRIGGER),
        (naming(holds("c1"), updated=3), TRIGGER),
    ],
    ids=["unchanged", "not the policy", "deleted", "not all known", "hold label", "paused", "not at rest"],
)
def test_pods_are_not_started_again_without_need_or_leave(world: Workload, policy: Policy) -> None:
    """Nor where they would not start."""
    assert restart_for_config(situation(PROMOTED, world, policy=policy)) is None


def test_a_restart_is_not_decided_again_and_again() -> None:
    """What was refused is tried again after ten minutes; what was observed is said once."""
    world = at_rest(holds("c1"))
    decided = restart_for_config(situation(PROMOTED, world, policy=TRIGGER))
    assert decided is not None
    made = entry(Action.RESTART, "ConfigChanged", 60, cause=decided.cause)
    refused = PROMOTED.with_decision(replace(made, outcome=Outcome(OutcomeKind.REFUSED, at(60))))
    assert restart_for_config(situation(refused, world, policy=TRIGGER)) is None
    assert restart_for_config(situation(refused, world, policy=TRIGGER, now=700)) is not None
    observed = PROMOTED.with_decision(replace(made, outcome=Outcome(OutcomeKind.OBSERVED, at(60))))
    assert restart_for_config(situation(observed, world, policy=TRIGGER, now=700)) is None


def test_in_observe_mode_nothing_is_started_again() -> None:
    """It is said what would be done."""
    found = restart_for_config(situation(PROMOTED, at_rest(holds("c1")), policy=TRIGGER, mode=Mode.OBSERVE))
    assert found is not None
    assert found.change is None
    assert found.message.startswith("would restart: ConfigMap settings was changed in place")


# What an undo puts back.


def test_an_undo_names_what_it_does_not_undo() -> None:
    """A change of what the target names as well."""
    found = undo(situation(with_config(in_state()), naming(holds("c1")), policy=PLAIN), FAIL)
    assert found.change == Restore(RevisionRef.of(replace(OLD, named=(SETTINGS,), available=10)))
    assert found.message.endswith("by edit, which putting the template back does not undo")


def kept(digest: str = "c0") -> Record:
    """The record of the stable, which has the data."""
    return with_config(record(OLD, None, name="api-old"), started={SETTINGS.key: digest}, kept=True)


def test_an_undo_puts_former_data_back_by_policy() -> None:
    """From the record that has it, tested against what was judged."""
    now = situation(with_config(in_state()), naming(holds("c1")), policy=RESTORE)
    found = undo(replace(now, records=(now.record, kept())), FAIL)
    back = (ConfigReturn("settings", "c1", "c0", "api-old"),)
    assert isinstance(found.change, Restore)
    assert found.change.config == back
    assert found.state.undo is not None
    assert found.state.undo.config == back
    assert found.message.endswith("; with the former data of ConfigMap settings")


@pytest.mark.parametrize(
    ("fact", "holder"),
    [
        (holds("c1", seconds=-3700), kept()),
        (holds("c1"), kept("c7")),
        (holds(ABSENT), kept()),
    ],
    ids=["changed long before", "no record has it", "deleted"],
)
def test_what_cannot_go_back_is_named(fact: ConfigFact, holder: Record) -> None:
    """The template goes back all the same."""
    now = situation(with_config(in_state()), naming(fact), policy=RESTORE)
    found = undo(replace(now, records=(now.record, holder)), FAIL)
    assert isinstance(found.change, Restore)
    assert found.change.config == ()
    assert found.message.endswith("which putting the template back does not undo")


def test_a_candidate_of_config_alone_is_not_undone_by_its_template() -> None:
    """Pods would start with the same again; once the data is back, the undo follows."""
    alone = with_config(in_state(), alone=True)
    held = undo(situation(alone, naming(holds("c1")), policy=TRIGGER), FAIL)
    assert (held.action, held.reason) == (Action.HOLD, "ConfigAlone")
    assert "9 of 10 pods have not been started again" in held.message
    back = undo(situation(alone, naming(holds("c0")), policy=TRIGGER), FAIL)
    assert isinstance(back.change, Restore)


@pytest.mark.parametrize(
    ("exposure", "undone"),
    [
        (Exposure(10, traffic=TrafficShare(0.1)), True),
        (Exposure(10, traffic=TrafficShare(1.0, adopted=True)), False),
        (Exposure(10, traffic=TrafficShare(1.0, adopted=True), standby=Standby(OLD.digest, ready=10)), True),
        (Exposure(10, traffic=TrafficShare(1.0, adopted=True), standby=Standby(OLD.digest, ready=9)), False),
    ],
    ids=["canary", "promoted", "switched", "switched, and some are gone"],
)
def test_pods_that_were_not_started_again_can_take_over(exposure: Exposure, undone: bool) -> None:
    """Where requests move between pods, those of the stable revision still run with the former data."""
    world = replace(naming(holds("c1")), exposure=exposure)
    decided = undo(situation(with_config(in_state(), alone=True), world, policy=TRIGGER), FAIL)
    assert isinstance(decided.change, Restore) is undone


def test_a_change_says_what_the_api_tells() -> None:
    """Without a time or a writer it is named all the same."""
    assert str(ConfigChange("Secret/keys", "k1")) == "Secret keys was changed in place"
    assert str(ConfigChange("Secret/keys", ABSENT, at(0), "edit")) == (
        "Secret keys was deleted at 2026-03-01 12:00:00 UTC"
    )

"""RolloutRecords as objects: everything kept, within bounds, and known to the definition that ships."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from datetime import timedelta
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

import orjson
import pytest

from sentinel.adapters.kubernetes.custom.codec import camel
from sentinel.adapters.kubernetes.custom.former_schema import FORMER_FIELDS
from sentinel.adapters.kubernetes.custom.record_bounds import MAX_STATUS_BYTES, fitted
from sentinel.adapters.kubernetes.custom.record_objects import (
    RecordHistory,
    RecordSpec,
    object_of,
    record_of,
    status_of,
    with_status,
)
from sentinel.domain.alert import AlertStatus
from sentinel.domain.gate import GateAnswer, GateResult
from sentinel.domain.policy.policy import Mode
from sentinel.domain.record.entries import Action, AlertEntry, DecisionEntry, NoticeRef, Outcome, OutcomeKind
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Hold, Phase, RolloutState, UndoState
from sentinel.domain.verdict import DecisionCause
from tests.adapters.kubernetes.worlds import NOW, definition, record
from tests.support.states import state_of


def full() -> Record:
    """A record in which everything is set."""
    plain = record()
    assert plain.stable is not None
    state = state_of(
        Phase.UNDOING,
        step=1,
        began_at=NOW,
        reached_at=NOW,
        weight=0.5,
        hold=Hold("Approval", NOW, "waits for a human", sticky=False),
        stood=12.5,
        stopped_since=NOW,
        approval_since=NOW,
        missing_since=NOW,
        asked_since=NOW,
        results=(GateResult("smoke", GateAnswer.RUNNING, "its Job runs", 1, NOW),),
        seen_generation=3,
        released_generation=2,
        released_by_person=True,
        promoted_at=NOW,
        ended_at=NOW,
        forgiven_at=NOW,
        undo=UndoState(plain.stable, NOW, patched_at=NOW, restored_at=NOW, overdue_told=True),
        verdict="fail",
        reason="ErrorRate",
        message="12 % errors against 0.1 %",
        analysis={"error-rate": {"bets": [1, 2.5], "name": "x"}},
        measured_until={"error-rate": NOW},
        saved_at=NOW,
    )
    decision = DecisionEntry(
        id="d-1",
        at=NOW,
        action=Action.UNDO,
        reason="ErrorRate",
        message="12 % errors",
        revision="d" * 64,
        step=1,
        rule="error-rate",
        numbers={"candidate": 0.12, "requests": 100, "limit": "5%"},
        target="c" * 64,
        attempt=2,
        escalated=True,
        outcome=Outcome(OutcomeKind.DONE, NOW, "the template was put back"),
        cause=DecisionCause("f", "web-gate-1", NOW, NOW),
    )
    alert = AlertEntry(
        fingerprint="f",
        name="HighErrorRate",
        status=AlertStatus.FIRING,
        labels={"severity": "page"},
        starts_at=NOW,
        received_at=NOW,
        summary="errors",
        pending_for=60.0,
        truncated=3,
        verdict="undo",
    )
    return replace(
        plain,
        state=state,
        mode=Mode.OBSERVE,
        attempt=2,
        trigger="helm",
        policy_document={"spec": {"bake": "10m"}},
        decisions=(decision,),
        alerts=(alert,),
        notice=NoticeRef("#deploys", "17.5", "d-1"),
        uid="uid-9",
        version="77",
    )


@pytest.mark.parametrize("original", [record(), full()])
def test_a_record_survives_the_api(original: Record) -> None:
    """A record written as an object and read again is the same."""
    assert record_of(orjson.loads(orjson.dumps(object_of(original)))) == original


def test_a_record_without_a_status_is_at_its_beginning() -> None:
    """An object whose status was not written yet is a rollout in progress at its first step."""
    raw = object_of(record())
    del raw["status"]
    assert record_of(raw).state == RolloutState(Phase.PROGRESSING)


def test_a_record_is_not_owned() -> None:
    """A record outlives its workload: it has no owner and goes with the namespace alone."""
    assert "ownerReferences" not in object_of(full())["metadata"]


def test_a_write_of_the_status_holds_nothing_else() -> None:
    """The spec, with the policy's whole document, is not sent again with each step of a rollout."""
    written = with_status(full(), {"phase": "Held"})
    assert set(written) == {"apiVersion", "kind", "metadata", "status"}
    assert written["metadata"]["resourceVersion"] == full().version


def test_what_humans_asked_for_is_kept() -> None:
    """Approved steps and a resumption stand in the status."""
    asked = replace(record(), approvals=frozenset({2, 1}), resumed_at=NOW)
    raw = object_of(asked)
    assert raw["status"]["approvals"] == [1, 2]
    assert record_of(raw) == asked


def decision(number: int, text: str = "m", outcome: Outcome | None = None) -> DecisionEntry:
    at = NOW + timedelta(seconds=number)
    return DecisionEntry(f"d-{number}", at, Action.HOLD, "R", text, "d" * 64, 0, outcome=outcome)


DONE = Outcome(OutcomeKind.DONE, NOW)


def test_long_texts_are_cut() -> None:
    """Messages and details are kept up to a limit."""
    long = decision(1, "x" * 9000, Outcome(OutcomeKind.FAILED, NOW, "y" * 9000))
    entry = fitted(replace(record(), decisions=(long,)))[1]["decisions"][0]
    assert len(entry["message"]) == 1000
    assert len(entry["outcome"]["detail"]) == 1000


def test_the_newest_fifty_are_kept() -> None:
    """Of more decisions and alerts than fifty the newest are written."""
    many = tuple(decision(number, outcome=DONE) for number in range(60))
    written = fitted(replace(record(), decisions=many))[1]["decisions"]
    assert [entry["id"] for entry in written] == [f"d-{n}" for n in range(10, 60)]


def test_a_status_stays_small_by_its_oldest_decisions() -> None:
    """Where fifty decisions are too much the oldest go, and the status fits."""
    many = tuple(decision(n, "ü" * 1000, replace(DONE, detail="z" * 1000)) for n in range(50))
    status = fitted(replace(record(), decisions=many))[1]
    assert len(orjson.dumps(status)) <= MAX_STATUS_BYTES
    ids = [entry["id"] for entry in status["decisions"]]
    assert ids == [f"d-{n}" for n in range(50 - len(ids), 50)]
    assert len(ids) > 15


def alert(number: int, labels: dict[str, str]) -> AlertEntry:
    at = NOW + timedelta(seconds=number)
    return AlertEntry(f"f-{number}", "A", AlertStatus.FIRING, labels, at, at)


def test_alerts_do_not_have_the_newest_decisions_forgotten() -> None:
    """However large fifty alerts are, the ten newest decisions stay, and the newest alerts beside them."""
    flood = tuple(alert(n, {f"l{i}": "ü" * 190 for i in range(128)}) for n in range(50))
    many = tuple(decision(n, "m" * 1000, DONE) for n in range(50))
    status = fitted(replace(record(), decisions=many, alerts=flood))[1]
    assert len(orjson.dumps(status)) <= MAX_STATUS_BYTES
    assert [entry["id"] for entry in status["decisions"]] == [f"d-{n}" for n in range(40, 50)]
    assert status["alerts"][-1]["fingerprint"] == "f-49"


def test_an_alert_with_too_many_labels_loses_the_longest() -> None:
    """What tells a workload is short and stays."""
    labels = {"namespace": "shop", "deployment": "web"} | {f"l{i}": "x" * 190 for i in range(100)}
    (entry,) = fitted(replace(record(), alerts=(alert(1, labels),)))[1]["alerts"]
    assert entry["labels"].items() >= {"namespace": "shop", "deployment": "web"}.items()
    assert len(orjson.dumps(entry["labels"])) <= 4096


def test_an_open_decision_is_never_dropped() -> None:
    """A decision whose outcome is not known yet stays, however old it is."""
    many = (decision(0, "open"), *(decision(n, "ü" * 1000, DONE) for n in range(1, 50)))
    state = replace(record().state, analysis={"r": {"x": "y" * 40_000}})
    status = fitted(replace(record(), decisions=many, state=state))[1]
    assert len(orjson.dumps(status)) <= MAX_STATUS_BYTES
    assert status["decisions"][0]["id"] == "d-0"


def test_the_analysis_goes_last() -> None:
    """An analysis state that is too large by itself is given up: the status still fits."""
    state = replace(record().state, analysis={"r": {"x": "y" * 70_000}})
    status = fitted(replace(record(), decisions=(decision(1, outcome=DONE),), state=state))[1]
    assert len(orjson.dumps(status)) <= MAX_STATUS_BYTES
    assert "analysis" not in status


def test_the_printed_revision_is_the_shortest_name() -> None:
    """The column shows the controller's number, else its hash, else our digest's beginning."""
    plain = record()
    for changes, shown in (({}, "2"), ({"number": 0}, "abc"), ({"number": 0, "hash": ""}, "d" * 10)):
        candidate = replace(plain.candidate, **changes)
        assert status_of(replace(plain, candidate=candidate))["revision"] == shown


def test_steps_count_from_1_in_objects() -> None:
    """In the state and in every decision, in the printed column, and back from 0 in the domain."""
    original = full()
    kept = object_of(original)["status"]
    assert kept["progress"]["step"] == kept["stepNumber"] == original.state.progress.step + 1
    assert [each["step"] for each in kept["decisions"]] == [each.step + 1 for each in original.decisions]
    (version,) = definition()["spec"]["versions"]
    (column,) = (each for each in version["additionalPrinterColumns"] if each["name"] == "Step")
    assert kept[column["jsonPath"].removeprefix(".status.")] == original.state.progress.step + 1


def schema() -> dict[str, Any]:
    (version,) = definition()["spec"]["versions"]
    return dict(version["schema"]["openAPIV3Schema"]["properties"])


def unknown_to(properties: Mapping[str, Any], kind: Any, path: str) -> list[str]:
    """Every field of a dataclass that the schema would prune."""
    hints = get_type_hints(kind)
    found: list[str] = []
    for item in fields(kind):
        name = camel(item.name)
        if name not in properties:
            found.append(f"{path}.{name}")
            continue
        hint = hints[item.name]
        inner = [a for a in get_args(hint) if a is not NoneType] if get_args(hint) else [hint]
        nested = next((a for a in inner if is_dataclass(a)), None)
        if nested is not None:
            place = properties[name]
            # A mapping has its values under one key, a tuple its items.
            origin = get_origin(hint)
            within = {Mapping: "additionalProperties", tuple: "items"}.get(origin)  # type: ignore[call-overload]
            found += unknown_to((place[within] if within else place)["properties"], nested, f"{path}.{name}")
    return found


def test_the_definition_knows_every_field() -> None:
    """No field of a record would be pruned by the schema that ships."""
    known = schema()
    assert unknown_to(known["spec"]["properties"], RecordSpec, "spec") == []
    for kind in (RolloutState, RecordHistory):
        assert unknown_to(known["status"]["properties"], kind, "status") == []


def test_the_definition_has_no_field_of_its_own() -> None:
    """Its schema names nothing but what a record has, what is printed, kept data, and what earlier releases wrote."""
    known = schema()
    for part, kinds in (("spec", (RecordSpec,)), ("status", (RolloutState, RecordHistory))):
        names = {camel(item.name) for kind in kinds for item in fields(kind)}
        former = {name for place in FORMER_FIELDS.values() for name in place}
        assert (
            set(known[part]["properties"]) - names
            <= {"revision", "stepNumber", "standing", "configData"} | former
        )


def test_every_field_of_the_definition_is_described() -> None:
    """`kubectl explain` has words for every field."""

    def silent(place: Mapping[str, Any], path: str) -> list[str]:
        found = [] if "description" in place else [path]
        for name, inner in place.get("properties", {}).items():
            found += silent(inner, f"{path}.{name}")
        items = place.get("items", {})
        for name, inner in items.get("properties", {}).items():
            found += silent(inner, f"{path}[].{name}")
        return found

    for part in ("spec", "status"):
        assert silent(schema()[part], part) == []


def test_the_definition_bounds_its_lists() -> None:
    """Decisions and alerts are bounded to fifty by the API server as well."""
    status = schema()["status"]["properties"]
    assert status["decisions"]["maxItems"] == 50
    assert status["alerts"]["maxItems"] == 50


def test_records_share_what_they_have_in_common() -> None:
    """The policy, revisions and texts of records that are read anew are the same objects, and so kept once."""
    written = orjson.dumps(object_of(full()))
    one, other = (record_of(orjson.loads(written)) for _ in range(2))
    assert one.policy_document is other.policy_document
    assert one.candidate is other.candidate
    assert one.decisions[0].reason is other.decisions[0].reason


def test_a_document_that_differs_from_another_of_its_digest_stays_as_it_is() -> None:
    """Somebody may have written it: a record says what it says."""
    written = orjson.loads(orjson.dumps(object_of(full())))
    kept = record_of(written).policy_document
    written["spec"]["policyDocument"] = {"other": 1}
    assert record_of(written).policy_document == {"other": 1} != kept

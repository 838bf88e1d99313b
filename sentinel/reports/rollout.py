"""One rollout as a page shows it: where it is, why, what was decided on which numbers, and what could end it."""

from collections.abc import Mapping
from datetime import datetime

from sentinel.domain.command import Command
from sentinel.domain.policy.policy import Policy
from sentinel.domain.record.entries import AlertEntry, DecisionEntry
from sentinel.domain.record.holds import hold_kind
from sentinel.domain.record.offers import offered
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Json
from sentinel.domain.verdict import ARMS, Number, figures_of
from sentinel.domain.words import deed
from sentinel.reports.board import BoardRow, row_of
from sentinel.reports.commands import CommandReport, command_report
from sentinel.reports.courses import CourseReport, course_report
from sentinel.reports.detection import DetectionReport, detection_of
from sentinel.values import dataclass


@dataclass(frozen=True, slots=True)
class StepReport:
    """One step, 100 % included: the share of the workload, its bake in seconds, and who must agree after it."""

    weight: float
    bake: float
    approval: bool = False
    gates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FiguresReport:
    """What one rule measured, in words; empty where it saw nothing, or has no such figure."""

    rule: str
    canary: str
    baseline: str
    limit: str
    evidence: str


@dataclass(frozen=True, slots=True)
class DecisionReport:
    """One decision with its figures and its numbers. `outcome` is empty while it is not known; `step` counts from 1."""

    at: datetime
    action: str
    reason: str
    message: str
    rule: str
    step: int
    target: str
    figures: tuple[FiguresReport, ...]
    numbers: Mapping[str, Number]
    outcome: str
    outcome_at: datetime | None
    detail: str
    requested_by: str
    escalated: bool


@dataclass(frozen=True, slots=True)
class AlertReport:
    """One alert and what it came to; `verdict` is empty until it was examined."""

    name: str
    status: str
    labels: Mapping[str, str]
    summary: str
    starts_at: datetime
    received_at: datetime
    verdict: str


@dataclass(frozen=True, slots=True)
class GateReport:
    """Where a gate of the present step is."""

    name: str
    answer: str
    detail: str
    tries: int
    at: datetime | None


@dataclass(frozen=True, slots=True)
class HoldReport:
    """Why nothing moves: `meaning` explains the reason, `ends` says what ends the hold besides a person."""

    reason: str
    meaning: str
    ends: str
    since: datetime
    message: str
    observed: bool


@dataclass(frozen=True, slots=True)
class KeeperReport:
    """The hold on who deploys the workload. `placed_at` is None until it is in force."""

    keeper: str
    reason: str
    since: datetime
    placed_at: datetime | None
    until: datetime
    by_people: bool


@dataclass(frozen=True, slots=True)
class UndoReport:
    """The undo, under way or done."""

    target: str
    decided_at: datetime
    fault_at: datetime | None
    patched_at: datetime | None
    restored_at: datetime | None


@dataclass(frozen=True, slots=True)
class RolloutReport:
    """All of one rollout. `offered` are the actions that people may ask for now, `commands` what they asked for."""

    row: BoardRow
    record: str
    candidate: str
    stable: str
    change_cause: str
    trigger: str
    attempt: int
    promoted_at: datetime | None
    guard_until: datetime | None
    saved_at: datetime | None
    steps: tuple[StepReport, ...]
    hold: HoldReport | None
    keeper_hold: KeeperReport | None
    undo: UndoReport | None
    gates: tuple[GateReport, ...]
    courses: tuple[CourseReport, ...]
    detection: tuple[DetectionReport, ...]
    policy_document: Json
    decisions: tuple[DecisionReport, ...]
    alerts: tuple[AlertReport, ...]
    alerts_beyond: int
    advice: tuple[str, ...]
    offered: tuple[str, ...]
    commands: tuple[CommandReport, ...]
    others: tuple[BoardRow, ...]


def report_of(
    record: Record,
    policy: Policy | None,
    others: tuple[BoardRow, ...],
    advice: tuple[str, ...],
    commands: tuple[Command, ...] = (),
) -> RolloutReport:
    """The report on a record; `policy` is the one that its rollout goes on under, where it is known."""
    state = record.state
    promoted = state.ending.promoted_at
    guard = policy.strategy.guard if policy is not None and record.guarded else None
    return RolloutReport(
        row=row_of(record, policy),
        record=record.name,
        candidate=str(record.candidate),
        stable=str(record.stable) if record.stable is not None else "",
        change_cause=record.candidate.change_cause,
        trigger=record.trigger,
        attempt=record.attempt,
        promoted_at=promoted,
        guard_until=promoted + guard if promoted is not None and guard is not None else None,
        saved_at=state.saved_at,
        steps=_steps(policy) if policy is not None else (),
        hold=_hold(record),
        keeper_hold=_keeper_hold(record),
        undo=_undo(record),
        gates=tuple(
            GateReport(one.name, one.answer.value, one.detail, one.tries, one.at)
            for one in state.gating.results
        ),
        courses=tuple(course_report(rule, course) for rule, course in state.course.items()),
        detection=detection_of(record, policy) if policy is not None else (),
        policy_document=record.policy_document,
        decisions=tuple(_decision(entry) for entry in record.decisions),
        alerts=tuple(_alert(entry) for entry in record.alerts),
        alerts_beyond=record.alerts_beyond.count if record.alerts_beyond is not None else 0,
        advice=advice,
        offered=tuple(action.value for action in offered(record)),
        commands=tuple(command_report(one) for one in commands),
        others=others,
    )


def _steps(policy: Policy) -> tuple[StepReport, ...]:
    strategy = policy.strategy
    canary = (
        StepReport(
            step.weight, step.bake.total_seconds(), step.approval, tuple(gate.name for gate in step.gates)
        )
        for step in strategy.steps
    )
    return (*canary, StepReport(1.0, strategy.bake.total_seconds()))


def _hold(record: Record) -> HoldReport | None:
    hold = record.state.hold
    if hold is None:
        return None
    kind = hold_kind(hold.reason)
    return HoldReport(hold.reason, kind.meaning, kind.end.value, hold.since, hold.message, hold.observed)


def _keeper_hold(record: Record) -> KeeperReport | None:
    hold = record.keeper_hold
    if hold is None:
        return None
    return KeeperReport(str(hold.keeper), hold.reason, hold.since, hold.placed_at, hold.until, hold.by_people)


def _undo(record: Record) -> UndoReport | None:
    undo = record.state.undo
    if undo is None:
        return None
    return UndoReport(str(undo.target), undo.decided_at, undo.fault_at, undo.patched_at, undo.restored_at)


def _decision(entry: DecisionEntry) -> DecisionReport:
    outcome = entry.outcome
    return DecisionReport(
        at=entry.at,
        action=deed(entry),
        reason=entry.reason,
        message=entry.message,
        rule=entry.rule,
        step=entry.step + 1,
        target=entry.target,
        figures=_figures(entry),
        numbers=entry.numbers,
        outcome=outcome.kind.value if outcome is not None else "",
        outcome_at=outcome.at if outcome is not None else None,
        detail=outcome.detail if outcome is not None else "",
        requested_by=entry.requested_by,
        escalated=entry.escalated,
    )


def _figures(entry: DecisionEntry) -> tuple[FiguresReport, ...]:
    """Of each rule that measured an arm."""
    canary, baseline = ARMS
    found = (
        FiguresReport(one.rule or entry.rule, one.arm(canary), one.arm(baseline), one.limit, one.evidence)
        for one in figures_of(entry.numbers)
    )
    return tuple(one for one in found if one.canary or one.baseline)


def _alert(entry: AlertEntry) -> AlertReport:
    return AlertReport(
        entry.name,
        entry.status.value,
        entry.labels,
        entry.summary,
        entry.starts_at,
        entry.received_at,
        entry.verdict,
    )

"""The schema of a file of rule tests: `RuleTest`, version `rollback-sentinel.dev/v1`."""

import re
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from sentinel.domain.record.state import Phase
from sentinel.domain.verdict import VerdictKind
from sentinel.domain.workload.kinds import WorkloadKind
from sentinel.engine.replay.modelled_pods import ModelledFate
from sentinel.policies.mistakes import InputError
from sentinel.policies.ruletest.notation import SeriesName, Value, parse_series, parse_values
from sentinel.policies.schema.fields import (
    Count,
    Duration,
    LabelKey,
    LabelValue,
    Model,
    Name,
    PolicyName,
    PositiveDuration,
    Text,
)
from sentinel.policies.schema.quantities import parse_duration

KIND = "RuleTest"
DEFAULT_UNTIL = timedelta(hours=3)

_POD = r"(candidate|baseline)-(\d+|\*)"


def _series(value: object) -> SeriesName:
    if not isinstance(value, str):
        raise InputError(
            "must be text, a series", "write 'http_requests_total{pod=\"candidate-1\"}', in quotes"
        )
    return parse_series(value)


def _values(value: object) -> tuple[Value, ...]:
    if not isinstance(value, str):
        hint = "write it in quotes, such as '5' or '0x10': YAML takes the latter for a hexadecimal number"
        raise InputError("must be text, promtool's series notation", hint)
    return parse_values(value)


def _moment(value: object) -> timedelta:
    """A time from the beginning of the rollout; one before it has a minus."""
    if isinstance(value, str) and value.strip().startswith("-"):
        return -parse_duration(value.strip()[1:])
    return parse_duration(value)


def _pod(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(_POD, value):
        raise InputError(
            f"{value!r} is not a simulated pod", "write candidate-1, baseline-2, or candidate-* for all"
        )
    return value


PodName = Annotated[
    str,
    BeforeValidator(_pod),
    WithJsonSchema(
        {"type": "string", "pattern": f"^{_POD}$", "description": "candidate-1, baseline-2, candidate-*"}
    ),
]
SeriesText = Annotated[
    SeriesName,
    BeforeValidator(_series),
    WithJsonSchema({"type": "string", "description": "A series with its labels"}),
]
Values = Annotated[
    tuple[Value, ...],
    BeforeValidator(_values),
    WithJsonSchema({"type": "string", "description": "promtool's series notation: 0+20x100, _x3, stale"}),
]
Moment = Annotated[
    timedelta,
    BeforeValidator(_moment),
    WithJsonSchema(
        {"type": ["string", "integer"], "description": "A time from the beginning of the rollout: 2m30s"}
    ),
]


class PauseSpec(Model):
    """A pause of a Rollout's own: without a duration it waits until it is promoted."""

    duration: PositiveDuration | None = None


class OwnStepSpec(Model):
    """One of a Rollout's own canary steps, written as in its spec.strategy.canary.steps."""

    set_weight: Annotated[Count, Field(ge=0, le=100)] | None = None
    pause: PauseSpec | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> "OwnStepSpec":
        if (self.set_weight is None) == (self.pause is None):
            raise InputError("must be one of setWeight and pause", "write {setWeight: 20} or {pause: {}}")
        return self


class WorkloadSpec(Model):
    """The modelled workload; kind, name, namespace and labels are such that the policy matches, unless said.

    Where neither is said, a Deployment surges by one pod, of a Rollout a quarter of its pods surge and may be missing,
    and of the other kinds one pod may be missing. `steps` are a Rollout's own.
    """

    kind: WorkloadKind | None = None
    namespace: Name | None = None
    name: Name | None = None
    labels: dict[LabelKey, LabelValue] | None = None
    annotations: dict[LabelKey, Text] = Field(default_factory=dict)
    replicas: Annotated[Count, Field(ge=1, le=500)] = 10
    max_surge: Annotated[Count, Field(ge=0, le=500)] | None = None
    max_unavailable: Annotated[Count, Field(ge=0, le=500)] | None = None
    ready_after: Duration = timedelta(seconds=5)
    changed_by: Annotated[str, Field(max_length=128)] = ""
    steps: Annotated[tuple[OwnStepSpec, ...], Field(max_length=50)] = ()

    @model_validator(mode="after")
    def _can_move(self) -> "WorkloadSpec":
        if self.max_surge == 0 and not self.max_unavailable:
            raise InputError(
                "neither maxSurge nor maxUnavailable lets a pod be replaced", "write maxSurge: 1"
            )
        return self


class RevisionSpec(Model):
    """One of both revisions."""

    image: Annotated[str, Field(min_length=1, max_length=512)] | None = None
    labels: dict[LabelKey, LabelValue] = Field(default_factory=dict)
    irreversible: Annotated[str, Field(max_length=256)] = ""


class SeriesSpec(Model):
    """One input series; `pod="candidate-*"` is one for each pod of that arm, `from` when its first sample is."""

    series: SeriesText
    values: Values
    begins: Annotated[Moment, Field(alias="from")] = timedelta(0)


class AnswerSpec(Model):
    """The answers to a query rule."""

    rule: Name
    values: Values
    begins: Annotated[Moment, Field(alias="from")] = timedelta(0)


class PodSpec(Model):
    """What befalls a pod: `at` a time, or `after` it was made."""

    pod: PodName
    becomes: ModelledFate
    at: Moment | None = None
    after: Duration | None = None
    restarts: Annotated[Count, Field(ge=1)] = 3
    message: Annotated[str, Field(max_length=512)] = ""

    @model_validator(mode="after")
    def _one_time(self) -> "PodSpec":
        if self.at is not None and self.after is not None:
            raise InputError("has two times", "keep at or after", at=("after",), key=True)
        return self


class FiringAlertSpec(Model):
    """An alert that fires; the notification comes in at `received`, at once unless said."""

    labels: dict[str, str]
    firing: Moment
    received: Moment | None = None
    resolved: Moment | None = None
    pending: Duration | None = None
    summary: Annotated[str, Field(max_length=512)] = ""


class ApprovalSpec(Model):
    """A human approves a step, counted from 1."""

    step: Annotated[Count, Field(ge=1)]
    at: Moment


Decision = Literal[
    "advance", "promote", "hold", "resume", "undo", "escalate", "supersede", "restored", "close"
]
"""What can be expected; that a rollout starts, or waits for the cluster, goes without saying."""


class DecisionSpec(Model):
    """A decision that must come: `at` exactly this time, or `by`, or `after` it."""

    decision: Decision
    at: Moment | None = None
    by: Moment | None = None
    after: Moment | None = None
    rule: Annotated[str, Field(max_length=256)] = ""
    reason: Annotated[str, Field(max_length=256)] = ""
    message: Annotated[str, Field(max_length=1024)] = ""

    @model_validator(mode="after")
    def _sensible(self) -> "DecisionSpec":
        if self.at is not None and (self.by is not None or self.after is not None):
            raise InputError(
                "has an exact time and a bound", "keep at, or by and after", at=("at",), key=True
            )
        return self


class VerdictSpec(Model):
    """What a rule must say at a time."""

    at: Moment
    rule: Name
    verdict: VerdictKind
    reason: Annotated[str, Field(max_length=256)] = ""
    message: Annotated[str, Field(max_length=1024)] = ""


class ExpectSpec(Model):
    """The expected outcome. `decisions` lists all of them in order, except the start."""

    decisions: tuple[DecisionSpec, ...] | None = None
    verdicts: tuple[VerdictSpec, ...] = ()
    phase: Phase | None = None

    @model_validator(mode="after")
    def _something(self) -> "ExpectSpec":
        if self.decisions is None and not self.verdicts and self.phase is None:
            raise InputError(
                "expects nothing, so the test could never fail", "write decisions, verdicts or phase"
            )
        return self


class CaseSpec(Model):
    """One test."""

    name: Text
    policy: PolicyName | None = None
    interval: PositiveDuration | None = None
    until: PositiveDuration = DEFAULT_UNTIL
    workload: WorkloadSpec = WorkloadSpec()
    candidate: RevisionSpec = RevisionSpec()
    baseline: RevisionSpec = RevisionSpec()
    first_deployment: bool = False
    series: tuple[SeriesSpec, ...] = ()
    answers: tuple[AnswerSpec, ...] = ()
    pods: tuple[PodSpec, ...] = ()
    alerts: tuple[FiringAlertSpec, ...] = ()
    approvals: tuple[ApprovalSpec, ...] = ()
    resumes: tuple[Moment, ...] = ()
    promotes: tuple[Moment, ...] = ()
    aborts: tuple[Moment, ...] = ()
    neighbours_over: Annotated[Count, Field(ge=0)] = 0
    expect: ExpectSpec


class CaseFileSpec(Model):
    """One file of tests: `rules` are the files it tests, in its folder; by default the file with its name.

    `series` are those of every test; a test's own series of the same name and labels goes before.
    """

    api_version: Literal["rollback-sentinel.dev/v1"]
    kind: Literal["RuleTest"]
    rules: tuple[Text, ...] = ()
    interval: PositiveDuration = timedelta(seconds=15)
    series: tuple[SeriesSpec, ...] = ()
    tests: Annotated[tuple[CaseSpec, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _distinct(self) -> "CaseFileSpec":
        seen: set[str] = set()
        for index, test in enumerate(self.tests):
            if test.name in seen:
                raise InputError("two tests have this name", "rename one", at=("tests", index, "name"))
            seen.add(test.name)
        return self


def json_schema() -> dict[str, object]:
    """The JSON Schema of a file of tests, for editors."""
    schema = CaseFileSpec.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": KIND}

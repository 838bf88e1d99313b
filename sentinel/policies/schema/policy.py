"""The schema of a rule file: `RolloutPolicy`, version `rollback-sentinel.dev/v1`."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, WithJsonSchema, model_validator

from sentinel.domain.gate import OnGateFailure
from sentinel.domain.policy.policy import Mode, OnKnownBad
from sentinel.domain.policy.selection import AlertAction, AlertMatcher, Operator
from sentinel.domain.policy.strategy import OnDeadline, OnLowTraffic
from sentinel.domain.workload.kinds import GUARDED_KINDS, WorkloadKind
from sentinel.policies.mistakes import InputError, did_you_mean
from sentinel.policies.schema.fields import (
    Channel,
    Count,
    Duration,
    Glob,
    LabelKey,
    LabelValue,
    MetricLabel,
    Model,
    Name,
    PositiveDuration,
    PositiveShare,
    Text,
    WebAddress,
)
from sentinel.policies.schema.job_template import check_job_template
from sentinel.policies.schema.matchers import parse_matchers
from sentinel.policies.schema.quantities import format_duration
from sentinel.policies.schema.rules import RuleSpec

API_VERSION = "rollback-sentinel.dev/v1"
KIND = "RolloutPolicy"
SUPPORTED_KINDS = frozenset(GUARDED_KINDS)
"""The kinds of workloads that can be guarded; `context={"kinds": …}` says which are watched."""

MAX_FALSE_ROLLBACK_RATE = 0.2
MAX_JOB_TIME = timedelta(hours=6)


def _kind(value: object, info: ValidationInfo) -> WorkloadKind:
    known = [kind.value for kind in WorkloadKind]
    if value not in known:
        raise InputError(f"unknown kind of workload {value!r}", did_you_mean(str(value), known))
    kind = WorkloadKind(str(value))
    if kind not in (info.context or {}).get("kinds", SUPPORTED_KINDS):
        raise InputError(f"{kind}s are not watched", f"add {kind} to kubernetes.kinds of the settings")
    return kind


def _matchers(value: object) -> tuple[AlertMatcher, ...]:
    if not isinstance(value, str):
        raise InputError("must be text, Alertmanager's matchers", "write 'severity=\"page\"', in quotes")
    return parse_matchers(value)


def _false_rollback_rate(value: float) -> float:
    if value > MAX_FALSE_ROLLBACK_RATE:
        raise InputError(f"is more than {MAX_FALSE_ROLLBACK_RATE:.0%}", "write a share such as 1%")
    return value


Kind = Annotated[
    WorkloadKind,
    BeforeValidator(_kind),
    WithJsonSchema({"type": "string", "enum": [kind.value for kind in WorkloadKind]}),
]
JobTemplate = Annotated[
    Mapping[str, object],
    BeforeValidator(check_job_template),
    WithJsonSchema(
        {
            "type": "object",
            "description": "A Job's template, as a CronJob has it under jobTemplate",
            "properties": {"metadata": {"type": "object"}, "spec": {"type": "object"}},
            "required": ["spec"],
            "additionalProperties": False,
        }
    ),
]
Matchers = Annotated[
    tuple[AlertMatcher, ...],
    BeforeValidator(_matchers),
    WithJsonSchema({"type": "string", "description": 'Alertmanager\'s matchers: alertname="HighErrorRate"'}),
]


class RequirementSpec(Model):
    """One of `matchExpressions`."""

    key: LabelKey
    operator: Operator
    values: tuple[LabelValue, ...] = ()

    @model_validator(mode="after")
    def _values_fit(self) -> "RequirementSpec":
        needed = self.operator in (Operator.IN, Operator.NOT_IN)
        if needed and not self.values:
            raise InputError(f"{self.operator} needs values", "write values: [...]")
        if not needed and self.values:
            raise InputError(f"{self.operator} takes no values", "remove values", at=("values",), key=True)
        return self


class SelectorSpec(Model):
    """Kubernetes' label selector."""

    match_labels: dict[LabelKey, LabelValue] = Field(default_factory=dict)
    match_expressions: tuple[RequirementSpec, ...] = ()


class MatchSpec(Model):
    """Which workloads the policy guards; what is left out matches everything."""

    kinds: Annotated[tuple[Kind, ...], Field(min_length=1)] = (WorkloadKind.DEPLOYMENT,)
    namespaces: tuple[Glob, ...] = ()
    names: tuple[Glob, ...] = ()
    selector: SelectorSpec = SelectorSpec()


def _job_time(value: timedelta) -> timedelta:
    if value > MAX_JOB_TIME:
        raise InputError(f"is more than {format_duration(MAX_JOB_TIME)}", "a smoke test is short")
    return value


class WebhookGateSpec(Model):
    """What is posted Flagger's payload and answers 2xx to agree; asked again until `within` has passed."""

    url: WebAddress
    timeout: PositiveDuration = timedelta(seconds=10)
    within: PositiveDuration = timedelta(minutes=5)
    metadata: Annotated[dict[Text, Text], Field(max_length=50)] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _call_fits(self) -> "WebhookGateSpec":
        if self.timeout > self.within:
            raise InputError(
                f"one call may take {format_duration(self.timeout)}, longer than all of them, "
                f"{format_duration(self.within)}",
                "raise within or lower timeout",
                at=("timeout",),
            )
        return self


class JobGateSpec(Model):
    """A Job that must succeed within this time: smoke tests. `template` is what a CronJob has as its jobTemplate."""

    template: JobTemplate
    within: Annotated[PositiveDuration, AfterValidator(_job_time)] = timedelta(minutes=10)


class GateSpec(Model):
    """What must agree, besides the rules, before the rollout goes on to the next step: a webhook or a Job."""

    name: Name | None = None
    webhook: WebhookGateSpec | None = None
    job: JobGateSpec | None = None
    on_failure: OnGateFailure = OnGateFailure.HOLD

    @model_validator(mode="after")
    def _asks_something(self) -> "GateSpec":
        if self.webhook is None and self.job is None:
            raise InputError(
                "has neither webhook nor job", "write webhook: {url: ...} or job: {template: ...}"
            )
        if self.webhook is not None and self.job is not None:
            raise InputError("has a webhook and a job", "make them two gates", at=("job",), key=True)
        if self.job is not None and self.name is None:
            raise InputError("has no name, which a job needs", "write name: smoke-test")
        return self


class StepSpec(Model):
    """One canary step."""

    weight: PositiveShare
    bake: Duration = timedelta(0)
    approval: Literal["required", "none"] = "none"
    gates: Annotated[tuple[GateSpec, ...], Field(max_length=10)] = ()


class CanarySpec(Model):
    """Canary steps, each with more of the candidate than the one before; 100 % follows by itself."""

    steps: Annotated[tuple[StepSpec, ...], Field(min_length=1, max_length=50)]

    @model_validator(mode="after")
    def _ascending(self) -> "CanarySpec":
        for index, step in enumerate(self.steps):
            if step.weight >= 1:
                raise InputError(
                    "100% is not a canary step",
                    "leave it out; spec.strategy.bake is how long 100% bakes",
                    at=("steps", index, "weight"),
                )
            before = self.steps[index - 1].weight if index else 0.0
            if step.weight <= before:
                raise InputError(
                    f"{step.weight * 100:.4g}% is not more than the step before, {before * 100:.4g}%",
                    "give the steps in ascending order",
                    at=("steps", index, "weight"),
                )
        return self


class StrategySpec(Model):
    """How a rollout proceeds."""

    canary: CanarySpec | None = None
    bake: Duration = timedelta(minutes=10)
    guard: Duration = timedelta(hours=1)
    deadline: PositiveDuration = timedelta(hours=1)
    on_deadline: OnDeadline = OnDeadline.HOLD
    on_low_traffic: OnLowTraffic = OnLowTraffic.HOLD
    min_requests: Annotated[Count, Field(ge=1)] = 100
    warmup: Duration = timedelta(seconds=30)
    promote: Literal["bake", "early"] = "bake"

    @model_validator(mode="after")
    def _in_time(self) -> "StrategySpec":
        bakes = sum((step.bake for step in self.canary.steps), self.bake) if self.canary else self.bake
        if bakes > self.deadline:
            default = "" if "deadline" in self.model_fields_set else ", the default"
            raise InputError(
                f"the bakes take {format_duration(bakes)} together, longer than the deadline of "
                f"{format_duration(self.deadline)}{default}",
                "raise the deadline or shorten the bakes",
                at=("deadline",),
            )
        return self


class AlertSpec(Model):
    """Which alerts concern a rollout, and what they do."""

    match: Annotated[tuple[Matchers, ...], Field(min_length=1)]
    action: AlertAction = AlertAction.UNDO
    workload_label: MetricLabel | None = None
    lookback: Duration = timedelta(minutes=5)


class BudgetSpec(Model):
    """At most `max` undos of one workload within `per`."""

    max: Annotated[Count, Field(ge=0)] = 2
    per: PositiveDuration = timedelta(hours=1)


class UndoSpec(Model):
    """How an undo is made."""

    budget: BudgetSpec = BudgetSpec()
    max_target_age: PositiveDuration = timedelta(days=7)
    restore_within: PositiveDuration = timedelta(minutes=5)
    on_known_bad: OnKnownBad = OnKnownBad.JUDGE
    known_bad_for: PositiveDuration = timedelta(hours=24)


class SlackSpec(Model):
    """Where notices of this policy's rollouts go."""

    channel: Channel


class NotifySpec(Model):
    """Who is notified."""

    slack: SlackSpec | None = None


class MetadataSpec(Model):
    """The policy's name, and what people note about it."""

    name: Name
    labels: dict[LabelKey, LabelValue] = Field(default_factory=dict)
    annotations: dict[LabelKey, Text] = Field(default_factory=dict)


class PolicySpec(Model):
    """What the policy says."""

    match: MatchSpec
    mode: Mode = Mode.ENFORCE
    strategy: StrategySpec = StrategySpec()
    rules: tuple[RuleSpec, ...] = ()
    alerts: tuple[AlertSpec, ...] = ()
    undo: UndoSpec = UndoSpec()
    notify: NotifySpec = NotifySpec()
    on_policy_change: Literal["keep", "follow"] = "keep"
    false_rollback_rate: Annotated[PositiveShare, AfterValidator(_false_rollback_rate)] = 0.01

    @model_validator(mode="after")
    def _judges_something(self) -> "PolicySpec":
        seen: set[str] = set()
        for index, rule in enumerate(self.rules):
            if rule.name in seen:
                raise InputError(
                    f"two rules are named {rule.name}", "rename one", at=("rules", index, "name")
                )
            seen.add(rule.name)
        if not self.rules and not self.alerts:
            raise InputError("has neither rules nor alerts, so it could never undo a rollout", "add a rule")
        return self


class PolicyFile(Model):
    """One document of a rule file."""

    api_version: Literal["rollback-sentinel.dev/v1"]
    kind: Literal["RolloutPolicy"]
    metadata: MetadataSpec
    spec: PolicySpec


def json_schema() -> dict[str, object]:
    """The JSON Schema of one document, for editors."""
    schema = PolicyFile.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": KIND}

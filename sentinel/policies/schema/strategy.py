"""The schema of a policy's strategy: its steps, the gates between them, and the objects that it makes one workload."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, WithJsonSchema, model_validator

from sentinel.domain.gate import OnGateFailure
from sentinel.domain.policy.strategy import OnDeadline, OnLowTraffic
from sentinel.domain.workload.kinds import WorkloadKind
from sentinel.domain.workload.routes import RouteKind
from sentinel.policies.mistakes import InputError, Path
from sentinel.policies.schema.fields import (
    Count,
    Duration,
    Model,
    Name,
    PositiveDuration,
    PositiveShare,
    Text,
    WebAddress,
)
from sentinel.policies.schema.job_template import check_job_template
from sentinel.policies.schema.quantities import format_duration

MAX_JOB_TIME = timedelta(hours=6)
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


class BackendSpec(Model):
    """What a route names: a Service or a host, and a DestinationRule's subset of it."""

    name: Name
    subset: Name | None = None


class GatedSpec(Model):
    """What comes before the next step: how long this one bakes, and who and what must agree."""

    bake: Duration = timedelta(0)
    approval: Literal["required", "none"] = "none"
    gates: Annotated[tuple[GateSpec, ...], Field(max_length=10)] = ()


class StepSpec(GatedSpec):
    """One canary step."""

    weight: PositiveShare


class StepsSpec(Model):
    """Steps, each with more of the candidate than the one before; 100 % follows by itself."""

    steps: Annotated[tuple[StepSpec, ...], Field(min_length=1, max_length=50)]

    @model_validator(mode="after")
    def _ascending(self) -> "StepsSpec":
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


class CanarySpec(StepsSpec):
    """Canary steps within one workload."""


def _route_watched(kind: RouteKind, info: ValidationInfo) -> RouteKind:
    routes = (info.context or {}).get("routes")
    if routes is not None and kind not in routes:
        raise InputError(f"{kind}s are not watched", f"add {kind} to kubernetes.routes of the settings")
    return kind


class RouteSpec(Model):
    """The route whose weights split the requests of a pair.

    `rule` is its name or its place from 0, where several rules name both backends. The backends are Services, or a
    VirtualService's hosts, by default those with the names of the Deployments; of a host a subset may be named.
    """

    kind: Annotated[RouteKind, AfterValidator(_route_watched)]
    name: Name
    rule: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    stable: BackendSpec | None = None
    canary: BackendSpec | None = None


class CanaryPairSpec(StepsSpec):
    """Two Deployments side by side, of which the canary gets a share of the requests.

    Without a route the numbers of pods split them, behind a Service that selects both.
    """

    stable: Name
    canary: Name
    route: RouteSpec | None = None

    @model_validator(mode="after")
    def _two(self, info: ValidationInfo) -> "CanaryPairSpec":
        _watched(WorkloadKind.CANARY_PAIR, info)
        if self.stable == self.canary:
            raise InputError(
                f"stable and canary are both {self.stable}", "name two Deployments", at=("canary",)
            )
        return self


class PreviewSpec(GatedSpec):
    """Before the switch: the candidate's pods are ready, and get no requests but those to the preview."""


class BlueGreenSpec(Model):
    """Two Deployments that take turns behind a Service: the one that it does not select gets the next release.

    `scaleDownDelay` is how long the one that was replaced keeps its pods after the promotion, or after an undo.
    """

    service: Name
    blue: Name
    green: Name
    preview_service: Name | None = None
    preview: PreviewSpec = PreviewSpec()
    scale_down_delay: Duration = timedelta(minutes=30)

    @model_validator(mode="after")
    def _two(self, info: ValidationInfo) -> "BlueGreenSpec":
        _watched(WorkloadKind.BLUE_GREEN, info)
        if self.blue == self.green:
            raise InputError(f"blue and green are both {self.blue}", "name two Deployments", at=("green",))
        if self.service == self.preview_service:
            raise InputError(
                f"service and previewService are both {self.service}",
                "name two Services, or leave previewService out",
                at=("previewService",),
            )
        return self


def _watched(kind: WorkloadKind, info: ValidationInfo) -> None:
    kinds = (info.context or {}).get("kinds")
    if kinds is not None and kind not in kinds:
        raise InputError(f"{kind}s are not watched", f"add {kind} to kubernetes.kinds of the settings")


class StrategySpec(Model):
    """How a rollout proceeds."""

    canary: CanarySpec | None = None
    canary_pair: CanaryPairSpec | None = None
    blue_green: BlueGreenSpec | None = None
    bake: Duration = timedelta(minutes=10)
    guard: Duration = timedelta(hours=1)
    deadline: PositiveDuration = timedelta(hours=1)
    on_deadline: OnDeadline = OnDeadline.HOLD
    on_low_traffic: OnLowTraffic = OnLowTraffic.HOLD
    min_requests: Annotated[Count, Field(ge=1)] = 100
    warmup: Duration = timedelta(seconds=30)
    promote: Literal["bake", "early"] = "bake"
    pause: Literal["allowed", "never"] = "allowed"

    @property
    def steps(self) -> tuple[tuple[Path, GatedSpec], ...]:
        """What comes before 100 %, of whichever strategy, each with its place."""
        if self.blue_green is not None:
            return ((("blueGreen", "preview"), self.blue_green.preview),)
        both = (("canary", self.canary), ("canaryPair", self.canary_pair))
        return tuple(
            ((key, "steps", number), step)
            for key, spec in both
            if spec is not None
            for number, step in enumerate(spec.steps)
        )

    @property
    def paired(self) -> str:
        """The key of what makes one workload of several objects; empty without one."""
        both = (("canaryPair", self.canary_pair), ("blueGreen", self.blue_green))
        return next((key for key, spec in both if spec is not None), "")

    @model_validator(mode="after")
    def _in_time(self) -> "StrategySpec":
        every = (("canary", self.canary), ("canaryPair", self.canary_pair), ("blueGreen", self.blue_green))
        named = [key for key, spec in every if spec is not None]
        if len(named) > 1:
            raise InputError(f"has {' and '.join(named)}", "keep one of them", at=(named[-1],), key=True)
        if self.canary is not None and self.pause == "never":
            raise InputError(
                "is never, but canary steps are made by pauses", "leave out canary, or pause", at=("pause",)
            )
        bakes = sum((step.bake for _, step in self.steps), self.bake)
        if bakes > self.deadline:
            default = "" if "deadline" in self.model_fields_set else ", the default"
            raise InputError(
                f"the bakes take {format_duration(bakes)} together, longer than the deadline of "
                f"{format_duration(self.deadline)}{default}",
                "raise the deadline or shorten the bakes",
                at=("deadline",),
            )
        return self

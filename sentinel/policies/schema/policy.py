"""The schema of a policy, in a rule file or as an object: `RolloutPolicy`, version `rollback-sentinel.dev/v1`."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, WithJsonSchema, model_validator

from sentinel.domain.policy.policy import SLACK, Mode, OnConfigChange, OnKnownBad, UndoneConfig, UndoneGit
from sentinel.domain.policy.selection import AlertAction, AlertMatcher, Operator
from sentinel.domain.severity import Severity
from sentinel.domain.workload.kinds import GUARDED_KINDS, PAIRED, WorkloadKind
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
    NamespaceName,
    NoticeChannel,
    PositiveDuration,
    PositiveShare,
    Text,
)
from sentinel.policies.schema.matchers import parse_matchers
from sentinel.policies.schema.rules import RuleSpec
from sentinel.policies.schema.strategy import StrategySpec

API_VERSION = "rollback-sentinel.dev/v1"
KIND = "RolloutPolicy"
CLUSTER_KIND = "ClusterRolloutPolicy"
SUPPORTED_KINDS = frozenset(GUARDED_KINDS)
"""The kinds of workloads that can be guarded; `context={"kinds": …}` says which are watched."""

MAX_FALSE_ROLLBACK_RATE = 0.2


def _kind(value: object, info: ValidationInfo) -> WorkloadKind:
    known = [kind.value for kind in WorkloadKind if kind not in PAIRED]
    if str(value) in PAIRED:
        raise InputError(
            f"a {value} is made by a policy's strategy", "see strategy.canaryPair and strategy.blueGreen"
        )
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
    WithJsonSchema({"type": "string", "enum": [kind.value for kind in WorkloadKind if kind not in PAIRED]}),
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
    config: UndoneConfig = UndoneConfig.KEEP
    git: UndoneGit = UndoneGit.LEAVE


class SlackSpec(Model):
    """Where notices of this policy's rollouts go."""

    channel: Channel


class NotifySpec(Model):
    """Who is notified, and how urgent it is. Without channels the settings choose them."""

    channels: tuple[NoticeChannel, ...] = ()
    slack: SlackSpec | None = None
    severity: Severity | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The channels as the settings name them: `slack` without a place there."""
        return tuple(dict.fromkeys(SLACK if each in self._in_slack else each for each in self.channels))

    @property
    def slack_channel(self) -> str:
        """The place in Slack, empty for the settings'."""
        given = [each.removeprefix(f"{SLACK}/") for each in self._in_slack]
        return next(iter(given), self.slack.channel if self.slack else "")

    @property
    def _in_slack(self) -> list[str]:
        return [each for each in self.channels if each.startswith(f"{SLACK}/")]

    @model_validator(mode="after")
    def _one_place_in_slack(self) -> "NotifySpec":
        if len(self._in_slack) + (self.slack is not None) > 1:
            raise InputError(
                "more than one channel of Slack is named: a rollout has one thread there",
                f"keep {self._in_slack[0]}",
                at=("channels",),
            )
        return self


class MetadataSpec(Model):
    """The policy's name, the namespace that it is for, and what people note about it."""

    name: Name
    namespace: NamespaceName | None = None
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
    on_config_change: OnConfigChange = OnConfigChange.NOTE
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
        self._pair_alone()
        if not self.rules and not self.alerts:
            raise InputError("has neither rules nor alerts, so it could never undo a rollout", "add a rule")
        return self

    def _pair_alone(self) -> None:
        """A pair is named by its strategy: `match` says in which namespaces it is, and nothing else."""
        if not self.strategy.paired:
            return
        for part in ("kinds", "names", "selector"):
            if part in self.match.model_fields_set:
                raise InputError(
                    f"{part} does not apply to a pair",
                    f"leave it out: strategy.{self.strategy.paired} names the Deployments, "
                    "and match.namespaces where they are",
                    at=("match", part),
                    key=True,
                )


class PolicyFile(Model):
    """One policy: a document of a rule file, or an object in the cluster.

    With a namespace it guards the workloads of that one alone.
    """

    api_version: Literal["rollback-sentinel.dev/v1"]
    kind: Literal["RolloutPolicy", "ClusterRolloutPolicy"]
    metadata: MetadataSpec
    spec: PolicySpec

    @model_validator(mode="after")
    def _of_one_namespace(self) -> "PolicyFile":
        if self.metadata.namespace is None:
            return self
        if self.kind == CLUSTER_KIND:
            raise InputError(
                f"a {CLUSTER_KIND} is in no namespace",
                f"remove it, or write kind: {KIND}",
                at=("metadata", "namespace"),
                key=True,
            )
        if self.spec.match.namespaces:
            raise InputError(
                f"a {KIND} of a namespace guards the workloads of that one alone",
                f"leave it out, or write kind: {CLUSTER_KIND} without metadata.namespace",
                at=("spec", "match", "namespaces"),
                key=True,
            )
        return self

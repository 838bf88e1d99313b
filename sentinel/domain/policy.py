"""A rollout policy: which workloads it guards, by which steps and by which rules."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from sentinel.domain.gate import Gate
from sentinel.domain.kinds import USUAL_KIND, WorkloadKind


class Mode(StrEnum):
    """`enforce` acts; `observe` decides, records and tells, and touches nothing."""

    ENFORCE = "enforce"
    OBSERVE = "observe"


class Operator(StrEnum):
    """Kubernetes' label selector operators."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One requirement of a label selector."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Match:
    """Which workloads a policy guards. `namespaces` are globs; empty parts match everything."""

    kinds: tuple[WorkloadKind, ...] = (USUAL_KIND,)
    namespaces: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    selector: tuple[Requirement, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One canary step: the share of pods in (0, 1], how long it bakes, who must agree before the next."""

    weight: float
    bake: timedelta = timedelta(0)
    approval: bool = False
    gates: tuple[Gate, ...] = ()


class OnDeadline(StrEnum):
    """What happens to a rollout that cannot be judged in time."""

    HOLD = "hold"
    UNDO = "undo"


class OnLowTraffic(StrEnum):
    """What happens when a step's bake is over and too few requests were seen to judge it."""

    HOLD = "hold"
    ADVANCE = "advance"


@dataclass(frozen=True, slots=True)
class Strategy:
    """How a rollout proceeds: canary steps (may be none), the bake at 100 %, the guard after promotion.

    `promote_early`: a step may end before its bake when the candidate is proven good.
    """

    steps: tuple[Step, ...] = ()
    bake: timedelta = timedelta(minutes=10)
    guard: timedelta = timedelta(hours=1)
    deadline: timedelta = timedelta(hours=1)
    on_deadline: OnDeadline = OnDeadline.HOLD
    on_low_traffic: OnLowTraffic = OnLowTraffic.HOLD
    min_requests: int = 100
    warmup: timedelta = timedelta(seconds=30)
    promote_early: bool = False


@dataclass(frozen=True, slots=True)
class Arms:
    """How candidate and baseline are told apart in a metric: by pod (default) or by a version label.

    `namespace_label` is the label that names the workload's namespace. A Datadog source takes the defaults of both
    labels for its own tags.
    """

    pod_label: str = "pod"
    version_label: str | None = None
    namespace_label: str = "namespace"

    @property
    def subject_label(self) -> str:
        """The label that tells subjects apart within a namespace."""
        return self.version_label or self.pod_label


@dataclass(frozen=True, slots=True)
class CountQuery:
    """Where totals and errors are counted: selectors of counters in one metrics source."""

    source: str
    total: str
    errors: str
    arms: Arms = field(default_factory=Arms)


@dataclass(frozen=True, slots=True)
class HistogramQuery:
    """Where latencies are counted: the selector of a histogram in one metrics source, bounds in seconds.

    `unit` is how many seconds one unit of the metric is (0.001 for milliseconds).
    """

    source: str
    histogram: str
    arms: Arms = field(default_factory=Arms)
    unit: float = 1.0


@dataclass(frozen=True, slots=True)
class ValueQuery:
    """A free query whose answer is one number or a list of numbers.

    `pods` are the lists of an arm's pods that were put into the expression.
    """

    source: str
    expression: str
    pods: tuple[tuple[str, ...], ...] = ()


class Method(StrEnum):
    """How a limit is judged: by a sequential test with a known error level, or as a plain threshold with `for:`."""

    SEQUENTIAL = "sequential"
    THRESHOLD = "threshold"


@dataclass(frozen=True, slots=True)
class ErrorRateRule:
    """The candidate's share of failed requests is over `limit` (0 to 1) and worse than the baseline's.

    `alpha` is the accepted chance to undo a good candidate over the whole rollout by this rule. With the method
    `threshold` it is not used: every tick over the limit for `hold` (the file's `for:`) fails.
    """

    name: str
    query: CountQuery
    limit: float
    interval: timedelta = timedelta(seconds=15)
    alpha: float = 0.01
    method: Method = Method.SEQUENTIAL
    hold: timedelta = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class LatencyRule:
    """The mean, or a quantile, of the candidate's latency is over a limit and worse than the baseline's.

    Exactly one of `mean` and `quantile` is set; `limit` in seconds is what it is held against.
    """

    name: str
    query: HistogramQuery
    limit: float
    quantile: float | None = None
    interval: timedelta = timedelta(seconds=15)
    alpha: float = 0.01
    method: Method = Method.SEQUENTIAL
    hold: timedelta = timedelta(minutes=1)

    @property
    def mean(self) -> bool:
        """Whether the limit is for the mean."""
        return self.quantile is None


USUAL_RESTARTS = 3
"""From so many restarts on a container is held to crash, where its rule names no number."""


@dataclass(frozen=True, slots=True)
class CrashLoopRule:
    """Containers of the candidate crash, in this share of its pods.

    With `restarts` None: in CrashLoopBackOff, or restarted `USUAL_RESTARTS` times. With a number: restarted so often,
    and nothing before, not even CrashLoopBackOff. A container that has run for `settled_after` is over its restarts.

    Beside that, unless `restarts` is given, its pods crash more often than the baseline's; `alpha` is the accepted
    chance to undo a good candidate for that.
    """

    name: str
    restarts: int | None = None
    share: float = 0.1
    alpha: float = 0.001
    settled_after: timedelta = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class HealthRule:
    """Pods of the candidate become ready in time, their images pull, their probes pass."""

    name: str
    ready_within: timedelta = timedelta(minutes=2)
    pull_within: timedelta = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class QueryRule:
    """A free query judged by conditions, with Argo Rollouts' measurement meanings.

    `success` and `failure` are CEL expressions over `value` and `result`; at least one is set.
    Limits trip on more than; `count` None measures until the step ends; `consecutive_success_limit` None is off.
    """

    name: str
    query: ValueQuery
    success: str | None = None
    failure: str | None = None
    interval: timedelta = timedelta(seconds=30)
    initial_delay: timedelta = timedelta(0)
    count: int | None = None
    failure_limit: int = 0
    inconclusive_limit: int = 0
    consecutive_error_limit: int = 4
    consecutive_success_limit: int | None = None


MetricRule = ErrorRateRule | LatencyRule | QueryRule
PodRule = CrashLoopRule | HealthRule
Rule = MetricRule | PodRule


class MatchOperator(StrEnum):
    """Alertmanager's matcher operators."""

    EQUAL = "="
    NOT_EQUAL = "!="
    REGEX = "=~"
    NOT_REGEX = "!~"


@dataclass(frozen=True, slots=True)
class Matcher:
    """One Alertmanager matcher; regular expressions are anchored at both ends. A missing label is empty.

    `regex` tells of a regular expression, which `value` shows, whether a text matches as a whole. Whoever posts an
    alert writes the text: so it must take no longer than the text is long.
    """

    label: str
    operator: MatchOperator
    value: str
    regex: Callable[[str], bool] | None = field(default=None, repr=False, compare=False)


class AlertAction(StrEnum):
    """What a matching alert does to a rollout."""

    UNDO = "undo"
    HOLD = "hold"
    ESCALATE = "escalate"


@dataclass(frozen=True, slots=True)
class AlertRule:
    """Which alerts concern a workload that this policy guards, and what they do.

    `workload_label` names the alert's label that holds the workload's name, beside the usual ones.
    `lookback` is subtracted from `startsAt`, which is when the alert fired, after its `for:`.
    """

    match: tuple[Matcher, ...]
    action: AlertAction = AlertAction.UNDO
    workload_label: str | None = None
    lookback: timedelta = timedelta(minutes=5)


class OnKnownBad(StrEnum):
    """What happens when a revision that was undone is applied again."""

    JUDGE = "judge"
    HOLD = "hold"
    UNDO = "undo"


@dataclass(frozen=True, slots=True)
class Budget:
    """At most `limit` undos within `per`."""

    limit: int = 2
    per: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class UndoPolicy:
    """How an undo is made: its budget, which target is recent enough, when the restore is overdue."""

    budget: Budget = field(default_factory=Budget)
    max_target_age: timedelta = timedelta(days=7)
    restore_within: timedelta = timedelta(minutes=5)
    on_known_bad: OnKnownBad = OnKnownBad.JUDGE
    known_bad_for: timedelta = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Policy:
    """One rule file's policy. `digest` names its exact text; `document` is it as plain JSON values, so that a
    rollout can go on under the rules it began with. `set_digest` names the whole set of rule files that it was loaded
    with, empty for one that was restored alone. `slack_channel` overrides the settings' channel."""

    name: str
    digest: str
    match: Match = field(default_factory=Match)
    mode: Mode = Mode.ENFORCE
    strategy: Strategy = field(default_factory=Strategy)
    rules: tuple[Rule, ...] = ()
    alerts: tuple[AlertRule, ...] = ()
    undo: UndoPolicy = field(default_factory=UndoPolicy)
    slack_channel: str | None = None
    follow_edits: bool = False
    source: str = ""
    document: Mapping[str, object] = field(default_factory=dict)
    set_digest: str = ""

    def rule(self, name: str) -> Rule | None:
        """The rule of this name."""
        return next((rule for rule in self.rules if rule.name == name), None)

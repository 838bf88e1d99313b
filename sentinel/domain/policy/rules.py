"""The rules by which a candidate is judged, and the queries of their evidence."""

from dataclasses import field
from datetime import timedelta
from enum import StrEnum

from sentinel.values import dataclass

PROMETHEUS, DATADOG, NEW_RELIC, CLOUDWATCH, WEB = "prometheus", "datadog", "newrelic", "cloudwatch", "web"
"""Kinds of metrics sources: in which language a source is asked."""

BY_THE_MINUTE = frozenset({DATADOG, NEW_RELIC, CLOUDWATCH})
"""Kinds that count what happened in each minute, and keep no counters."""


def kind_of(source: str) -> str:
    """The kind of a source, given its name: `prometheus/mesh` is the Prometheus that the settings call mesh."""
    return source.partition("/")[0]


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
    """Where totals and errors are counted: selectors of counters in one metrics source.

    `namespace` is the one that they select themselves, where the source's answers name none. `pods` are those that
    are wanted, all where none are given: a source may answer for others as well. Its hash is worked out once: what is
    asked is looked up again and again, tick after tick.
    """

    source: str
    total: str
    errors: str
    arms: Arms = field(default_factory=Arms)
    namespace: str = ""
    pods: tuple[str, ...] = ()
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        known = hash((self.source, self.total, self.errors, self.arms, self.namespace, self.pods))
        object.__setattr__(self, "_hash", known)

    def __hash__(self) -> int:
        return self._hash


@dataclass(frozen=True, slots=True)
class HistogramQuery:
    """Where latencies are counted: the selector of a histogram in one metrics source, bounds in seconds.

    `unit` is how many seconds one unit of the metric is (0.001 for milliseconds). `pods`, and the hash, as of a
    `CountQuery`.
    """

    source: str
    histogram: str
    arms: Arms = field(default_factory=Arms)
    unit: float = 1.0
    pods: tuple[str, ...] = ()
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        known = hash((self.source, self.histogram, self.arms, self.unit, self.pods))
        object.__setattr__(self, "_hash", known)

    def __hash__(self) -> int:
        return self._hash


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

    Exactly one of `mean` and `quantile` is set; `limit` in seconds is what it is compared with.
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

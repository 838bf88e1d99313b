"""The schema of `spec.rules`: what each kind of rule may say."""

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, StrictInt, WithJsonSchema, model_validator

from sentinel.domain.policy.rules import (
    BY_THE_MINUTE,
    CLOUDWATCH,
    DATADOG,
    NEW_RELIC,
    PROMETHEUS,
    WEB,
    Method,
)
from sentinel.policies.mistakes import InputError, closest, did_you_mean
from sentinel.policies.presets import PRESETS, preset_of, with_preset
from sentinel.policies.schema.fields import (
    Condition,
    Count,
    DatadogQuery,
    Duration,
    Expression,
    Interval,
    Model,
    Name,
    OtherQuery,
    PositiveDuration,
    PositiveShare,
    Seconds,
)
from sentinel.policies.schema.sources import (
    COUNT_SOURCES,
    QUERY_SOURCES,
    CloudWatchCounts,
    DatadogCounts,
    NewRelicCounts,
    PrometheusCounts,
    PrometheusHistogram,
    SourceName,
    WebQuery,
    check_one_of,
    check_source,
    source_of,
)

RULE_KINDS = ("errorRate", "latency", "crashLoop", "health", "query")
BY_THE_MINUTE_INTERVAL = timedelta(seconds=60)
INSTEAD_OF_LATENCY = {
    DATADOG: "use prometheus, or a query rule",
    NEW_RELIC: "for p99: 1s write an errorRate rule with errors … AND duration > 1.0 and max: 1%",
    CLOUDWATCH: "publish a count of slow requests; for p99: 1s write an errorRate rule of it with max: 1%",
    WEB: "use prometheus, or a query rule",
}
LATENCY_KEYS = ("preset", "source", "prometheus", "mean", "interval", "method", "for")

_QUANTILE = re.compile(r"p([1-9]\d?(?:\.\d{1,3})?)")


def _preset_name(value: object) -> str:
    preset_of(value)
    return str(value)


PresetName = Annotated[
    str,
    BeforeValidator(_preset_name),
    WithJsonSchema(
        {
            "type": "string",
            "enum": list(PRESETS),
            "description": "A metric family whose selectors are filled in; each may be overridden beside it",
        }
    ),
]


class ErrorRateSpec(Model):
    """The candidate's share of failed requests is over `max` and worse than the baseline's."""

    preset: PresetName | None = None
    source: SourceName | None = None
    prometheus: PrometheusCounts | None = None
    datadog: DatadogCounts | None = None
    newrelic: NewRelicCounts | None = None
    cloudwatch: CloudWatchCounts | None = None
    max: PositiveShare
    interval: Interval | None = None
    method: Method = Method.SEQUENTIAL
    hold: PositiveDuration | None = Field(None, alias="for")

    @model_validator(mode="before")
    @classmethod
    def _filled(cls, data: Any) -> Any:
        return with_preset(data, latency=False) if isinstance(data, dict) and "preset" in data else data

    @model_validator(mode="after")
    def _consistent(self) -> "ErrorRateSpec":
        check_one_of(self, "source of metrics", COUNT_SOURCES)
        check_source(self)
        _check_hold(self.method, self.hold)
        if self.max >= 1:
            raise InputError("100% could never be exceeded", "write a limit such as 5%", at=("max",))
        source = source_of(self)
        if source in BY_THE_MINUTE and self.interval and self.interval < BY_THE_MINUTE_INTERVAL:
            raise InputError(f"{source} counts by the minute", "at least 60s", at=("interval",))
        return self


class LatencySpec(Model):
    """The candidate's mean, or one quantile (`p50` to `p99.9`), is over a limit and worse than the baseline's."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={"patternProperties": {r"^p[1-9]\d?(\.\d{1,3})?$": {"type": "string"}}},
    )
    __pydantic_extra__: dict[str, Seconds] = Field(init=False)

    preset: PresetName | None = None
    source: SourceName | None = None
    prometheus: PrometheusHistogram | None = None
    mean: Seconds | None = None
    interval: Interval | None = None
    method: Method = Method.SEQUENTIAL
    hold: PositiveDuration | None = Field(None, alias="for")

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any) -> Any:
        """Each quantile is a key; any other unknown key is a mistake here, not in pydantic."""
        if isinstance(data, dict):
            for key in data:
                if key not in LATENCY_KEYS and not _QUANTILE.fullmatch(str(key)):
                    raise _unknown_latency_key(key)
        return with_preset(data, latency=True) if isinstance(data, dict) and "preset" in data else data

    @model_validator(mode="after")
    def _consistent(self) -> "LatencySpec":
        check_one_of(self, "source of metrics", (PROMETHEUS,))
        check_source(self)
        _check_hold(self.method, self.hold)
        limits = [*(["mean"] if self.mean is not None else []), *self.__pydantic_extra__]
        if not limits:
            raise InputError("has no limit", "write mean: 1s, or a quantile such as p99: 1s")
        if len(limits) > 1:
            raise InputError(
                f"has {len(limits)} limits, {' and '.join(limits)}",
                "keep one; make another rule of the other",
                at=(limits[1],),
                key=True,
            )
        return self

    @property
    def quantile(self) -> float | None:
        """The quantile that is limited, between 0 and 1; None for the mean."""
        key = next(iter(self.__pydantic_extra__), None)
        return round(float(key[1:]) / 100, 6) if key else None

    @property
    def limit(self) -> float:
        """The limit in seconds."""
        limit: float = self.mean if self.mean is not None else next(iter(self.__pydantic_extra__.values()))
        return limit


class CrashLoopSpec(Model):
    """Containers crash in this share of the candidate's pods: in CrashLoopBackOff, or restarted three times.

    Where `restarts` is given, so many restarts of a container are the first thing that undoes: CrashLoopBackOff before
    that does not, and first crashes are not counted. Restarts are over once the container has run for `settledAfter`:
    they neither condemn the candidate nor keep it from passing.
    """

    restarts: Annotated[StrictInt, Field(ge=1, description="(3 unless given)")] | None = None
    share: PositiveShare = 0.1
    settled_after: PositiveDuration = timedelta(minutes=10)


class HealthSpec(Model):
    """How long pods may take until they are ready, and until their images are pulled."""

    ready_within: PositiveDuration = timedelta(minutes=2)
    pull_within: PositiveDuration = timedelta(minutes=2)


class QuerySpec(Model):
    """Any query, judged by conditions with Argo Rollouts' measurement meanings."""

    source: SourceName | None = None
    prometheus: Expression | None = None
    datadog: DatadogQuery | None = None
    newrelic: OtherQuery | None = None
    cloudwatch: OtherQuery | None = None
    web: WebQuery | None = None
    fail: Condition | None = None
    success: Condition | None = None
    interval: Interval = timedelta(seconds=30)
    initial_delay: Duration = timedelta(0)
    count: Annotated[StrictInt, Field(ge=1)] | None = None
    failure_limit: Annotated[StrictInt, Field(ge=-1, description="(-1: it never fails)")] = 0
    inconclusive_limit: Annotated[Count, Field(ge=0)] = 0
    consecutive_error_limit: Annotated[Count, Field(ge=0)] = 4
    consecutive_success_limit: Annotated[StrictInt, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "QuerySpec":
        check_one_of(self, "source of metrics", QUERY_SOURCES)
        check_source(self)
        if self.fail is None and self.success is None:
            raise InputError(
                "has no condition", "write fail: value > 1000.0, or success: value < 10.0, or both"
            )
        if self.count is not None and self.failure_limit >= self.count:
            raise InputError(
                f"{self.failure_limit} failures can never be exceeded in {self.count} measurements",
                f"less than {self.count}",
                at=("failureLimit",),
            )
        return self


class RuleSpec(Model):
    """One rule: its name and exactly one kind."""

    name: Name
    error_rate: ErrorRateSpec | None = None
    latency: LatencySpec | None = None
    crash_loop: CrashLoopSpec | None = None
    health: HealthSpec | None = None
    query: QuerySpec | None = None
    weight: Annotated[float, Field(gt=0, le=1000)] | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> "RuleSpec":
        check_one_of(self, "kind of rule", RULE_KINDS)
        if self.weight is not None and not self.tests:
            raise InputError(
                "only errorRate and latency rules that are judged by a test share the false rollback rate",
                "remove weight",
                at=("weight",),
                key=True,
            )
        return self

    @property
    def tests(self) -> bool:
        """Whether it is a statistical test, which takes a share of the false rollback rate."""
        spec = self.error_rate or self.latency
        return spec is not None and spec.method is Method.SEQUENTIAL

    @property
    def source(self) -> tuple[str, str]:
        """The key of its kind and the name of its metrics source; the latter is empty for rules about pods."""
        measuring = {"errorRate": self.error_rate, "latency": self.latency, "query": self.query}
        for key, spec in measuring.items():
            if spec is not None:
                return key, source_of(spec)
        return "", ""


def _check_hold(method: Method, hold: timedelta | None) -> None:
    if hold is not None and method is not Method.THRESHOLD:
        raise InputError(
            "a sequential test does not use a time over the limit",
            "add method: threshold, or remove for",
            at=("for",),
            key=True,
        )


def _unknown_latency_key(key: object) -> InputError:
    name = str(key)
    if re.fullmatch(r"p\d+(\.\d+)?", name):
        return InputError(
            f"{name} is not a supported quantile", "between p1 and p99.999", at=(name,), key=True
        )
    if name in INSTEAD_OF_LATENCY:
        message = f"{name} keeps no histogram that a latency could be counted in"
        return InputError(message, INSTEAD_OF_LATENCY[name], at=(name,), key=True)
    known = (*LATENCY_KEYS, "p50", "p99")
    hint = (
        did_you_mean(name, known)
        if closest(name, known)
        else "known: for, interval, mean, method, preset, prometheus, source, p50 to p99.9"
    )
    return InputError(f"unknown key {name}", hint, at=(name,), key=True)

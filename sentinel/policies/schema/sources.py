"""The schema of what rules measure: counters, histograms and queries of each kind of metrics source."""

from typing import Annotated, Any, Protocol

from pydantic import ConfigDict, Field, model_validator

from sentinel.domain.policy.rules import CLOUDWATCH, DATADOG, NEW_RELIC, PROMETHEUS, WEB
from sentinel.policies.mistakes import InputError
from sentinel.policies.schema.counting import dimensions_of
from sentinel.policies.schema.fields import (
    DatadogSelector,
    HistogramSelector,
    InsightsCount,
    MetricLabel,
    Model,
    NrqlCount,
    Seconds,
    Selector,
    WebUrl,
)
from sentinel.policies.schema.promql import all_fail, check_counts, check_datadog_counts

COUNT_SOURCES = (PROMETHEUS, DATADOG, NEW_RELIC, CLOUDWATCH)
QUERY_SOURCES = (PROMETHEUS, DATADOG, NEW_RELIC, CLOUDWATCH, WEB)
SourceName = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?$",
        description="The name that the settings give another Prometheus server (`sources`)",
    ),
]


class Measuring(Protocol):
    """A rule that measures something, and may name the server."""

    @property
    def source(self) -> str | None:
        """The name of a further Prometheus server."""
        ...

    @property
    def prometheus(self) -> object:
        """What is asked of Prometheus, if that is asked."""
        ...


def _fillable(schema: dict[str, Any]) -> None:
    """Beside a preset no key is required: in the JSON Schema none is, the check itself says what is missing."""
    schema.pop("required", None)


class ArmsSpec(Model):
    """Arms told apart by a version label, where the metric knows no pods."""

    label: MetricLabel


class PrometheusCounts(Model):
    """Total and failed requests as Prometheus counters."""

    model_config = ConfigDict(json_schema_extra=_fillable)

    total: Selector
    errors: Selector
    pod_label: MetricLabel | None = None
    namespace_label: MetricLabel | None = None
    arms: ArmsSpec | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "PrometheusCounts":
        _check_arms(self.pod_label, self.arms)
        check_counts(self.total, self.errors)
        return self


class DatadogCounts(Model):
    """Total and failed requests as Datadog counts."""

    model_config = ConfigDict(json_schema_extra=_fillable)

    total: DatadogSelector
    errors: DatadogSelector
    pod_label: MetricLabel | None = None
    namespace_label: MetricLabel | None = None
    arms: ArmsSpec | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "DatadogCounts":
        _check_arms(self.pod_label, self.arms)
        check_datadog_counts(self.total, self.errors)
        return self


class NewRelicCounts(Model):
    """Total and failed requests as two counts in NRQL, of events or metrics that name the pod or a version."""

    total: NrqlCount
    errors: NrqlCount
    pod_label: MetricLabel | None = None
    arms: ArmsSpec | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "NewRelicCounts":
        _check_split(self, "attribute", "k8s.podName")
        return self


class CloudWatchCounts(Model):
    """Total and failed requests as two Metrics Insights queries, of metrics with a dimension for pods or versions."""

    total: InsightsCount
    errors: InsightsCount
    pod_label: MetricLabel | None = None
    arms: ArmsSpec | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "CloudWatchCounts":
        label = _check_split(self, "dimension", "PodName")
        for key, query in (("total", self.total), ("errors", self.errors)):
            if label not in dimensions_of(query):
                raise InputError(
                    f"its SCHEMA has no dimension {label}: such metrics are not kept for each pod or version",
                    f"publish the metric with {label}, and name all its dimensions in SCHEMA",
                    at=(key,),
                )
        return self


class PrometheusHistogram(Model):
    """Latencies as a Prometheus histogram; `unit` is the metric's unit, seconds unless said."""

    model_config = ConfigDict(json_schema_extra=_fillable)

    histogram: HistogramSelector
    unit: Seconds = 1.0
    pod_label: MetricLabel | None = None
    namespace_label: MetricLabel | None = None
    arms: ArmsSpec | None = None

    @model_validator(mode="after")
    def _one_way_to_tell_arms(self) -> "PrometheusHistogram":
        _check_arms(self.pod_label, self.arms)
        return self


class WebQuery(Model):
    """A GET whose answer is JSON, and the path to the numbers in it: `$.data.value`, `$.items[*].errors`."""

    url: WebUrl
    json_path: Annotated[str, Field(pattern=r"^\{?\$[^\n]*$", description="A path from $")]


def source_of(spec: Measuring) -> str:
    """The name of the metrics source that a rule asks."""
    kind = next(key for key in QUERY_SOURCES if getattr(spec, key, None) is not None)
    return f"{kind}/{spec.source}" if spec.source else kind


def check_source(spec: Measuring) -> None:
    """Raises InputError where a server is named of a kind of which there is one alone."""
    if spec.source is not None and spec.prometheus is None:
        raise InputError("names one of several Prometheus servers", "remove source", at=("source",), key=True)


def _check_arms(pod_label: object, arms: object) -> None:
    if pod_label is not None and arms is not None:
        raise InputError("tells the arms apart in two ways", "keep podLabel or arms", at=("arms",), key=True)


def _check_split(spec: NewRelicCounts | CloudWatchCounts, what: str, example: str) -> str:
    """By what the counts are split. Raises InputError without it, and where errors are all that is counted."""
    _check_arms(spec.pod_label, spec.arms)
    label = spec.arms.label if spec.arms is not None else spec.pod_label
    if label is None:
        raise InputError(
            f"does not say which {what} tells the pods apart",
            f"add podLabel: {example}, or arms: {{label: version}}",
        )
    if spec.total.split() == spec.errors.split():
        raise all_fail("narrow errors to failures")
    return label


def check_one_of(model: Model, what: str, keys: tuple[str, ...]) -> None:
    """Raises InputError unless exactly one of these keys is given."""
    aliases = {info.alias: name for name, info in type(model).model_fields.items()}
    given = [key for key in keys if getattr(model, aliases[key]) is not None]
    if not given:
        raise InputError(
            f"has no {what}", f"write {keys[0]}" if len(keys) == 1 else f"one of {', '.join(keys)}"
        )
    if len(given) > 1:
        raise InputError(
            f"has two {what.replace(' ', 's ', 1)}, {given[0]} and {given[1]}",
            "keep one",
            at=(given[1],),
            key=True,
        )

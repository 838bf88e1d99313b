"""The kinds of values that rule files hold, each with its check and its JSON Schema."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    StrictInt,
    StringConstraints,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel

from sentinel.domain.policy.policy import SLACK
from sentinel.policies.mistakes import InputError
from sentinel.policies.schema.conditions import check_condition
from sentinel.policies.schema.counting import check_insights_count, check_nrql_count
from sentinel.policies.schema.promql import (
    check_datadog_query,
    check_datadog_selector,
    check_expression,
    check_histogram,
    check_other_query,
    check_selector,
    check_web_url,
)
from sentinel.policies.schema.quantities import (
    DURATION,
    NOT_ZERO,
    POSITIVE_SHARE,
    format_duration,
    parse_duration,
    parse_seconds,
    parse_share,
)

_LABEL_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_DNS_PREFIX = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_GLOB = re.compile(r"[a-z0-9.*?\[\]!-]+")
_METRIC_LABEL = re.compile(r"[^\W\d][\w.:/-]{0,254}")


class Model(BaseModel):
    """Base of all models of rule files: camelCase keys, nothing unknown."""

    model_config = ConfigDict(
        defer_build=True,
        alias_generator=to_camel,
        extra="forbid",
        frozen=True,
        arbitrary_types_allowed=True,
        populate_by_name=False,
    )


def _schema(kind: str | list[str], description: str, **more: object) -> WithJsonSchema:
    return WithJsonSchema({"type": kind, "description": description, **more})


def _text(check: Callable[[str], object], what: str) -> Callable[[object], object]:
    def checked(value: object) -> object:
        if not isinstance(value, str):
            shown = str(value).lower() if isinstance(value, bool) else value
            raise InputError(
                f"must be text, {what}", f'write "{shown}"' if isinstance(value, int | float) else ""
            )
        return check(value)

    return checked


def _at_least(minimum: timedelta) -> Callable[[timedelta], timedelta]:
    def checked(value: timedelta) -> timedelta:
        if value < minimum:
            raise InputError(f"{format_duration(value)} is too short", f"at least {format_duration(minimum)}")
        return value

    return checked


def _share_above_zero(value: float) -> float:
    if value <= 0:
        raise InputError("is not more than 0%", "write a share such as 5%")
    return value


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise InputError(
            f"{value!r} is not a name", "lower-case letters, digits, '-' and '.', at most 253 of them"
        )
    return value


def _namespace(value: str) -> str:
    if not _NAMESPACE.fullmatch(value):
        raise InputError(
            f"{value!r} is not the name of a namespace",
            "lower-case letters, digits and '-', at most 63 of them",
        )
    return value


def _policy_name(value: str) -> str:
    namespace, slash, name = value.rpartition("/")
    if slash:
        _namespace(namespace)
    return f"{namespace}{slash}{_name(name)}"


def _glob(value: str) -> str:
    if not _GLOB.fullmatch(value) or len(value) > 253:
        raise InputError(
            f"{value!r} is not a name or glob",
            "names are lower-case letters, digits, '-' and '.'; globs add * ? [ ]",
        )
    return value


def _label_key(value: str) -> str:
    prefix, slash, name = value.rpartition("/")
    if not _LABEL_NAME.fullmatch(name) or (slash and not _DNS_PREFIX.fullmatch(prefix)):
        raise InputError(f"{value!r} is not a label key", "write it such as app.kubernetes.io/name")
    return value


def _label_value(value: str) -> str:
    if value and not _LABEL_NAME.fullmatch(value):
        raise InputError(f"{value!r} is not a label value", "at most 63 letters, digits, '-', '_' and '.'")
    return value


def _metric_label(value: str) -> str:
    if not _METRIC_LABEL.fullmatch(value):
        raise InputError(f"{value!r} is not a label name of a metric", "write it such as pod or version")
    return value


def _web_address(value: str) -> str:
    try:
        parts = urlsplit(value)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname or len(value) > 2048:
        raise InputError("is not an http or https address", "write it such as http://smoke-tests.qa/check")
    if parts.username or parts.password:
        raise InputError("contains a user name or password", "do not put secrets into rule files")
    return value


def _channel(value: str) -> str:
    if not re.fullmatch(r"#?[\w.-]{1,80}", value):
        raise InputError(f"{value!r} is not a Slack channel", 'write "#deploys" (in quotes) or its ID')
    return value


def _notice_channel(value: str) -> str:
    kind, slash, name = value.partition("/")
    if kind == SLACK:
        return f"{kind}/{_channel(name)}" if slash else value
    if not slash or not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?", name):
        raise InputError(f"{value!r} is not a channel", 'write it such as teams/deploys, or "slack/#deploys"')
    return value


_DURATION_TEXT: dict[str, object] = {"pattern": DURATION, "minLength": 2, "maxLength": 150}
_ABOVE_ZERO: dict[str, object] = {**_DURATION_TEXT, "allOf": [{"pattern": NOT_ZERO}]}
_A_SECOND: dict[str, object] = {
    "x-kubernetes-validations": [
        {
            "rule": "self.matches('[dw]') || duration(self) >= duration('1s')",
            "message": "is too short (at least 1s)",
        }
    ]
}
"""For API servers alone: a pattern cannot say it."""

Count = Annotated[StrictInt, WithJsonSchema({"type": "integer", "minimum": 0})]
Text = Annotated[str, StringConstraints(min_length=1, max_length=1024)]

Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    _schema(["string", "integer"], "A duration such as 30s, 2m, 1h30m, 7d", maximum=0, **_DURATION_TEXT),
]
PositiveDuration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    AfterValidator(_at_least(timedelta(seconds=1))),
    _schema("string", "A duration such as 30s, 2m, 1h30m, 7d", **_ABOVE_ZERO, **_A_SECOND),
]
Interval = PositiveDuration
Seconds = Annotated[
    float,
    BeforeValidator(parse_seconds),
    _schema("string", "A time such as 250ms or 1s", **_ABOVE_ZERO),
]
PositiveShare = Annotated[
    float,
    BeforeValidator(parse_share),
    AfterValidator(_share_above_zero),
    _schema(
        ["string", "number"],
        "A percentage such as 5%, or a fraction such as 0.05",
        pattern=POSITIVE_SHARE,
        allOf=[{"pattern": NOT_ZERO}],
        exclusiveMinimum=0,
        exclusiveMaximum=1,
    ),
]

Name = Annotated[str, BeforeValidator(_text(_name, "a name")), _schema("string", "A name")]
NamespaceName = Annotated[
    str, BeforeValidator(_text(_namespace, "a namespace")), _schema("string", "A namespace's name")
]
PolicyName = Annotated[
    str,
    BeforeValidator(_text(_policy_name, "a policy's name")),
    _schema("string", "A policy's name; NAMESPACE/NAME of one that is for a namespace"),
]
Glob = Annotated[
    str, BeforeValidator(_text(_glob, "a name or glob")), _schema("string", "A name, or a glob: prod-*")
]
LabelKey = Annotated[
    str, BeforeValidator(_text(_label_key, "a label key")), _schema("string", "A label's key")
]
LabelValue = Annotated[
    str, BeforeValidator(_text(_label_value, "a label's value")), _schema("string", "A label's value")
]
MetricLabel = Annotated[
    str, BeforeValidator(_text(_metric_label, "a label name")), _schema("string", "A metric's label")
]
Channel = Annotated[
    str, BeforeValidator(_text(_channel, "a Slack channel")), _schema("string", "A Slack channel")
]
NoticeChannel = Annotated[
    str,
    BeforeValidator(_text(_notice_channel, "a channel")),
    _schema("string", "A channel of the settings such as teams/deploys"),
]
WebAddress = Annotated[
    str, BeforeValidator(_text(_web_address, "an address")), _schema("string", "An http or https address")
]
Selector = Annotated[
    str, BeforeValidator(_text(check_selector, "a PromQL selector")), _schema("string", "A PromQL selector")
]
HistogramSelector = Annotated[
    str,
    BeforeValidator(_text(check_histogram, "a PromQL selector")),
    _schema("string", "A PromQL selector of a histogram by its base name"),
]
Expression = Annotated[
    str, BeforeValidator(_text(check_expression, "PromQL")), _schema("string", "A PromQL expression")
]
DatadogSelector = Annotated[
    str,
    BeforeValidator(_text(check_datadog_selector, "a Datadog metric")),
    _schema("string", "A Datadog counter with its scope: metric.name{tag:value}"),
]
DatadogQuery = Annotated[
    str, BeforeValidator(_text(check_datadog_query, "a Datadog query")), _schema("string", "A Datadog query")
]
NrqlCount = Annotated[
    str,
    BeforeValidator(_text(check_nrql_count, "an NRQL query")),
    _schema("string", "An NRQL query of one count, without FACET, SINCE, UNTIL and LIMIT"),
]
InsightsCount = Annotated[
    str,
    BeforeValidator(_text(check_insights_count, "a Metrics Insights query")),
    _schema("string", "A Metrics Insights query of one SUM or COUNT from a SCHEMA, without GROUP BY"),
]
OtherQuery = Annotated[
    str,
    BeforeValidator(_text(check_other_query, "a query")),
    _schema("string", "A query of that source: NRQL, or a Metrics Insights query or metric math"),
]
WebUrl = Annotated[
    str,
    BeforeValidator(_text(check_web_url, "an address")),
    _schema("string", "An http or https address; its path and query may have variables"),
]
Condition = Annotated[
    str,
    BeforeValidator(_text(check_condition, "a CEL condition")),
    _schema("string", "A CEL condition over value (double) and result (list of double)"),
]

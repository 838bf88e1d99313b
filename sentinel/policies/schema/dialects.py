"""What only some servers understand: the check cannot know which one will be asked, so it is remarked on."""

from collections.abc import Iterator

from sentinel.domain.policy.policy import Policy
from sentinel.domain.policy.rules import (
    PROMETHEUS,
    CountQuery,
    ErrorRateRule,
    HistogramQuery,
    LatencyRule,
    QueryRule,
    kind_of,
)
from sentinel.engine.arms.selector import NAME, is_plain
from sentinel.policies.mistakes import InputError, Remark
from sentinel.policies.schema.promql import not_understood, read_rule_selector

_NO_RANGE = "write a range after the selector, such as [5m]: only MetricsQL chooses one itself"


def in_a_dialect(policy: Policy) -> Iterator[Remark]:
    """A remark on each rule whose query the parser does not understand, or that names a label only in quotes."""
    for index, rule in enumerate(policy.rules):
        for key, *remark in _remarks(rule):
            yield ("spec", "rules", index, key, "prometheus"), InputError(*remark)


def _remarks(rule: object) -> Iterator[tuple[str, str] | tuple[str, str, str]]:
    if isinstance(rule, QueryRule) and kind_of(rule.query.source) == PROMETHEUS:
        unread = not_understood(rule.query.expression)
        if unread:
            yield (
                "query",
                f"the check cannot parse this query ({unread}); the server receives it as it is: try it there",
                _NO_RANGE if "expected type matrix" in unread else "",
            )
    if isinstance(rule, ErrorRateRule | LatencyRule) and kind_of(rule.query.source) == PROMETHEUS:
        names = [name for name in _labels(rule.query) if not is_plain(name)]
        if names:
            shown = ", ".join(f'"{name}"' for name in dict.fromkeys(names))
            yield (
                "errorRate" if isinstance(rule, ErrorRateRule) else "latency",
                f"names {shown} in quotes, which Prometheus supports since version 3; older versions refuse the query",
            )


def _labels(query: CountQuery | HistogramQuery) -> Iterator[str]:
    texts = (query.total, query.errors) if isinstance(query, CountQuery) else (query.histogram,)
    for text in texts:
        yield from (matcher.label for matcher in read_rule_selector(text).matchers if matcher.label != NAME)
    yield from (query.arms.namespace_label, query.arms.subject_label)

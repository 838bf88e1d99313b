"""What queries pass the check."""

import pytest

from sentinel.policies.mistakes import InputError
from sentinel.policies.promql import (
    check_datadog_query,
    check_datadog_selector,
    check_expression,
    check_histogram,
    check_selector,
)


@pytest.mark.parametrize(
    "text",
    [
        "http_requests_total",
        'http_requests_total{namespace="$namespace", code=~"5..$"}',
        '{__name__="http.requests", app="${workload}-web"}',
        "istio_requests_total{destination_workload='$workload'}",
    ],
)
def test_selectors_pass_as_they_are(text: str) -> None:
    """An instant vector selector with the workload's variables is fine and unchanged."""
    assert check_selector(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "rate(a[1m])",
        "a[5m]",
        "a or b",
        "(a)",
        "a @ 5",
        'a{b="c" or d="e"}',
        "$workload",
        "a" * 9000,
        "-" * 4000 + "a",
    ],
)
def test_what_is_no_selector_is_refused(text: str) -> None:
    """Anything but an instant vector selector is refused."""
    with pytest.raises(InputError):
        check_selector(text)


@pytest.mark.parametrize(
    "text",
    [
        'sum(rate(a{pod=~"$candidate_pods"}[1m])) / sum(rate(b{pod=~"$baseline_pods"}[1m]))',
        'label_replace(a, "x", "$1", "y", "(.*)")',
        'a{hash="$candidate_hash"} > 5',
        "scalar(a)",
        "5",
    ],
)
def test_expressions_pass_as_they_are(text: str) -> None:
    """Anything that gives a number or an instant vector is fine, with all variables."""
    assert check_expression(text) == text


def test_a_histogram_may_be_named_by_its_buckets() -> None:
    """Both the base name and the bucket series name a histogram; the count does not."""
    assert check_histogram("a_seconds_bucket")
    with pytest.raises(InputError, match="_count"):
        check_histogram("a_seconds_count")
    with pytest.raises(InputError, match="names no histogram"):
        check_histogram('{__name__=~"a.*"}')


def test_datadog_selectors_are_a_metric_and_its_scope() -> None:
    """The grouping is the collector's, so that only metric and scope are given; sums are what is counted."""
    assert check_datadog_selector("sum:a.hits{*}")
    assert check_datadog_selector("trace.http.request.hits{kube_namespace:$namespace,service:${workload}}")
    for text in ("", "a.hits", "avg:a.hits{*}", "a.hits{*} by {pod_name}", "a.hits{pod:$candidate_pods}"):
        with pytest.raises(InputError):
            check_datadog_selector(text)


def test_datadog_queries_are_free_but_closed() -> None:
    """Free queries need known variables, a scope and balanced brackets."""
    assert check_datadog_query("max:queue.depth{pod_name IN ($candidate_pods)} / 2")
    for text in ("", "max:queue.depth", "max:queue.depth{*", "max:queue.depth{a:$b}", "max:queue.depth{)}"):
        with pytest.raises(InputError):
            check_datadog_query(text)

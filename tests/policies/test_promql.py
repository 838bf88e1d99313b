"""What queries pass the check."""

import pytest

from sentinel.policies.mistakes import InputError
from sentinel.policies.schema.promql import (
    check_datadog_query,
    check_datadog_selector,
    check_expression,
    check_histogram,
    check_selector,
    gives_scalar,
    not_understood,
)


@pytest.mark.parametrize(
    "text",
    [
        "http_requests_total",
        'http_requests_total{namespace="$namespace", code=~"5..$"}',
        '{__name__="http.requests", app="${workload}-web"}',
        r"http_requests_total{code=~`5\d\d`}",
        '(http_requests_total{code=~"5.."})',
        '{"http.requests", "k8s.namespace.name"="$namespace"}',
        'http_requests_total{code=~"5.."} # what fails',
        r'http_requests_total{path=~"\\Q/a.b\\E|/c{,5}"}',
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
        "a @ 5",
        'a{b="c" or d="e"}',
        'a{b=~"("}',
        'a{b="c"',
        r'a{b="\d"}',
        "a smoothed",
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


@pytest.mark.parametrize(
    "text",
    [
        "sum(rate(a[2*5m]))",
        "sum(rate(a[5m] anchored))",
        "increase(a[5m] smoothed)",
        "max(a[step()])",
        "max(a offset (5m + 1m))",
        "1_000 * max(a)",
        "holt_winters(a[5m], 0.5, 0.5)",
        "median_over_time(a[5m])",
        "an_experimental_function(a[5m], 1)",
        r"max(k8s\.pod\.uptime)",
        "a fill(0) + b",
        'rollup(a[5m]) keep_metric_names # of MetricsQL, (unlike "Prometheus"',
    ],
)
def test_what_the_parser_does_not_know_is_remarked_on(text: str) -> None:
    """A server may know more of PromQL than the parser; the query goes there as it is."""
    assert check_expression(text) == text
    assert not_understood(text)


@pytest.mark.parametrize(
    "text",
    [r"count(a{code=~`5\d\d`})", r"max(a{b=~`(x|\.y)`} > 5)", "sum by ('k8s.pod.name') (a)", "max(a) # `b"],
)
def test_raw_texts_and_quoted_names_are_understood(text: str) -> None:
    """A backslash in backticks is the expression's own, as Prometheus reads it."""
    assert check_expression(text) == text
    assert not not_understood(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing",
        "max(a",
        "max(a))",
        "rate(a[5m)",
        'max(a{b="c})',
        "max(a{b=`c})",
        "foo(a{b=~'('}[2*5m])",
    ],
)
def test_what_no_server_could_read_is_refused(text: str) -> None:
    """An end in mid-text or within brackets is a mistake whatever the server knows."""
    with pytest.raises(InputError):
        check_expression(text)


def test_a_query_that_is_not_understood_is_taken_for_a_vector() -> None:
    """Only a parsed query can be known to give one number."""
    assert gives_scalar("scalar(max(a))")
    assert not gives_scalar("scalar(max(a[step()]))")


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

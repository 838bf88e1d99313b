"""What `rules check` says of natural mistakes: errors of what can never be right, warnings of what seldom is."""

import re
from pathlib import Path

import pytest

from sentinel.policies.checking import Checked, check_paths
from tests.policies.test_load import document

RULE = """rules:
    - name: errors
      errorRate:
        max: 5%
        SOURCE:
          total: TOTAL
          errors: ERRORS
"""
NARROW = '{namespace="$namespace"}'


def checked(folder: Path, *documents: str) -> Checked:
    """What is said of these documents, each in a file of its own."""
    for number, text in enumerate(documents):
        (folder / f"{number}.yaml").write_text(text)
    return check_paths([folder])


def counting(total: str, errors: str, source: str = "prometheus") -> str:
    """A policy with one errorRate rule."""
    rule = RULE.replace("SOURCE", source).replace("TOTAL", f"'{total}'").replace("ERRORS", f"'{errors}'")
    return document("one", rule)


def judging(histogram: str) -> str:
    """A policy with one latency rule."""
    rule = f"{{name: slow, latency: {{mean: 1s, prometheus: {{histogram: '{histogram}'}}}}}}"
    return document("one", f"rules: [{rule}]")


def warnings(found: Checked) -> list[str]:
    """The warnings, each by its path and text; there are no errors."""
    assert found.errors == ()
    return [f"{one.path}: {one.message}" for one in found.remarks]


FAILED = 'r_total{namespace="$namespace", code="500"}'


@pytest.mark.parametrize(
    ("total", "errors", "source"),
    [
        (f"r_total{NARROW}", f"r_total{NARROW}", "prometheus"),
        (f"r_total{NARROW}", '{__name__="r_total", namespace="$namespace"}', "prometheus"),
        (FAILED, f"r_total{NARROW}", "prometheus"),
        ("sum:hits{service:$workload,env:qa}", "hits{env:qa, service:$workload}", "datadog"),
        ("sum:hits{service:$workload}", "sum:hits{*}", "datadog"),
    ],
)
def test_errors_that_are_all_requests_are_an_error(
    tmp_path: Path, total: str, errors: str, source: str
) -> None:
    """A selector of errors that finds all that the total finds fails every request."""
    (error,) = checked(tmp_path, counting(total, errors, source)).errors
    assert error.path == f"spec.rules[0].errorRate.{source}.errors"
    assert "every request would fail" in error.message
    assert error.hint.startswith("narrow errors to failures")
    assert (tmp_path / "0.yaml").read_text().splitlines()[error.line - 1].strip().startswith("errors:")


def test_a_histogram_of_some_buckets_is_an_error(tmp_path: Path) -> None:
    """`_sum` and `_count` have no `le`: such a selector never finds a whole histogram."""
    (error,) = checked(tmp_path, judging('took_seconds{namespace="$namespace", le="1"}')).errors
    assert error.path == "spec.rules[0].latency.prometheus.histogram"
    assert error.hint == "remove the matcher of le"


def test_a_histogram_by_its_buckets_is_a_warning(tmp_path: Path) -> None:
    """The base name is what is asked for; it is understood, and said, with its line."""
    found = checked(tmp_path, judging(f"took_seconds_bucket{NARROW}"))
    assert warnings(found) == [
        "spec.rules[0].latency.prometheus.histogram: names the _bucket series; the sentinel needs took_seconds, "
        "with its _sum and _count"
    ]
    assert (found.remarks[0].line > 1, found.remarks[0].hint) == (True, "write took_seconds")


@pytest.mark.parametrize(
    ("histogram", "unit", "hint"),
    [
        ("took_milliseconds", "1s", "add unit: 1ms, unless the name is wrong"),
        ("took_ms", "1s", "add unit: 1ms, unless the name is wrong"),
        ("took_seconds", "1ms", "remove unit, unless the name is wrong"),
        ("took_ms", "1ms", None),
        ("took_seconds", "1s", None),
        ("took", "1ms", None),
    ],
)
def test_a_histogram_in_another_unit_by_its_name_is_a_warning(
    tmp_path: Path, histogram: str, unit: str, hint: str | None
) -> None:
    """Milliseconds that are read as seconds are all over the limit, of both arms, which looks like an outage."""
    told = judging(histogram + NARROW).replace("histogram:", f"unit: {unit}, histogram:")
    assert [remark.hint for remark in checked(tmp_path, told).remarks] == ([hint] if hint else [])


@pytest.mark.parametrize(
    ("total", "said"),
    [
        ("took_seconds_bucket", "counts every request once for each bucket that includes it"),
        ("took_seconds_sum", "adds up the measured values, not the number of requests"),
        ("requests_in_flight", "requests_in_flight does not end in _total, as counters do"),
        ("job:requests:rate5m", "job:requests:rate5m does not end in _total, as counters do"),
    ],
)
def test_what_is_no_counter_by_its_name_is_a_warning(tmp_path: Path, total: str, said: str) -> None:
    """A real counter may be named so: warned, not refused."""
    found = checked(tmp_path, counting(total + NARROW, FAILED))
    assert warnings(found) == [f"spec.rules[0].errorRate.prometheus.total: {said}"]


@pytest.mark.parametrize(
    "total",
    [
        f"r_total{NARROW}",
        f"took_seconds_count{NARROW}",
        'took_seconds_bucket{namespace="$namespace", le="+Inf"}',
        f"nginx_ingress_controller_requests{NARROW}",
        '{"http.hits", namespace="$namespace"}',
        'r_total{service=~"$namespace-.+"}',
        'r_total{k8s_namespace_name="shop"}',
        'r_total{deployment="$workload"}',
    ],
)
def test_counters_are_not_remarked_on(tmp_path: Path, total: str) -> None:
    """Names by the convention, known ones that follow none, and OpenTelemetry's own."""
    remarks = warnings(checked(tmp_path, counting(total, FAILED)))
    assert [remark for remark in remarks if "in quotes" not in remark] == []


def test_a_selector_without_a_namespace_is_a_warning(tmp_path: Path) -> None:
    """It may be meant: one query for all; the hint says what to add."""
    found = checked(tmp_path, counting("r_total", 'r_total{code="500"}'))
    assert [remark.path.rpartition(".")[2] for remark in found.remarks] == ["total", "errors"]
    assert all(remark.message.startswith("does not name a namespace") for remark in found.remarks)
    assert all('add namespace="$namespace"' in remark.hint for remark in found.remarks)


def test_a_query_about_no_workload_is_a_warning(tmp_path: Path) -> None:
    """A query that mentions neither a namespace nor a variable judges all workloads by one number."""
    rule = "{name: depth, query: {prometheus: max(queue_depth), fail: value > 9.0}}"
    (remark,) = warnings(checked(tmp_path, document("one", f"rules: [{rule}]")))
    assert "gives the same result for every workload" in remark


CRASH = "rules: [{name: crash, crashLoop: {}}]"


def test_policies_of_one_match_are_an_error(tmp_path: Path) -> None:
    """Neither of them would ever guard anything; the order of what they match is no difference."""
    one = document("one", CRASH, "{namespaces: [shop, till]}")
    two = document("two", CRASH, "{namespaces: [till, shop]}")
    (error,) = checked(tmp_path, one, two).errors
    assert (error.file, error.path) == (str(tmp_path / "1.yaml"), "spec.match")
    assert f"ties with the policy one ({tmp_path / '0.yaml'}:1) for every workload" in error.message
    assert error.hint.startswith("make one of them more specific")


def test_policies_of_two_folders_that_tie_are_a_warning(tmp_path: Path) -> None:
    """They may be for two clusters, so that they are never in force together."""
    (tmp_path / "staging").mkdir()
    (tmp_path / "staging" / "one.yaml").write_text(document("staging", CRASH, "{namespaces: [shop]}"))
    (remark,) = warnings(checked(tmp_path, document("live", CRASH, "{namespaces: [shop]}")))
    assert "for every workload that it matches" in remark


@pytest.mark.parametrize(
    ("first", "second", "example"),
    [
        ("{namespaces: [shop]}", "{namespaces: [till, shop]}", "a Deployment app in the namespace shop"),
        ("{names: [api-*]}", "{names: ['*-web']}", "a Deployment api--web in the namespace default"),
        (
            "{selector: {matchLabels: {team: red}}}",
            "{selector: {matchLabels: {app: web}}}",
            "labelled app=web,team=red",
        ),
    ],
)
def test_policies_that_tie_for_some_workloads_are_a_warning(
    tmp_path: Path, first: str, second: str, example: str
) -> None:
    """Such a workload is guarded by neither; the warning names one."""
    (remark,) = warnings(checked(tmp_path, document("one", CRASH, first), document("two", CRASH, second)))
    assert example in remark
    assert "neither guards it" in remark


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("{}", "{namespaces: [shop]}"),
        ("{namespaces: [shop]}", "{namespaces: [till]}"),
        ("{namespaces: ['shop-*']}", "{namespaces: ['shop-eu-*']}"),
        ("{names: [web]}", "{namespaces: [shop]}"),
        ("{selector: {matchLabels: {app: web}}}", "{selector: {matchLabels: {app: api}}}"),
    ],
)
def test_policies_of_which_one_is_more_specific_do_not_tie(tmp_path: Path, first: str, second: str) -> None:
    """No remark where each workload has one most specific policy."""
    assert warnings(checked(tmp_path, document("one", CRASH, first), document("two", CRASH, second))) == []


def test_a_third_policy_that_goes_before_both_is_no_tie(tmp_path: Path) -> None:
    """Policies that would tie for a workload which another guards leave nothing unguarded."""
    documents = [
        document("one", CRASH, "{namespaces: [shop], names: ['w*']}"),
        document("two", CRASH, "{namespaces: [shop], names: ['*b']}"),
        document("web", CRASH, "{namespaces: [shop], names: [wb, wapp, appb, app]}"),
    ]
    assert warnings(checked(tmp_path, *documents)) == []


@pytest.mark.parametrize(
    ("matcher", "hint"),
    [
        ('code="5.."', 'code=~"5.."'),
        ('code!="2.*"', 'code!~"2.*"'),
        ('code="500|503"', 'code=~"500|503"'),
        ('code="[45]00"', 'code=~"[45]00"'),
        ('code="5xx"', ""),
        ('code=~"5.."', ""),
        ('path="/v1.2/orders"', ""),
        ('instance="[::1]:9090"', ""),
    ],
)
def test_a_pattern_that_is_compared_as_text_is_a_warning(tmp_path: Path, matcher: str, hint: str) -> None:
    """No error would ever be counted, and each release passes."""
    selector = f'r_total{{namespace="$namespace", {matcher}}}'
    query = f"sum(rate({selector}[5m]))"
    found = checked(tmp_path, counting(f"r_total{NARROW}", selector), asking(query, "two"))
    said = f"write {hint}, unless this is intended"
    assert [remark.hint for remark in found.remarks] == ([said, said] if hint else [])


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("r_total", "r_total is a counter: its value grows"),
        ("sum(r_total) / 2", "r_total is a counter: its value grows"),
        ("histogram_quantile(0.9, b_bucket)", "b_bucket is a counter: its value grows"),
        ("histogram_quantile(99, sum by (le) (rate(b_bucket[5m])))", "histogram_quantile(99, …) is infinite"),
        ("histogram_quantile(0.9, sum(rate(b_bucket[5m])))", "adds the buckets of a histogram together"),
        (
            "histogram_quantile(0.9, (sum by (pod) (rate(b_bucket[5m]))))",
            "adds the buckets of a histogram together",
        ),
        (
            "histogram_quantile(0.9, sum without (le) (rate(b_bucket[5m])))",
            "adds the buckets of a histogram together",
        ),
        ("sum(rate(r_total)) > 1", "the check cannot parse this query"),
    ],
)
def test_a_query_that_seldom_says_what_is_meant_is_a_warning(tmp_path: Path, query: str, said: str) -> None:
    """Counters as they are, quantiles without buckets, quantiles in percent, rates without a range."""
    (remark,) = checked(tmp_path, asking(narrowed(query))).remarks
    assert remark.message.startswith(said)
    assert remark.hint


@pytest.mark.parametrize(
    "query",
    [
        "max(queue_depth)",
        "sum(increase(r_total[5m])) or vector(0)",
        "count(r_total)",
        "absent(r_total)",
        "max_over_time(sum(rate(r_total[1m]))[5m:1m])",
        "histogram_quantile(0.9, sum by (le, pod) (rate(b_bucket[5m])))",
        "histogram_quantile(0.9, sum without (pod) (rate(b_bucket[5m])))",
        "histogram_quantile(0.9, rate(b_bucket[5m]))",
        "histogram_quantile(0.9, sum(rate(native_seconds[5m])))",
        "-sum(rate(b_bucket[5m]))",
    ],
)
def test_a_query_that_says_what_is_meant_is_not_remarked_on(tmp_path: Path, query: str) -> None:
    """Rates, counts of series, native histograms."""
    assert warnings(checked(tmp_path, asking(narrowed(query)))) == []


def asking(query: str, name: str = "one") -> str:
    """A policy with one query rule."""
    rule = f"{{name: free, query: {{prometheus: '{query}', fail: value > 9.0}}}}"
    return document(name, f"rules: [{rule}]", f"{{namespaces: [{name}]}}")


def narrowed(query: str) -> str:
    """The query, of one namespace: its metrics narrowed by it."""
    return re.sub(r"r_total|b_bucket|queue_depth|native_seconds", lambda name: name[0] + NARROW, query)

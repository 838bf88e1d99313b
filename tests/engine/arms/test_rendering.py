"""Filling a workload's names into queries."""

import re

import promql_parser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.domain.policy.rules import CountQuery, HistogramQuery, ValueQuery
from sentinel.domain.workload.facts import Workload, WorkloadKey
from sentinel.domain.workload.kinds import WorkloadKind
from sentinel.domain.workload.pods import Pod
from sentinel.domain.workload.revision import Revision
from sentinel.engine.arms.variables import (
    NO_POD,
    RenderingError,
    quote_regex,
    render,
    render_query,
    render_tags,
    used,
    variables_of,
)

VARIABLES = {
    "namespace": "shop.eu",
    "workload": "web",
    "candidate_pods": ("web-1.a", "web-1.b"),
    "baseline_pods": (),
}


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ('a{b="$namespace"}', 'a{b="shop.eu"}'),
        ("a{b='$namespace'}", "a{b='shop.eu'}"),
        ("a{b=`$namespace`}", "a{b=`shop.eu`}"),
        ('a{b=~"$namespace-.*"}', 'a{b=~"shop\\\\.eu-.*"}'),
        ("a{b=~`$namespace`}", "a{b=~`shop\\.eu`}"),
        ('a{b!~ "${workload}s"}', 'a{b!~ "webs"}'),
        ('a{pod=~"$candidate_pods"}', 'a{pod=~"web-1\\\\.a|web-1\\\\.b"}'),
        ('a{pod=~"$baseline_pods"}', f'a{{pod=~"{NO_POD}"}}'),
        ('a{code=~"5..$"}', 'a{code=~"5..$"}'),
        ('label_replace(a, "x", "$1", "y", "(.*)")', 'label_replace(a, "x", "$1", "y", "(.*)")'),
        ('a{b="$$namespace"}', 'a{b="$namespace"}'),
        ('a{b="x \\" $workload"}', 'a{b="x \\" web"}'),
        ('a # costs $5 and $money\n+ b{c="$workload"}', 'a # costs $5 and $money\n+ b{c="web"}'),
    ],
)
def test_values_are_quoted_for_where_they_stand(text: str, rendered: str) -> None:
    """Plain strings are escaped, regular expressions quoted, everything else is left as it is."""
    assert render(text, VARIABLES) == rendered


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("$workload", "outside quotes"),
        ('a{b="$nothing"}', r"unknown variable \$nothing; known: \$baseline_pods"),
        ('a{b="$candidate_pods"}', "list of names"),
    ],
)
def test_a_variable_in_the_wrong_place_is_refused(text: str, message: str) -> None:
    """Outside of a string, unknown, or a list without =~."""
    with pytest.raises(RenderingError, match=message):
        render(text, VARIABLES)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"])), st.sampled_from("\"'"))
def test_any_value_stays_inside_its_string(value: str, quote: str) -> None:
    """PromQL reads back exactly the value, whatever it holds: nothing can be injected."""
    text = render(f"a{{b={quote}$v{quote}}}", {"v": value})

    (matcher,) = promql_parser.parse(text).matchers.matchers
    assert (matcher.name, matcher.value) == ("b", value)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"])))
def test_any_value_matches_itself_alone_in_a_regular_expression(value: str) -> None:
    """The quoted value is a regular expression for that value."""
    pattern = quote_regex(value)

    assert re.fullmatch(pattern, value)
    assert not re.fullmatch(pattern, value + "x")


def test_a_value_with_a_backtick_has_no_place_between_backticks() -> None:
    """Raw strings know no escapes, so that such a value is refused there."""
    with pytest.raises(RenderingError, match="backtick"):
        render("a{b=`$v`}", {"v": "x`y"})


def test_used_names_all_variables() -> None:
    """Both notations count; a doubled dollar sign and groups do not."""
    assert used('a{b="$x", c="${y}z", d="$$no", e="$1"}') == {"x", "y"}


def test_datadog_values_stand_in_tags() -> None:
    """Names as they are, lists with commas; what no tag can hold is refused."""
    assert render_tags("a{ns:$namespace,pod_name IN ($candidate_pods)}", VARIABLES) == (
        "a{ns:shop.eu,pod_name IN (web-1.a,web-1.b)}"
    )
    with pytest.raises(RenderingError, match="cannot be used in such a query"):
        render_tags("a{ns:$x}", {"x": "a} or {b"})


def test_the_variables_of_a_workload() -> None:
    """Pods are those of each arm that are not on their way out, in order."""
    workload = Workload(
        WorkloadKey(WorkloadKind.DEPLOYMENT, "shop", "web"),
        "uid",
        Revision("new", hash="n1"),
        pods=(
            Pod("web-n1-b", "1", "n1"),
            Pod("web-n1-a", "2", "n1"),
            Pod("web-n1-c", "3", "n1", deleting=True),
            Pod("web-o1-a", "4", "o1"),
        ),
    )

    assert variables_of(workload, Revision("old", hash="o1")) == {
        "namespace": "shop",
        "workload": "web",
        "kind": "Deployment",
        "candidate_hash": "n1",
        "candidate_pods": ("web-n1-a", "web-n1-b"),
        "baseline_hash": "o1",
        "baseline_pods": ("web-o1-a",),
    }
    assert variables_of(workload, None)["baseline_pods"] == ()


def test_whole_queries_are_rendered_in_their_source_s_language() -> None:
    """Every text of a query is filled in, by the rules of PromQL or of Datadog."""
    counts = render_query(CountQuery("prometheus", 'a{b=~"$namespace"}', 'e{b="$workload"}'), VARIABLES)
    histogram = render_query(HistogramQuery("prometheus", 'h{b="$workload"}'), VARIABLES)
    value = render_query(ValueQuery("datadog", "max:a{b:$workload}"), VARIABLES)

    assert (counts.total, counts.errors) == ('a{b=~"shop\\\\.eu"}', 'e{b="web"}')
    assert histogram.histogram == 'h{b="web"}'
    assert value.expression == "max:a{b:web}"


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")), st.sampled_from("\"'"))
def test_prometheus_own_grammar_sees_one_selector_whatever_the_value(value: str, quote: str) -> None:
    """A value cannot end its string: the query that Prometheus parses has the rule's matchers and no others."""
    text = f"up{{namespace={quote}$namespace{quote}, pod=~{quote}$workload{quote}}}"
    parsed = promql_parser.parse(render(text, {"namespace": value, "workload": value}))
    assert isinstance(parsed, promql_parser.VectorSelector)
    by_name = {matcher.name: matcher.value for matcher in parsed.matchers.matchers}
    assert by_name == {"namespace": value, "pod": quote_regex(value)}


def test_a_free_query_keeps_the_pods_that_were_put_in() -> None:
    """Each arm's list that it uses, so that the answer can be held against the pods."""
    query = ValueQuery("prometheus", 'a{pod=~"$candidate_pods"} / a{pod=~"$baseline_pods", b="$workload"}')

    assert render_query(query, VARIABLES).pods == ((), ("web-1.a", "web-1.b"))

"""Selectors: checked by PromQL's grammar, turned from a histogram's name to its series."""

from __future__ import annotations

import promql_parser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.adapters.prometheus.series.selectors import BUCKET, COUNT, SUM, check, histogram_series


@pytest.mark.parametrize(
    ("selector", "suffix", "series"),
    [
        ("took", BUCKET, "took_bucket"),
        ("took_bucket", COUNT, "took_count"),
        ('took{a="b",c=~"d|e",f!="g",h!~"i"}', SUM, 'took_sum{a="b",c=~"d|e",f!="g",h!~"i"}'),
        ('{__name__="took_bucket",a="b"}', BUCKET, 'took_bucket{a="b"}'),
        ('{__name__="http.server.duration",a="b"}', SUM, '{__name__="http.server.duration_sum",a="b"}'),
        (r'took{path=~"\\d+",quote="\"x\""}', BUCKET, r'took_bucket{path=~"\\d+",quote="\"x\""}'),
        (r"took{path=~`\d+`}", BUCKET, r'took_bucket{path=~"\\d+"}'),
        ("(took{a='b',} # all of it\n)", BUCKET, 'took_bucket{a="b"}'),
        ('{"took","a.b"=\'c\'}', BUCKET, 'took_bucket{"a.b"="c"}'),
        ('{"http.took","a.b"="c"}', COUNT, '{__name__="http.took_count","a.b"="c"}'),
    ],
)
def test_a_histograms_series(selector: str, suffix: str, series: str) -> None:
    """The suffix goes to the name, wherever that stands, and the matchers stay what they are."""
    assert matchers(histogram_series(selector, suffix)) == matchers(series)


@pytest.mark.parametrize(
    ("selector", "sentence"),
    [
        ("took{", "ends where a label's name or } is expected"),
        ("", "ends where a metric's name or { is expected"),
        ("{}", "selects everything"),
        ('a{__name__="b"}', "names two metrics"),
        ('took{a="b" c="d"}', "has 'c=\"d\"}' at character 12 where , or } is expected"),
        ('took{a="\\d"}', "unknown escape sequence"),
        ("sum(took)", "is a function call or an aggregation"),
        ("took[5m]", "is a range"),
        ("took / 2", "is an expression, not a selector: '/' follows it"),
        ("took smoothed", "has a range modifier"),
        ("a or b", "with `or`"),
        ("took offset 5m", "has an offset or @"),
        ("took @ 1700000000", "has an offset or @"),
        ('{a="b" or c="d"}', "with `or`"),
    ],
)
def test_what_is_no_plain_selector_is_refused(selector: str, sentence: str) -> None:
    """Everything that would ask for other times or lose the samples' own is named."""
    with pytest.raises(ValueError, match=sentence):
        check(selector)


def test_a_histogram_needs_one_name() -> None:
    """A name that is only matched could mean several histograms."""
    with pytest.raises(ValueError, match="must name one histogram"):
        histogram_series('{__name__=~"took.*"}', BUCKET)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30))
def test_any_value_survives(value: str) -> None:
    """Quotes, backslashes and line breaks of a matcher's value come through the suffixing unchanged."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    series = histogram_series(f'took{{a="{escaped}"}}', BUCKET)
    assert matchers(series) == {("__name__", "Equal", "took_bucket"), ("a", "Equal", value)}


def matchers(selector: str) -> set[tuple[str, str, str]]:
    """A selector as the set of its matchers, the name among them."""
    parsed = promql_parser.parse(selector)
    found = {(m.name, str(m.op).removeprefix("MatchOp."), m.value) for m in parsed.matchers.matchers}
    return found | {("__name__", "Equal", parsed.name)} if parsed.name else found

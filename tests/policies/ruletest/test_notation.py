"""promtool's series notation."""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sentinel.policies.mistakes import InputError
from sentinel.policies.ruletest.notation import (
    ABSENT,
    MAX_SAMPLES,
    STALE,
    SeriesName,
    parse_series,
    parse_values,
)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1 2 3", (1, 2, 3)),
        ("1+2x3", (1, 3, 5, 7)),
        ("9-3x2", (9, 6, 3)),
        ("-2+4x1", (-2, 2)),
        ("5x2", (5, 5, 5)),
        ("0.5+.25x1", (0.5, 0.75)),
        ("1e3", (1000,)),
        ("_ 1 _x2", (ABSENT, 1, ABSENT, ABSENT)),
        ("1 stale 2", (1, STALE, 2)),
        ("Inf -Inf", (math.inf, -math.inf)),
    ],
)
def test_a_part_stands_for_its_samples(text: str, values: tuple[object, ...]) -> None:
    """Each part of the notation gives the samples that promtool gives."""
    assert parse_values(text) == values


def test_not_a_number_is_a_sample() -> None:
    """NaN is a value that a metric can have."""
    (value,) = parse_values("NaN")

    assert isinstance(value, float)
    assert math.isnan(value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "holds no value"),
        ("1+2", None),
        ("1+x3", "not in series notation"),
        ("_+1x3", "not in series notation"),
        ("one", "not in series notation"),
        ("{{schema:0}}", "native histograms"),
        (f"0x{MAX_SAMPLES}", "holds more than"),
        ("_x999999999", "holds more than"),
    ],
)
def test_what_is_no_notation_is_refused(text: str, told: str | None) -> None:
    """A mistake is named, with what would be right; a step without a count is one value, as in promtool."""
    if told is None:
        assert parse_values(text) == (1,)
        return
    with pytest.raises(InputError) as refusal:
        parse_values(text)
    assert told in f"{refusal.value.message} {refusal.value.hint}"


def test_a_series_has_a_name_and_labels() -> None:
    """Labels are sorted, and escapes in their values undone."""
    found = parse_series(r'http_requests_total{pod="a-1", path="say \"hi\""}')

    assert found == SeriesName("http_requests_total", (("path", 'say "hi"'), ("pod", "a-1")))
    assert parse_series("up") == SeriesName("up", ())
    assert parse_series("trace.http.request.hits{}").name == "trace.http.request.hits"


def test_names_of_prometheus_3_stand_in_quotes() -> None:
    """The metric's name and labels may have dots, as in a query."""
    found = parse_series('{"till.hits", "k8s.pod.name"="a-1", code=`5`}')
    assert found == SeriesName("till.hits", (("code", "5"), ("k8s.pod.name", "a-1")))


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"a.b"=~"c"}',
        '{"a", "b.c"=~"d"}',
        "a b",
        "a{b=c}",
        'a{b="c" d="e"}',
        'a{b="1",b="2"}',
        'a{b="c"',
        "1a",
    ],
)
def test_what_is_no_series_is_refused(text: str) -> None:
    """Anything but a name with equal labels is a mistake."""
    with pytest.raises(InputError):
        parse_series(text)


@given(st.text(max_size=60))
def test_no_text_ends_in_anything_but_values_or_a_mistake(text: str) -> None:
    """Whatever is written, it is samples, a series, or an InputError."""
    for parse in (parse_values, parse_series):
        with contextlib.suppress(InputError):
            parse(text)


@pytest.mark.real
@pytest.mark.skipif(
    "CI" not in os.environ and not shutil.which("promtool"), reason="promtool is not installed"
)
@pytest.mark.parametrize("text", ["1+2x3", "9-3x2", "5x2", "1 _ 3", "0+20x4 _x2 7", "1 2 3x2"])
def test_promtool_reads_the_same(tmp_path: Path, text: str) -> None:
    """The newest value at each minute, by promtool, is ours."""
    values = parse_values(text)
    samples = []
    newest: float | None = None
    for number, value in enumerate(values):
        newest = value if isinstance(value, float) else newest
        samples.append(
            {"expr": "a", "eval_time": f"{number}m", "exp_samples": [{"labels": "a", "value": newest}]}
        )
    tests = [
        {"interval": "1m", "input_series": [{"series": "a", "values": text}], "promql_expr_test": samples}
    ]
    file = tmp_path / "test.yaml"
    file.write_text(yaml.safe_dump({"evaluation_interval": "1m", "tests": tests}))

    result = subprocess.run(
        ["promtool", "test", "rules", str(file)], capture_output=True, text=True, timeout=60, check=False
    )

    assert result.returncode == 0, result.stdout + result.stderr

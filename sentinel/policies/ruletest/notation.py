"""Series as `promtool test rules` writes them.

`1+2x3` is 1 3 5 7, `5x2` is 5 5 5, `9-3x2` is 9 6 3, `_` no sample and `_x3` three times none, `stale` the end of a
series; several parts are separated by spaces. Source: prometheus/prometheus `docs/configuration/unit_testing_rules.md`.
"""

import re

from sentinel.engine.arms.selector import NAME, SelectorError, read_selector
from sentinel.policies.mistakes import InputError
from sentinel.values import dataclass

MAX_SAMPLES = 20_000

STALE = None
"""Ends a series: a query right after it finds nothing."""


class _Absent:
    """A scrape that brought no sample; older ones still count."""


ABSENT = _Absent()

Value = float | None | _Absent

_NUMBER = r"[+-]?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+|Inf|NaN)"
_PART = re.compile(
    rf"(?P<first>{_NUMBER}|_|stale)(?:(?P<step>[+-](?:\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)))?(?:x(?P<times>\d{{1,9}}))?"
)
_SERIES = re.compile(r"\s*(?P<name>[A-Za-z_:][\w:.]*)\s*(?:\{(?P<labels>.*)\})?\s*", re.DOTALL)
_LABEL = re.compile(r'\s*(?P<name>[A-Za-z_]\w*)\s*=\s*"(?P<value>(?:\\.|[^"\\])*)"\s*(?:,|$)')


@dataclass(frozen=True, slots=True)
class SeriesName:
    """A metric's name and labels."""

    name: str
    labels: tuple[tuple[str, str], ...]


def parse_values(text: str) -> tuple[Value, ...]:
    """The samples of a series, one to an interval. Raises InputError."""
    values: list[Value] = []
    for part in text.split():
        values.extend(_part(part, MAX_SAMPLES - len(values)))
    if not values:
        raise InputError("holds no value", "write values such as 0+20x100")
    return tuple(values)


def parse_series(text: str) -> SeriesName:
    """A series by its name and labels: `http_requests_total{pod="candidate-1", code="200"}`. Raises InputError.

    Datadog's names have dots as they are; what Prometheus 3 allows beyond letters, digits and underscores is in
    quotes: `{"http.hits", "k8s.pod.name"="candidate-1"}`.
    """
    return _in_promql(text) or _plainly(text)


def _in_promql(text: str) -> SeriesName | None:
    try:
        selector = read_selector(text)
    except SelectorError:
        return None
    labels = {m.label: m.value for m in selector.matchers if m.operator == "="}
    if not selector.metric or len(labels) < len(
        selector.matchers
    ):  # a matcher that is not a label, or one twice
        return None
    name = labels.pop(NAME)
    return SeriesName(name, tuple(sorted(labels.items())))


def _plainly(text: str) -> SeriesName:
    match = _SERIES.fullmatch(text)
    if match is None:
        raise InputError(
            f"{text!r} is not a series", 'write a name with labels: http_requests_total{pod="candidate-1"}'
        )
    labels: dict[str, str] = {}
    rest = match["labels"] or ""
    while rest.strip():
        label = _LABEL.match(rest)
        if label is None:
            raise InputError(f"{rest.strip()!r} is not a label", 'write labels such as code="500"')
        if label["name"] in labels:
            raise InputError(f"has the label {label['name']} twice", "keep one")
        labels[label["name"]] = re.sub(r"\\(.)", r"\1", label["value"])
        rest = rest[label.end() :]
    return SeriesName(match["name"], tuple(sorted(labels.items())))


def _part(text: str, room: int) -> list[Value]:
    match = _PART.fullmatch(text)
    if match is None or (match["step"] and match["first"] in ("_", "stale")):
        hint = "write numbers such as 0+20x100, 5x10, _x3 or stale"
        if text.startswith("{{"):
            hint = "native histograms are not supported: write the _bucket, _sum and _count series"
        raise InputError(f"{text!r} is not in series notation", hint)
    times = int(match["times"] or 0)
    if times >= room:
        raise InputError(f"holds more than {MAX_SAMPLES} samples", "shorten it")
    if match["first"] == "_":
        return [ABSENT] * (times if match["times"] else 1)
    if match["first"] == "stale":
        return [STALE] * (times + 1)
    first, step = float(match["first"]), float(match["step"] or 0)
    return [first + step * n for n in range(times + 1)]

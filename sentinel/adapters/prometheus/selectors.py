"""Selectors of counters and histograms: checked, and turned from a histogram's base name to its series."""

import promql_parser

BUCKET, SUM, COUNT = "_bucket", "_sum", "_count"

_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})
_OPERATORS = (  # pairs, because the library's MatchOp has no hash
    (promql_parser.MatchOp.Equal, "="),
    (promql_parser.MatchOp.NotEqual, "!="),
    (promql_parser.MatchOp.Re, "=~"),
    (promql_parser.MatchOp.NotRe, "!~"),
)


def check(selector: str) -> promql_parser.VectorSelector:
    """The selector, parsed. Raises ValueError with a sentence when it is anything but a plain vector selector.

    Plain, because evidence is asked for at explicit times and grouped by pod: an `offset` would ask for another
    time, a function or an operator would lose the samples' own timestamps.
    """
    try:
        parsed = promql_parser.parse(selector)
    except ValueError as error:
        raise ValueError(f"{selector!r} is not PromQL: {error}") from error
    if not isinstance(parsed, promql_parser.VectorSelector):
        raise ValueError(  # noqa: TRY004 - the text has the wrong form, whatever the library makes of it
            f"{selector!r} is not a selector: write the metric's name and its matchers only, as in "
            'http_requests_total{code=~"5.."}, without functions, operators, ranges or brackets'
        )
    if parsed.offset is not None or parsed.at is not None:
        raise ValueError(
            f"{selector!r} has an offset or @ modifier: the time of a question is not the rule's"
        )
    if parsed.matchers.or_matchers:
        raise ValueError(f"{selector!r} joins matchers by `or`, which Prometheus does not know")
    return parsed


def histogram_series(selector: str, suffix: str) -> str:
    """The selector of one of a histogram's series (`BUCKET`, `SUM`, `COUNT`).

    The selector names the histogram with or without `_bucket`, by its name or by an exact `__name__` matcher.
    Raises ValueError when it names none.
    """
    parsed = check(selector)
    matchers = [(m.name, _operator(m.op), m.value) for m in parsed.matchers.matchers]
    name = parsed.name or next((v for n, op, v in matchers if (n, op) == ("__name__", "=")), None)
    if name is None:
        raise ValueError(f"{selector!r} must name one histogram: a name that is matched is not enough")
    rest = [matcher for matcher in matchers if matcher[0] != "__name__"]
    return _render([("__name__", "=", name.removesuffix(BUCKET) + suffix), *rest])


def narrowed(selector: str, *more: tuple[str, str, str]) -> str:
    """The selector with more matchers, each a label, an operator and a value. Raises ValueError."""
    parsed = check(selector)
    named = [("__name__", "=", parsed.name)] if parsed.name else []
    return _render([*named, *((m.name, _operator(m.op), m.value) for m in parsed.matchers.matchers), *more])


def _render(matchers: list[tuple[str, str, str]]) -> str:
    """Matchers as PromQL.

    promql-parser cannot print what was changed: `prettify()` shows the text that was parsed, and `str()` leaves
    quotes and backslashes of values unescaped.
    """
    label, operator, name = matchers[0]
    plain = (label, operator) == ("__name__", "=")
    if (
        plain
        and name.isascii()
        and name.replace("_", "a").replace(":", "a").isalnum()
        and not name[0].isdigit()
    ):
        head, listed = name, matchers[1:]
    else:
        head, listed = "", matchers
    inner = ",".join(f'{label}{operator}"{value.translate(_ESCAPES)}"' for label, operator, value in listed)
    return f"{head}{{{inner}}}" if inner else head


def _operator(op: promql_parser.MatchOp) -> str:
    return next(text for known, text in _OPERATORS if known == op)

"""Selectors of counters and histograms: checked, narrowed, and turned from a histogram's base name to its series."""

from functools import lru_cache

from sentinel.engine.arms.selector import NAME, Selector, SelectorError, SelectorMatcher, read_selector
from sentinel.engine.arms.variables import alternation

BUCKET, SUM, COUNT = "_bucket", "_sum", "_count"


def check(selector: str) -> Selector:
    """The selector, read. Raises ValueError with a sentence when it is anything but a plain vector selector.

    Plain, because evidence is asked for at explicit times and grouped by pod: an `offset` would ask for another
    time, a function or an operator would lose the samples' own timestamps.
    """
    try:
        return read_selector(selector)
    except SelectorError as error:
        raise ValueError(f"{selector!r} {error}") from error


@lru_cache(maxsize=1024)
def plain(selector: str) -> str:
    """The selector as its matchers alone say it. Raises ValueError as `check` does."""
    return str(check(selector))


@lru_cache(maxsize=1024)
def histogram_series(selector: str, suffix: str) -> str:
    """The selector of one of a histogram's series (`BUCKET`, `SUM`, `COUNT`).

    The selector names the histogram with or without `_bucket`, by its name or by an exact `__name__` matcher.
    Raises ValueError when it names none.
    """
    read = check(selector)
    if not read.metric:
        raise ValueError(f"{selector!r} must name one histogram: a matcher for the name is not enough")
    rest = (matcher for matcher in read.matchers if matcher.label != NAME)
    return str(Selector((SelectorMatcher(NAME, "=", read.metric.removesuffix(BUCKET) + suffix), *rest)))


def narrowed(selector: str, *more: tuple[str, str, str]) -> str:
    """The selector with more matchers, each a label, an operator and a value. Raises ValueError."""
    return str(Selector((*check(selector).matchers, *(SelectorMatcher(*each) for each in more))))


def of_pods(selector: str, label: str, pods: tuple[str, ...]) -> str:
    """The selector, finding series of these pods alone by the label that names them; of all where none are given."""
    return narrowed(selector, (label, "=~", alternation(pods))) if pods else selector


@lru_cache(maxsize=1024)
@lru_cache(maxsize=1024)
def restricts(selector: str, other: str) -> bool:
    """Whether a selector finds nothing that the other does not find as well: it has all of the other's matchers."""
    return set(check(selector).matchers) >= set(check(other).matchers)


def matched_value(selector: str, label: str) -> str | None:
    """The value that a selector wants a label to be, None where it wants no single one. Raises ValueError."""
    wanted = {m.value for m in check(selector).matchers if (m.label, m.operator) == (label, "=")}
    return wanted.pop() if len(wanted) == 1 else None


def without(selector: str, label: str) -> str | None:
    """The selector without its matchers of a label; None where none is left. Raises ValueError."""
    rest = tuple(matcher for matcher in check(selector).matchers if matcher.label != label)
    return str(Selector(rest)) if rest else None

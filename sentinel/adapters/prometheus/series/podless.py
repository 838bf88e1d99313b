"""Free queries that select an arm's pods: whether what they select by says whose it is.

`sum(errors{pod=~"$candidate_pods"}) or vector(0)` is 0 if the errors carry no pod, which is not evidence of any kind.
"""

import re
from collections.abc import Iterator
from datetime import datetime

from sentinel.adapters.prometheus.answers import InstantAnswer
from sentinel.adapters.prometheus.series import selectors
from sentinel.adapters.prometheus.series.strays import EXPORTED, Asking, labels_of
from sentinel.domain.evidence import Missing, MissingReason
from sentinel.domain.policy.rules import ValueQuery
from sentinel.engine.arms.promql_texts import TEXT
from sentinel.engine.arms.selector import Selector, SelectorError, SelectorMatcher, label_name, read_selector
from sentinel.engine.arms.variables import alternation

_SELECTOR = re.compile(rf"""(?:[a-zA-Z_:][\w:]*\s*)?\{{(?:{TEXT}|[^"'`{{}}])*\}}""", re.DOTALL)


async def unattributed(query: ValueQuery, ask: Asking, at: datetime) -> Missing | None:
    """Why a query's answer cannot be about the pods that it asks for, None if it may be. Raises SourceError.

    Not so where other pods alone have such series: a counter of errors begins with a pod's first error.
    """
    for selector, by_pod in _by_pods(query):
        text = await _unattributed(selector, by_pod, query, ask, at)
        if text:
            return Missing(MissingReason.LABELS_DIFFER, detail=text)
    return None


def _by_pods(query: ValueQuery) -> Iterator[tuple[Selector, SelectorMatcher]]:
    """Each selector of the query, and its matcher of an arm's pods."""
    wanted = [alternation(pods) for pods in query.pods if pods]
    for match in _SELECTOR.finditer(query.expression) if wanted else ():
        try:
            selector = read_selector(match[0])
        except SelectorError:  # what only the server understands; its answer stands for itself
            continue
        for matcher in selector.matchers:
            if matcher.operator == "=~" and any(pods in matcher.value for pods in wanted):
                yield selector, matcher


async def _unattributed(
    selector: Selector, by_pod: SelectorMatcher, query: ValueQuery, ask: Asking, at: datetime
) -> str:
    rest = tuple(matcher for matcher in selector.matchers if matcher is not by_pod)
    if not rest:
        return ""
    wide = str(Selector(rest))
    pods = frozenset(pod for arm in query.pods for pod in arm)
    found = await _grouped(wide, by_pod.label, ask, at)
    if pods & {sample.labels.get(by_pod.label) for sample in found.samples}:
        return ""
    exported = EXPORTED + by_pod.label
    if any(not s.labels.get(by_pod.label) or s.labels.get(exported) in pods for s in found.samples):
        example = await ask(wide, at)
        return f"the series of {wide} name none of these pods in {by_pod.label}{labels_of(example)}"
    return "" if found.samples else await _elsewhere(Selector(rest), by_pod.label, pods, ask, at)


async def _elsewhere(selector: Selector, label: str, pods: frozenset[str], ask: Asking, at: datetime) -> str:
    """Of a selector that finds nothing: whether there are series of these pods under another namespace."""
    place = next((m for m in selector.matchers if "namespace" in m.label and m.operator == "="), None)
    wide = selectors.without(str(selector), place.label) if place is not None else None
    if wide is None or place is None:
        return ""
    exported = EXPORTED + place.label
    for by, wanted in ((label, pods), (EXPORTED + label, pods), (exported, frozenset({place.value}))):
        narrowed = selectors.narrowed(wide, (by, "=~", alternation(tuple(sorted(wanted)))))
        example = await ask(narrowed, at)
        if example.samples:
            return f"{selector} finds no series, but {narrowed} does{labels_of(example)}"
    return ""


async def _grouped(selector: str, label: str, ask: Asking, at: datetime) -> InstantAnswer:
    by = ", ".join(map(label_name, (label, EXPORTED + label)))
    return await ask(f"count by ({by}) ({selector})", at)

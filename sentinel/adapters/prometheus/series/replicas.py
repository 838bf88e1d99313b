"""Whether requests are counted twice: by a pair of Prometheus servers, by two scrapes of one pod.

A sum over a pod's series is twice its requests where each series is there twice, told apart by a label that says who
scraped it (`prometheus_replica` of a pair behind Thanos, `endpoint` of two ports with the same counters). The
ratio stays right, but a proof would rest on twice the evidence that there is.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from datetime import datetime, timedelta
from itertools import combinations

from sentinel.adapters.prometheus.answers import InstantAnswer, Sample
from sentinel.adapters.prometheus.series import selectors
from sentinel.adapters.prometheus.series.strays import Asking
from sentinel.bounded import BoundedDict
from sentinel.domain.policy.rules import Arms
from sentinel.values import dataclass

ASKED_EVERY = timedelta(minutes=2)
REMEMBERED = 1_000
ENOUGH = 20.0
"""So few requests may be equal by chance."""
CLOSE = 0.05
"""Two scrapes of one counter are some seconds apart; they differ by no more than this share."""

_SERVER = re.compile(r"(?:^|_)(?:replica|prometheus|monitor|receive)(?:_|$)")
"""Labels of servers that keep the same samples at the same times, as a pair's recording rules do. Of one scrape, any
other label is the application's: an `endpoint` or a `tenant` may well have as many requests as another one.
"""
_PROCESS = re.compile(r"pod|node|host")

_Key = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Doubles:
    """Looks, every two minutes, at all series of the pod that has the most requests. Raises what `ask` raises."""

    ask: Asking
    _known: BoundedDict[tuple[str, Arms], tuple[datetime, str]] = field(
        default_factory=lambda: BoundedDict(REMEMBERED)
    )

    async def found(self, selector: str, totals: InstantAnswer, arms: Arms, at: datetime) -> str:
        """Why the requests of a selector are counted several times, empty where they are not."""
        asked, detail = self._known.get((selector, arms), (at - 2 * ASKED_EVERY, ""))
        if abs(at - asked) < ASKED_EVERY or not totals.samples:
            return detail
        busiest = max((one for one in totals.samples if one.usable), key=lambda one: one.value, default=None)
        if busiest is None:
            return detail
        of_one = selectors.narrowed(
            selector, *((label, "=", busiest.labels.get(label, "")) for label in _named(arms))
        )
        series, stamps = await self.ask(of_one, at), await self.ask(f"timestamp({of_one})", at)
        labels = doubled_by(series.samples, stamps.samples)
        detail = f"the label {' and '.join(labels)} alone tells series of {selector} apart" if labels else ""
        self._known[selector, arms] = at, detail
        return detail


def _named(arms: Arms) -> Sequence[str]:
    return (arms.namespace_label, arms.subject_label)


def doubled_by(series: Sequence[Sample], stamps: Iterable[Sample]) -> tuple[str, ...]:
    """The labels by which a pod's series are there several times with the same counts; empty where they are not."""
    series = [Sample(_unnamed(one.labels), one.value) for one in series if one.usable]
    times = {_key(_unnamed(one.labels)): one.value for one in stamps}
    for together in _telling_apart(series):
        if any(_of_two_processes(label, {one.labels.get(label, "") for one in series}) for label in together):
            continue
        groups: dict[_Key, list[Sample]] = defaultdict(list)
        for one in series:
            groups[_key({k: v for k, v in one.labels.items() if k not in together})].append(one)
        several = [group for group in groups.values() if len(group) > 1]
        if 2 * len(several) >= len(groups) and _equal(several):
            scrapes = {times.get(_key(one.labels)) for one in several[0]}
            if len(scrapes) > 1 or any(_SERVER.search(label) for label in together):
                return together
    return ()


def _telling_apart(series: Sequence[Sample]) -> Iterable[tuple[str, ...]]:
    """Labels that differ between series, those that always differ together as one."""
    values = {
        label: tuple(one.labels.get(label, "") for one in series)
        for label in sorted(set().union(*(one.labels for one in series)))
    }
    differing = [label for label, seen in values.items() if len(set(seen)) > 1]
    tied: dict[str, set[str]] = {label: {label} for label in differing}
    for one, other in combinations(differing, 2):
        pairs = set(zip(values[one], values[other], strict=True))
        if len(pairs) == len(set(values[one])) == len(set(values[other])):
            tied[one].add(other)
            tied[other].add(one)
    return dict.fromkeys(tuple(sorted(labels)) for labels in tied.values())


def _of_two_processes(label: str, values: set[str]) -> bool:
    """Whether a label's values are those of different processes, such as two gateways in front of one pod: each
    counts its own requests. Two ports of one address are one process, or a proxy beside it that counts the same.
    """
    if label == "instance":
        return len({value.rpartition(":")[0] for value in values}) > 1
    return bool(_PROCESS.search(label))


def _equal(groups: Sequence[Sequence[Sample]]) -> bool:
    """Whether the series of each group count the same things: as far as scrapes some seconds apart can tell."""
    most = [max(one.value for one in group) for group in groups]
    least = [min(one.value for one in group) for group in groups]
    return sum(most) >= ENOUGH and all(
        high - low <= CLOSE * high or high < ENOUGH for high, low in zip(most, least, strict=True)
    )


def _unnamed(labels: Mapping[str, str]) -> dict[str, str]:
    return {label: value for label, value in labels.items() if label != "__name__"}


def _key(labels: Mapping[str, str]) -> _Key:
    return tuple(sorted(labels.items()))

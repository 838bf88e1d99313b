"""Picks a workload's own spans out of an answer that many workloads share."""

from collections.abc import Iterable, Sequence
from dataclasses import field

from sentinel.bounded import BoundedDict
from sentinel.domain.evidence import Span
from sentinel.domain.workload.facts import Workload
from sentinel.values import dataclass

REMEMBERED = 16
"""Answers of a tick: one for each rule and policy. A rule with a separate query per workload does not need an index."""


@dataclass(slots=True)
class _Indexed:
    """One answer by pod; spans that do not belong to a pod, or may be another's, are in `others`."""

    spans: Sequence[Span]
    of_pod: dict[tuple[str, str], list[Span]] = field(default_factory=dict)
    others: list[Span] = field(default_factory=list)


class SpanIndex:
    """Sorts each answer once, however many workloads it is about: looking through all of a large answer for every
    rollout costs the square of the cluster's size."""

    def __init__(self) -> None:
        self._indexed: BoundedDict[int, _Indexed] = BoundedDict(REMEMBERED)

    def own(self, spans: Sequence[Span], workload: Workload) -> Sequence[Span]:
        """The spans of the workload's pods, and all that are of no pod (versions) or of no certain one (strays)."""
        if len(spans) <= len(workload.pods):
            return spans
        indexed = self._of(spans)
        pods = ((workload.key.namespace, pod.name) for pod in workload.pods)
        return [*indexed.others, *_chained(indexed.of_pod.get(pod, ()) for pod in pods)]

    def _of(self, spans: Sequence[Span]) -> _Indexed:
        # The answer itself is kept beside its index, so that its id stays its own.
        found = self._indexed.get(id(spans))
        if found is None:
            found = self._indexed[id(spans)] = _Indexed(spans)
            for span in spans:
                if span.subject.pod and not span.stray:
                    place = (span.subject.namespace, span.subject.pod)
                    found.of_pod.setdefault(place, []).append(span)
                else:
                    found.others.append(span)
        return found


def _chained(groups: Iterable[Iterable[Span]]) -> Iterable[Span]:
    return (span for group in groups for span in group)

"""Which pods the questions that many rollouts share are about: those of the rollouts in flight."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import field

from sentinel.bounded import BoundedDict
from sentinel.domain.policy.rules import (
    PROMETHEUS,
    CountQuery,
    ErrorRateRule,
    HistogramQuery,
    LatencyRule,
    kind_of,
)
from sentinel.domain.workload.facts import Workload
from sentinel.engine.arms.variables import named_in
from sentinel.runtime.evidence.ledger import MeasuredRollout
from sentinel.values import dataclass

MOST = 1_000
"""With more pods in flight than this, all are asked about."""
_SHARED = frozenset({"namespace"})
"""What the query of a rule may name, and still be the same for many workloads."""

REMEMBERED = 200

_Shared = tuple[CountQuery | HistogramQuery, str]
"""A query, and the namespace where that is in it."""


@dataclass(frozen=True, slots=True)
class _Pods:
    """Names of pods, to ask for and to look up."""

    ordered: tuple[str, ...] = ()
    names: frozenset[str] = frozenset()


@dataclass(slots=True)
class PodsInFlight:
    """The pods of the rollouts in flight, by the query that they share.

    All of them ask in the same moment, and are to ask the same; and each tick begins with the answers that the last one
    ended with. So the pods stay the same until one is lacking, and those that are gone stay until they are half.
    """

    _rollouts: dict[str, MeasuredRollout] = field(default_factory=dict)
    _asked: BoundedDict[_Shared, _Pods] = field(default_factory=lambda: BoundedDict(REMEMBERED))
    _outdated: set[_Shared] = field(default_factory=set)
    _names: dict[str, frozenset[str]] = field(default_factory=dict)
    """The pods of each rollout, by its record's name."""
    _alive: dict[_Shared, tuple[str, ...]] = field(default_factory=dict)
    """Those of the asked ones that are alive, as long as no rollout's pods change."""

    def note(self, rollout: MeasuredRollout) -> None:
        """A rollout is in flight, as it is now."""
        name = rollout.record.name
        self._rollouts[name] = rollout
        names = frozenset([pod.name for pod in rollout.workload.pods])
        if self._names.get(name) != names:
            self._names[name] = names
            self._alive.clear()

    def drop(self, name: str) -> None:
        """The rollout with this record is over."""
        if self._rollouts.pop(name, None) is not None:
            self._outdated.update(self._asked)
            self._names.pop(name)
            self._alive.clear()

    def keep_only(self, live: Collection[str]) -> None:
        """All rollouts but those with these records are over."""
        for name in self._rollouts.keys() - live:
            self.drop(name)

    def of(self, rule: ErrorRateRule | LatencyRule, workload: Workload) -> tuple[str, ...]:
        """The pods to ask about with a rule of one workload, in the order of their names.

        None, which means all, where its query is its own or tells versions apart, and where they are too many.
        """
        shared = _shared(rule, workload)
        if shared is None:
            return ()
        own = {pod.name for pod in workload.pods}
        asked = self._asked.get(shared, _Pods())
        if shared in self._outdated or not own <= asked.names:
            self._outdated.discard(shared)
            wanted = frozenset(own.union(*self._pods_of(shared)))
            if not wanted <= asked.names or len(asked.names) > 2 * len(wanted):
                asked = self._asked[shared] = _Pods(tuple(sorted(wanted)), wanted)
        return asked.ordered if len(asked.ordered) <= MOST else ()

    def alive(self, rule: ErrorRateRule | LatencyRule, workload: Workload) -> tuple[str, ...]:
        """The pods of which new samples are to come: the same without those that are gone.

        Also where the query is the workload's alone, which then finds the gone ones too.
        """
        if not _by_pod(rule):
            return ()
        asked, shared = self.of(rule, workload), _shared(rule, workload)
        own = {pod.name for pod in workload.pods}
        if shared is None:
            return tuple(sorted(own)) if len(own) <= MOST else ()
        if not asked:
            return ()
        found = self._alive.get(shared)
        if found is None or not own.issubset(found):
            living = own.union(*self._pods_of(shared))
            found = self._alive[shared] = tuple([name for name in asked if name in living])
        return found

    def _pods_of(self, shared: _Shared) -> Iterator[Iterable[str]]:
        query, namespace = shared
        for name, rollout in self._rollouts.items():
            if namespace in ("", rollout.workload.key.namespace) and _asks(rollout, query):
                yield self._names[name]


def _shared(rule: ErrorRateRule | LatencyRule, workload: Workload) -> _Shared | None:
    """What a rule asks together with others; None where its query is its own, or tells versions apart."""
    query, names = rule.query, named_in(rule.query)
    if not _by_pod(rule) or not names <= _SHARED:
        return None
    return query, workload.key.namespace if names else ""


def _by_pod(rule: ErrorRateRule | LatencyRule) -> bool:
    """Whether a rule's series name pods, by which they can be asked for."""
    return kind_of(rule.query.source) == PROMETHEUS and not rule.query.arms.version_label


def _asks(rollout: MeasuredRollout, query: CountQuery | HistogramQuery) -> bool:
    rules = (rule for rule in rollout.policy.rules if isinstance(rule, ErrorRateRule | LatencyRule))
    return any(rule.query == query for rule in rules)

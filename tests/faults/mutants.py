"""Defects put into the daemon on purpose, each what a plausible mistake would be: a campaign must find every one."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any
from unittest import mock

from sentinel.adapters.kubernetes.workloads import snapshot
from sentinel.adapters.kubernetes.workloads.kinds import daemonset, statefulset
from sentinel.adapters.kubernetes.workloads.pairs import blue_green_changes, canary_changes
from sentinel.adapters.kubernetes.workloads.patches import Patch, Plan
from sentinel.domain.record.record import Record
from sentinel.domain.verdict import VerdictKind
from sentinel.engine.reconciling.effects import Save
from sentinel.engine.reconciling.working_state import WorkingState
from sentinel.engine.rollout import decision, lifecycle
from sentinel.engine.rollout.situation import Situation
from sentinel.runtime.alerts.journal import AlertJournal
from sentinel.runtime.alerts.lookups import Lookups
from sentinel.runtime.reconciling import driver
from tests.faults.campaign import run_seed
from tests.faults.chosen import CHOSEN

Mutant = Callable[[], AbstractContextManager[object]]


def _no_fence() -> AbstractContextManager[object]:
    async def unguarded(_fence: object, write: Callable[[float], Awaitable[Any]]) -> Any:
        return await write(10.0)

    return mock.patch.object(driver, "fenced", unguarded)


def _no_intent() -> AbstractContextManager[object]:
    real = driver.Driver._save

    async def only_outcomes(self: driver.Driver, effect: Save) -> Record:
        record = effect.record
        return record if record.pending is not None and record.version else await real(self, effect)

    return mock.patch.object(driver.Driver, "_save", only_outcomes)


def _answered_before_stored() -> AbstractContextManager[object]:
    return mock.patch.object(AlertJournal, "enter", mock.AsyncMock())


def _not_looked_up() -> AbstractContextManager[object]:
    return mock.patch.object(Lookups, "bring_up_to_date", mock.AsyncMock())


def _undone_on_missing_evidence() -> AbstractContextManager[object]:
    real = decision.condemn

    def hasty(situation: Situation, verdicts: Iterable[Any]) -> Any:
        worst = [
            mock.Mock(
                wraps=v, **{name: getattr(v, name) for name in v.__slots__} | {"kind": VerdictKind.FAIL}
            )
            if v.kind is VerdictKind.INCONCLUSIVE
            else v
            for v in verdicts
        ]
        return real(situation, tuple(worst))

    return mock.patch.object(decision, "condemn", hasty)


def _promoted_early() -> AbstractContextManager[object]:
    def half(self: Situation) -> Any:
        reached = self.record.state.progress.reached_at
        return reached + self.bake / 2 if reached is not None else None

    return mock.patch.object(Situation, "bake_ends", property(half))


def _undone_again() -> AbstractContextManager[object]:
    def unseen(_self: WorkingState, record: Record, _workload: object) -> Record:
        return record

    both = mock.patch.multiple(lifecycle, _put_back=mock.Mock(return_value=False))
    return _Both(both, mock.patch.object(WorkingState, "noting_target", unseen))


def _open_decisions_forgotten() -> AbstractContextManager[object]:
    return mock.patch.object(Record, "pending", property(lambda _self: None))


def _partition_left() -> AbstractContextManager[object]:
    return mock.patch.object(statefulset, "_without_partition", return_value=())


def _on_delete_left() -> AbstractContextManager[object]:
    return mock.patch.object(daemonset, "_going_on", return_value=())


def _stuck_pod_left() -> AbstractContextManager[object]:
    return mock.patch.object(snapshot, "_in_the_way", return_value=None)


def _pods_before_requests() -> AbstractContextManager[object]:
    return mock.patch.object(canary_changes._Pair, "withdrawn", property(lambda _self: True))


def _requests_before_pods() -> AbstractContextManager[object]:
    return mock.patch.object(canary_changes, "ready_of", return_value=100)


def _canary_left() -> AbstractContextManager[object]:
    return mock.patch.object(canary_changes, "release", return_value=Plan("nothing"))


def _service_for_preview() -> AbstractContextManager[object]:
    def switched(sides: blue_green_changes.BlueGreenSides, _colour: object) -> tuple[Patch, ...]:
        return (blue_green_changes.switch(sides),)

    return mock.patch.object(blue_green_changes, "previewed", switched)


def _replaced_left() -> AbstractContextManager[object]:
    return mock.patch.object(blue_green_changes, "release", return_value=Plan("nothing"))


class _Both(AbstractContextManager[object]):
    def __init__(self, one: Any, other: Any) -> None:
        self._parts = (one, other)

    def __enter__(self) -> object:
        return [part.__enter__() for part in self._parts]

    def __exit__(self, *details: Any) -> None:
        for part in self._parts:
            part.__exit__(*details)


MUTANTS: dict[str, Mutant] = {
    "acts before the intent is written down": _no_intent,
    "answers an alert before it is stored": _answered_before_stored,
    "undoes where evidence is missing": _undone_on_missing_evidence,
    "promotes after half the bake": _promoted_early,
    "does not complete what was interrupted": _open_decisions_forgotten,
    "writes without looking at the lease": _no_fence,
    "believes a deaf watch when an alert comes": _not_looked_up,
    "makes an undo again whose answer was lost": _undone_again,
}
OF_STRATEGIES: Mapping[tuple[str, str], Mutant] = {
    ("statefulset", "undoes where evidence is missing"): _undone_on_missing_evidence,
    ("statefulset", "promotes after half the bake"): _promoted_early,
    ("statefulset", "leaves its partition behind"): _partition_left,
    ("statefulset", "leaves a broken pod in the way"): _stuck_pod_left,
    ("daemonset", "promotes after half the bake"): _promoted_early,
    ("daemonset", "leaves its update strategy behind"): _on_delete_left,
    ("canary-pair", "takes the pods before the requests"): _pods_before_requests,
    ("canary-pair", "sends requests to pods that are not ready"): _requests_before_pods,
    ("canary-pair", "leaves the canary its requests"): _canary_left,
    ("blue-green", "promotes after half the bake"): _promoted_early,
    ("blue-green", "points the Service at the candidate for its preview"): _service_for_preview,
    ("blue-green", "leaves the pods that were replaced"): _replaced_left,
}
"""Defects by the strategy whose schedules find them."""
KNOWN: Mapping[tuple[str, str], Mutant] = {
    **{("deployment", name): mutant for name, mutant in MUTANTS.items()},
    **OF_STRATEGIES,
}
"""All of them, by strategy."""
RARE = frozenset(list(MUTANTS)[-3:])
"""Defects that show in one schedule of hundreds."""
SOONEST: Mapping[tuple[str, str], int] = {
    ("deployment", "acts before the intent is written down"): 34,
    ("deployment", "answers an alert before it is stored"): 34,
    ("deployment", "undoes where evidence is missing"): 16,
    ("deployment", "promotes after half the bake"): 133,
    ("deployment", "does not complete what was interrupted"): 755,
    ("statefulset", "undoes where evidence is missing"): 7,
    ("statefulset", "promotes after half the bake"): 231,
    ("statefulset", "leaves its partition behind"): 333,
    ("statefulset", "leaves a broken pod in the way"): 231,
    ("daemonset", "promotes after half the bake"): 13,
    ("daemonset", "leaves its update strategy behind"): 7,
    ("canary-pair", "takes the pods before the requests"): 119,
    ("canary-pair", "sends requests to pods that are not ready"): 24,
    ("canary-pair", "leaves the canary its requests"): 119,
    ("blue-green", "promotes after half the bake"): 1,
    ("blue-green", "points the Service at the candidate for its preview"): 1,
    ("blue-green", "leaves the pods that were replaced"): 1,
}
"""Each of the others with the schedule of those that CI plays that finds it."""


def found_within(mutant: Mutant, seeds: Iterable[int], strategy: str = "deployment") -> tuple[int, list[str]]:
    """After how many schedules the defect is found, and what it did; nothing where it is not."""
    played = 0
    with mutant():
        for played, seed in enumerate(seeds, 1):
            report = run_seed(seed, strategy)
            if report.violations:
                return played, report.violations
    return played, []


def main() -> int:
    """Say of each defect how many schedules it took to find it: those that CI plays, or many."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--soonest", metavar="STRATEGY", help="only those of a strategy, as CI does")
    parser.add_argument("--first", type=int, default=20_000, help="the first seed of many")
    parser.add_argument("--most", type=int, default=1000, help="how many schedules are played at most")
    wanted = parser.parse_args()
    many = range(wanted.first, wanted.first + wanted.most)
    if wanted.soonest is None:
        tried = {each: tuple(many) for each in KNOWN}
    else:
        tried = {
            each: (seed, *CHOSEN[each[0]]) for each, seed in SOONEST.items() if each[0] == wanted.soonest
        }
    missed = 0
    for (strategy, name), seeds in tried.items():
        played, violations = found_within(KNOWN[strategy, name], seeds, strategy)
        _print(f"{strategy} {name}", played, violations)
        missed += not violations
    return missed


def _print(name: str, played: int, violations: list[str]) -> None:
    print(f"{name}: {violations[0] if violations else 'not found'} ({played} schedules)", flush=True)


if __name__ == "__main__":
    sys.exit(main())

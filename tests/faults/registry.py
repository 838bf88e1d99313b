"""The strategies of a campaign by their names, with the rule file and the witness of each."""

from __future__ import annotations

from collections.abc import Mapping

from tests.faults import strategies
from tests.faults.pair_witness import BlueGreenWitness, CanaryWitness
from tests.faults.pairs import BLUE_GREEN, CANARY_PAIR, Pair
from tests.faults.plan import Service, rules
from tests.faults.strategies import Strategy
from tests.faults.witness import Witness

STRATEGIES: Mapping[str, Strategy] = {
    "deployment": strategies.DEPLOYMENT,
    "statefulset": strategies.STATEFULSET,
    "daemonset": strategies.DAEMONSET,
    "canary-pair": CANARY_PAIR,
    "blue-green": BLUE_GREEN,
}
_WITNESSES = {CANARY_PAIR.kind: CanaryWitness, BLUE_GREEN.kind: BlueGreenWitness}


def rules_of(strategy: Strategy, services: tuple[Service, ...]) -> str:
    """The rule file of a schedule; a policy of a pair names its objects."""
    return strategy.rules(services) if isinstance(strategy, Pair) else rules(strategy.kind)


def witness_of(strategy: Strategy) -> type[Witness]:
    """Who watches its schedules."""
    return _WITNESSES.get(strategy.kind, Witness)

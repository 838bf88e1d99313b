"""In which order the processes of a parallel run take the tests: those that may take longest first, spread over all.

pytest-xdist gives each of its processes an equal part of the list, and a process that has nothing left takes from the
end of another's part. So long tests that follow one another would all be run by one process, one after the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pytest

WIDE = ("module", "package", "class")
"""Scopes of what tests share: what is shared is made once for each process, so its tests stay together."""


def limit_of(item: pytest.Item) -> float:
    """The seconds that a test says it may take; 0 where it says nothing."""
    limits = [mark.kwargs.get("timeout", *mark.args[:1]) for mark in item.iter_markers("timeout")]
    return max(map(float, limits), default=0.0)


def unit_of(item: pytest.Item) -> str:
    """What a test must be run together with: its module where the module shares something."""
    fixtures: dict[str, Sequence[Any]] = getattr(item, "_fixtureinfo").name2fixturedefs  # noqa: B009 (it is private)
    ours = (found.scope in WIDE for name, defined in fixtures.items() if name[0] != "_" for found in defined)
    return item.nodeid.partition("::")[0] if any(ours) else item.nodeid


def dealt(items: Iterable[pytest.Item], processes: int) -> list[pytest.Item]:
    """The tests in the order in which so many processes, an equal part each, have all long ones at their beginnings."""
    units: dict[str, list[pytest.Item]] = {}
    short = []
    for item in items:
        if limit_of(item) > 0:
            units.setdefault(unit_of(item), []).append(item)
        else:
            short.append(item)
    hands: list[list[pytest.Item]] = [[] for _ in range(processes)]
    burden = [0.0] * processes
    for unit in sorted(units.values(), key=_longest, reverse=True):
        least = burden.index(min(burden))
        hands[least] += unit
        burden[least] += _longest(unit)
    return _filled_up(hands, short)


def _longest(unit: Sequence[pytest.Item]) -> float:
    """Tests that share something share its time: they take as long as the longest."""
    return max(map(limit_of, unit))


def _filled_up(hands: Sequence[list[pytest.Item]], short: list[pytest.Item]) -> list[pytest.Item]:
    """Each hand in its turn with as many of the short tests as make the parts equal, as pytest-xdist cuts them."""
    order, left = [], len(short) + sum(map(len, hands))
    for turn, hand in enumerate(hands):
        share = left // (len(hands) - turn)
        taken = max(0, share - len(hand))
        order += [*hand, *short[:taken]]
        short = short[taken:]
        left -= max(share, len(hand))
    return order

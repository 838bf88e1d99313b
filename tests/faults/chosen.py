"""The few schedules that CI plays: chosen so that together they have all that schedules can have.

What a schedule has: each thing that happens to a workload of its strategy (`kill_at_write` and a DaemonSet), each
variant of it (a write to a record, not served), and each thing that happens soon after a release of some kind (a
partition after one that crashes). `python -m tests.faults.chosen` chooses anew, and prints what each is there for.
A Deployment's seed 16 and the seed 7 of a StatefulSet and, with 14, of a DaemonSet are there for a defect
(`mutants.py`) that no other finds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache

from tests.faults.plan import Deed, draw
from tests.faults.registry import STRATEGIES

SOON = 40.0
"""Seconds after a release in which it is surely in flight: its bake, twice."""
POOL = range(1000)
"""The seeds that are chosen from."""
VARIANTS = ("kind", "status", "path", "served", "silently", "hangs", "held", "paused", "key", "delay")

CHOSEN: Mapping[str, tuple[int, ...]] = {
    "deployment": (16, 34, 119, 129, 133, 148, 154, 310, 664, 748, 750, 755, 802),
    "statefulset": (7, 231, 236, 245, 333, 386, 550, 583, 624, 706, 819, 859),
    "daemonset": (7, 13, 14, 24, 38, 502, 506, 682, 706, 749, 798),
    "canary-pair": (24, 119, 127, 168, 317, 347, 425, 530, 618, 844, 971),
    "blue-green": (1, 5, 13, 34, 127, 148, 345, 736, 755, 983),
}


@cache
def _had(seed: int) -> tuple[frozenset[str], frozenset[str]]:
    """What happens in the schedule of a seed; and, whatever its strategy, in which variants and after what."""
    deeds = draw(seed).deeds
    releases = [deed for deed in deeds if deed.what == "release"]
    kinds = {_kind(release) for release in releases}
    other = set()
    for deed in deeds:
        for release in releases:
            if deed is not release and release.at <= deed.at <= release.at + SOON:
                kinds.add(_kind(deed))
                other |= {_variant(deed), f"{_kind(deed)} after {_kind(release)}"}
    return frozenset(kinds), frozenset(other)


def had(strategy: str, seeds: Iterable[int]) -> set[str]:
    """What schedules of a strategy have."""
    found: set[str] = set()
    for seed in seeds:
        kinds, other = _had(seed)
        found |= {f"{strategy}: {kind}" for kind in kinds} | other
    return found


def _kind(deed: Deed) -> str:
    if deed.what == "release":
        return f"release {deed.how['image'].rpartition('-')[2]}"
    where = "watch " if deed.how.get("verbs") == ("watch",) else ""
    return f"{where}{deed.how['kind']}" if deed.what == "fault" else deed.what


def _variant(deed: Deed) -> str:
    return " ".join([_kind(deed), *(f"{name}={deed.how[name]}" for name in VARIANTS if name in deed.how)])


def chosen() -> Iterator[tuple[str, int, set[str]]]:
    """Schedules that together have all, each with what none before it has: always the one that adds most."""
    left = {(strategy, seed): had(strategy, [seed]) for strategy in STRATEGIES for seed in POOL}
    while True:
        strategy, seed = max(left, key=lambda each: len(left[each]))
        added = left[strategy, seed]
        if not added:
            return
        yield strategy, seed, added
        left = {each: more - added for each, more in left.items()}


def main() -> None:
    """Choose, and print what for."""
    seeds: dict[str, list[int]] = {strategy: [] for strategy in STRATEGIES}
    for strategy, seed, added in chosen():
        seeds[strategy].append(seed)
        print(f"{strategy} {seed}: {', '.join(sorted(added))}")
    for strategy, mine in seeds.items():
        print(f'    "{strategy}": ({", ".join(map(str, sorted(mine)))}),')


if __name__ == "__main__":
    main()

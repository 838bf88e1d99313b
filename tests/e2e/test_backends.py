"""Six stories on every backend whose program is here, with its default flags: the same ends, in about the same time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from sentinel.domain.record.entries import Action
from sentinel.domain.record.record import Record
from tests.e2e.backends import USUAL, Ended, Times, table, told
from tests.e2e.shops import FRONTS, STORIES_LIMIT, Scraping
from tests.support.processes import binary
from tests.support.world import actions, decision

pytestmark = [
    pytest.mark.real,
    pytest.mark.real_time,
    pytest.mark.timeout(STORIES_LIMIT),
    pytest.mark.asyncio(loop_scope="module"),
]

BACKENDS = os.environ.get("SENTINEL_TEST_BACKENDS", " ".join(USUAL)).split()
SCRAPES = [float(each) for each in os.environ.get("SENTINEL_TEST_SCRAPES", "1").split()]
"""Seconds between two scrapes: the stories are told at each."""
BAKE = float(os.environ.get("SENTINEL_TEST_BAKE", "4"))
"""Seconds that each step bakes, and two scrapes at least."""
TIMES = int(os.environ.get("SENTINEL_TEST_TIMES", "1"))
"""How often each story that samples decide is told on a backend."""


@dataclass(frozen=True, slots=True)
class Told:
    """How the stories ended on a backend."""

    ended: Ended

    def __getitem__(self, story: str) -> list[Record]:
        records = []
        for end in self.ended[story]:
            if isinstance(end, BaseException):
                pytest.fail(f"the story {story} did not end: {end!r}")
            records.append(end)
        return records


@pytest.fixture(scope="module")
def times() -> Iterator[Times]:
    """How long the stories took on each backend; printed when all are told."""
    rows: Times = {}
    yield rows
    print("\n" + table(rows))


@pytest_asyncio.fixture(
    scope="module",
    loop_scope="module",
    params=[Scraping(backend, every, bake=max(BAKE, 2 * every)) for every in SCRAPES for backend in BACKENDS],
    ids=lambda scraping: f"{scraping.backend}-{scraping.interval:g}s",
)
async def records(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    times: Times,
) -> Told:
    """The stories, told on a backend."""
    scraping: Scraping = request.param
    front = FRONTS.get(scraping.backend)
    for program in (scraping.backend, *([front.behind] if front else [])):
        binary(program)
    folder: Path = tmp_path_factory.mktemp("backend")
    ended, times[scraping.backend, scraping.interval] = await told(folder, scraping, TIMES)
    return Told(ended)


async def test_a_good_release_is_promoted(records: Told) -> None:
    """Its requests and latencies are seen as they are. (A loaded machine may be late with evidence, which holds.)"""
    for record in records["good"]:
        steps = [action for action in actions(record) if action not in ("hold", "resume")]
        assert steps == ["advance", "advance", "promote"]


@pytest.mark.parametrize(
    ("story", "rule"), [("errors", "error-rate"), ("slow", "latency"), ("crashing", "crash-loop")]
)
async def test_a_bad_release_is_undone(records: Told, story: str, rule: str) -> None:
    """By the rule that it breaks, at its first step."""
    undone = [decision(record, Action.UNDO) for record in records[story]]
    assert {(undo.rule, undo.step) for undo in undone} == {(rule, 0)}


async def test_a_release_without_traffic_is_not_promoted(records: Told) -> None:
    """Nothing is decided of what nobody asked for."""
    (record,) = records["idle"]
    assert Action.PROMOTE.value not in actions(record)


async def test_an_outage_of_the_backend_is_waited_for(records: Told) -> None:
    """Without evidence nothing moves; with it the release goes to its end. (A loaded machine may hold it once more.)"""
    (record,) = records["outage"]
    held = {entry.reason for entry in record.decisions if entry.action is Action.HOLD}
    assert held == {"EvidenceMissing"}
    assert actions(record)[-1] == "promote"

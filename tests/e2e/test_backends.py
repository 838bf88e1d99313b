"""Six stories on every backend whose program is here, with its default flags: the same ends, in about the same time."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
import pytest_asyncio

from sentinel.domain.record.entries import Action
from sentinel.domain.record.record import Record
from tests.e2e.backends import USUAL, told
from tests.e2e.shops import STORIES_LIMIT, Scraping
from tests.support.processes import binary
from tests.support.world import actions, decision

pytestmark = [
    pytest.mark.real,
    pytest.mark.real_time,
    pytest.mark.timeout(STORIES_LIMIT),
    pytest.mark.asyncio(loop_scope="module"),
]

BACKENDS = os.environ.get("SENTINEL_TEST_BACKENDS", " ".join(USUAL)).split()


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=BACKENDS)
async def records(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Record]:
    """How each story ended on a backend."""
    folder: Path = tmp_path_factory.mktemp("backend")
    binary(request.param)
    ended, took = await told(folder, Scraping(request.param))
    print(request.param, *(f"{story} {seconds:.1f} s" for story, seconds in took.items()))
    return ended


async def test_a_good_release_is_promoted(records: Mapping[str, Record]) -> None:
    """Its requests and latencies are seen as they are. (A loaded machine may be late with evidence, which holds.)"""
    steps = [action for action in actions(records["good"]) if action not in ("hold", "resume")]
    assert steps == ["advance", "advance", "promote"]


@pytest.mark.parametrize(
    ("story", "rule"), [("errors", "error-rate"), ("slow", "latency"), ("crashing", "crash-loop")]
)
async def test_a_bad_release_is_undone(records: Mapping[str, Record], story: str, rule: str) -> None:
    """By the rule that it breaks, at its first step."""
    undo = decision(records[story], Action.UNDO)
    assert (undo.rule, undo.step) == (rule, 0)


async def test_a_release_without_traffic_is_not_promoted(records: Mapping[str, Record]) -> None:
    """Nothing is decided of what nobody asked for."""
    assert Action.PROMOTE.value not in actions(records["idle"])


async def test_an_outage_of_the_backend_is_waited_for(records: Mapping[str, Record]) -> None:
    """Without evidence nothing moves; with it the release goes to its end."""
    assert decision(records["outage"], Action.HOLD).reason == "EvidenceMissing"
    assert actions(records["outage"])[-1] == "promote"

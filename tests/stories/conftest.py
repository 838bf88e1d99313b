"""The services that the stories are about."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sentinel.domain.record.state import Phase
from tests.support.world import CANARY_POLICY, NAMESPACE, PLAIN_POLICY, ROLLING, World, world


async def at_rest(here: World) -> None:
    """Ten pods of `web:1` under traffic, watched long enough to be compared with."""
    here.cluster.deploy("web", "web:1", 10, namespace=NAMESPACE, **ROLLING)
    here.cluster.offer("web", 100, namespace=NAMESPACE)
    await here.settle()
    await here.start()
    await here.phase(Phase.UNJUDGED)


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[World]:
    """A service that is released in canary steps."""
    async with world(tmp_path) as here:
        await at_rest(here)
        yield here


@pytest.fixture
async def plain(tmp_path: Path) -> AsyncIterator[World]:
    """A service that is released by its own rolling update."""
    async with world(tmp_path, PLAIN_POLICY) as here:
        await at_rest(here)
        yield here


@pytest.fixture
async def brief(tmp_path: Path) -> AsyncIterator[World]:
    """`shop` with a deadline and a guard window that are soon over."""
    policy = CANARY_POLICY.replace("deadline: 30m", "deadline: 10m").replace("guard: 30m", "guard: 5m")
    async with world(tmp_path, policy) as here:
        await at_rest(here)
        yield here


@pytest.fixture
async def hasty(tmp_path: Path) -> AsyncIterator[World]:
    """`plain` with a deadline and a guard window that are soon over."""
    policy = PLAIN_POLICY.replace("deadline: 30m", "deadline: 5m").replace("guard: 30m", "guard: 5m")
    async with world(tmp_path, policy) as here:
        await at_rest(here)
        yield here

"""The fence in front of the leader's writes."""

from __future__ import annotations

import asyncio

import pytest

from sentinel.domain.errors import ClusterUnavailableError, NotLeadingError
from sentinel.runtime.fence import LONGEST_WRITE, fenced, unfenced


async def test_nothing_is_sent_by_one_that_may_not_lead_any_more() -> None:
    """The write is not even begun, and the error says that a retry, elsewhere, may help."""
    sent: list[float] = []

    async def write(limit: float) -> None:
        sent.append(limit)

    with pytest.raises(NotLeadingError) as refused:
        await fenced(lambda _: 0.0, "shop", write)
    assert not sent
    assert refused.value.retryable


async def test_a_write_may_take_no_longer_than_the_lease() -> None:
    """It is given up with the last second that is left."""

    async def hang(_limit: float) -> None:
        await asyncio.Event().wait()

    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(ClusterUnavailableError, match="within 3 s"):
        await fenced(lambda _: 3.0, "shop", hang)
    assert loop.time() - began == pytest.approx(3.0)


@pytest.mark.parametrize(("left", "limit"), [(2.5, 2.5), (60.0, LONGEST_WRITE)])
async def test_the_write_is_told_its_limit(left: float, limit: float) -> None:
    """The lease's rest, and never more than a write may take anyway."""

    async def write(given: float) -> float:
        return given

    assert await fenced(lambda _: left, "shop", write) == limit
    assert await fenced(unfenced, "shop", write) == LONGEST_WRITE

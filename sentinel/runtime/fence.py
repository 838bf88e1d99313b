"""The fence in front of every write of the leader: none is begun, and none lasts, beyond the lease."""

import asyncio
from collections.abc import Awaitable, Callable
from math import inf
from typing import TypeVar

from sentinel.domain.errors import ClusterUnavailableError, NotLeadingError

T = TypeVar("T")

Fence = Callable[[str], float]
"""Seconds for which this replica surely still leads in a namespace; 0: it must not act there."""

LONGEST_WRITE = 10.0


def unfenced(_namespace: str) -> float:
    """The fence of a process that shares its work with no other."""
    return inf


async def fenced(fence: Fence, namespace: str, write: Callable[[float], Awaitable[T]]) -> T:
    """Do the write in the namespace, given how many seconds it may take, if this replica surely leads for so long.

    Raises NotLeadingError when it may no longer lead: then nothing was sent. ClusterUnavailableError when the write
    did not end in time: its outcome is unknown.
    """
    left = fence(namespace)
    if left <= 0:
        raise NotLeadingError("this replica does not lead; only the leader acts", reason="NotLeading")
    limit = min(left, LONGEST_WRITE)
    try:
        async with asyncio.timeout(limit):
            return await write(limit)
    except TimeoutError as error:
        raise ClusterUnavailableError(
            f"the API server did not answer within {limit:.3g} s", reason="Timeout"
        ) from error

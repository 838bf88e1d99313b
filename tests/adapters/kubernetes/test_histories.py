"""The store of RolloutHistories against the simulated cluster."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sentinel.adapters.kubernetes.api.client import ApiClient, RequestTarget
from sentinel.adapters.kubernetes.api.resources import HISTORIES
from sentinel.adapters.kubernetes.custom.histories import KubernetesHistoryStore
from sentinel.domain.errors import ConflictError
from sentinel.reports.durations import Durations
from sentinel.reports.history import DayOfChanges, RolloutHistory
from tests.adapters.kubernetes.worlds import WEB

DAY = DayOfChanges(3, 2, 1, Durations.of([60, 3600]), 1, Durations.of([20]))
HISTORY = RolloutHistory(WEB, {"2026-03-01": DAY}, frozenset({"uid-7"}))


async def test_a_history_comes_back_as_it_was_written(client: ApiClient) -> None:
    """Also when it is written again, by its version."""
    store = KubernetesHistoryStore(client)
    assert await store.read(WEB) == RolloutHistory(WEB)
    await store.write(HISTORY)
    first = await store.read(WEB)
    assert replace(first, version="") == HISTORY
    await store.write(replace(first, days={**first.days, "2026-03-02": DAY}))
    assert set((await store.read(WEB)).days) == {"2026-03-01", "2026-03-02"}


async def test_two_writers_do_not_overwrite_each_other(client: ApiClient) -> None:
    """The one that read an older version, or that there was none, is refused."""
    store = KubernetesHistoryStore(client)
    await store.write(HISTORY)
    with pytest.raises(ConflictError):
        await store.write(HISTORY)
    first = await store.read(WEB)
    await store.write(replace(first, days={}))
    with pytest.raises(ConflictError):
        await store.write(first)


async def test_a_history_that_was_broken_by_hand_begins_again(client: ApiClient) -> None:
    """It keeps no rollout from going on."""
    store = KubernetesHistoryStore(client)
    await store.write(HISTORY)
    place = RequestTarget(HISTORIES, "default", "deployment.web")
    await client.merge_patch(place, {"spec": {"workload": {"kind": "Nothing"}}})
    found = await store.read(WEB)
    assert (found.days, bool(found.version)) == ({}, True)
    await store.write(replace(found, days=HISTORY.days))
    assert (await store.read(WEB)).days == HISTORY.days


async def test_a_long_name_has_a_history_too(client: ApiClient) -> None:
    """Kind and name together may be longer than a name may be."""
    store, key = KubernetesHistoryStore(client), WEB._replace(name="w" * 250)
    await store.write(RolloutHistory(key))
    assert (await store.read(key)).key == key

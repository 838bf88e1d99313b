"""The work queue around a controller's sync."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable

import pytest

from clustersim.controllers.common.base import Controller, ControlPlane, Key, key_of
from clustersim.controllers.common.ownership import OwnerIndex
from clustersim.controllers.common.recorder import ControllerEventRecorder
from clustersim.storage.api_errors import conflict
from clustersim.storage.history import Event
from clustersim.storage.resources import CONFIGMAPS
from clustersim.storage.store import Store
from clustersim.virtual_time import wall_clock


class Noting(Controller):
    """Notes when it synced which ConfigMap; refuses the first `refusals` times."""

    refusals = 0

    def initial_keys(self) -> Iterable[Key]:
        return [key_of(obj) for obj in self.store.list(CONFIGMAPS)]

    def keys_of(self, event: Event) -> Iterable[Key]:
        if event.resource is CONFIGMAPS:
            yield key_of(event.object)

    def sync(self, key: Key) -> None:
        self.__dict__.setdefault("synced", []).append((asyncio.get_running_loop().time(), key[1]))
        if self.refusals:
            self.refusals -= 1
            raise conflict(CONFIGMAPS, key[1])


@pytest.fixture
async def controller() -> Noting:
    store = Store(wall_clock())
    plane = ControlPlane(
        store, OwnerIndex(store), ControllerEventRecorder(store), random.Random(1), (0.01, 0.01)
    )
    return Noting(plane)


def synced(controller: Noting) -> list[tuple[float, str]]:
    return [(round(at, 6), name) for at, name in controller.__dict__.get("synced", [])]


def create(controller: Noting, name: str) -> None:
    controller.store.create(CONFIGMAPS, {"metadata": {"name": name, "namespace": "default"}})


async def test_a_change_is_synced_after_the_latency(controller: Noting) -> None:
    """Ten milliseconds here."""
    controller.start()
    create(controller, "a")
    await asyncio.sleep(1)
    assert synced(controller) == [(0.01, "a")]


async def test_what_exists_at_the_start_is_synced(controller: Noting) -> None:
    """A controller that starts late misses nothing."""
    create(controller, "a")
    controller.start()
    await asyncio.sleep(1)
    assert [name for _, name in synced(controller)] == ["a"]


async def test_changes_before_the_sync_are_one_sync(controller: Noting) -> None:
    """Events are hints."""
    controller.start()
    create(controller, "a")
    for text in "xyz":
        controller.store.mutate(CONFIGMAPS, "default", "a", lambda obj, t=text: obj.update(data={"k": t}))
    await asyncio.sleep(1)
    assert len(synced(controller)) == 1


async def test_the_earlier_of_two_times_counts(controller: Noting) -> None:
    """A later look does not put off an earlier one, an earlier one replaces a later."""
    controller.enqueue(("default", "a"), 5)
    controller.enqueue(("default", "a"), 60)
    controller.enqueue(("default", "b"), 60)
    controller.enqueue(("default", "b"), 2)
    await asyncio.sleep(100)
    assert synced(controller) == [(2.01, "b"), (5.01, "a")]


async def test_a_refused_sync_is_tried_again_with_doubling_delays(controller: Noting) -> None:
    """5, 10 and 20 ms after the refusals, plus the latency; then no more."""
    controller.refusals = 3
    controller.enqueue(("default", "a"))
    await asyncio.sleep(60)
    assert [at for at, _ in synced(controller)] == [0.01, 0.025, 0.045, 0.075]
    assert controller.failures == []


async def test_a_stopped_controller_syncs_no_more(controller: Noting) -> None:
    """What is queued is dropped, what changes is not heard."""
    controller.start()
    create(controller, "a")
    controller.stop()
    create(controller, "b")
    await asyncio.sleep(60)
    assert synced(controller) == []

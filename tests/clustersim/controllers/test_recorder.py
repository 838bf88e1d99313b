"""Kubernetes Events: counted, bounded, expired."""

from __future__ import annotations

import asyncio

from clustersim.controllers.common.recorder import ControllerEventRecorder
from clustersim.storage.resources import CONFIGMAPS, EVENTS, NAMESPACES
from clustersim.storage.store import Store
from clustersim.virtual_time import wall_clock


def record(store: Store, recorder: ControllerEventRecorder, message: str = "it broke") -> None:
    subject = store.find(CONFIGMAPS, "default", "a") or store.create(
        CONFIGMAPS, {"metadata": {"name": "a", "namespace": "default"}}
    )
    recorder.record(
        CONFIGMAPS, subject, "Broken", message, component="tester", type_="Warning", host="node-1"
    )


async def test_an_event_names_its_subject_and_source() -> None:
    """As kubectl describe shows it."""
    store = Store(wall_clock())
    record(store, ControllerEventRecorder(store))
    (event,) = store.list(EVENTS)
    assert (event["involvedObject"]["kind"], event["involvedObject"]["name"]) == ("ConfigMap", "a")
    assert (event["type"], event["reason"], event["message"]) == ("Warning", "Broken", "it broke")
    assert event["source"] == {"component": "tester", "host": "node-1"}


async def test_a_repeat_is_counted() -> None:
    """One Event with a count and two times."""
    store = Store(wall_clock())
    recorder = ControllerEventRecorder(store)
    record(store, recorder)
    await asyncio.sleep(60)
    record(store, recorder)
    (event,) = store.list(EVENTS)
    assert event["count"] == 2
    assert event["firstTimestamp"] < event["lastTimestamp"]


async def test_events_older_than_an_hour_go() -> None:
    """A day of events leaves an hour of them."""
    store = Store(wall_clock())
    recorder = ControllerEventRecorder(store)
    for minute in range(24 * 60):
        record(store, recorder, f"minute {minute}")
        await asyncio.sleep(60)
    assert len(store.list(EVENTS)) <= 61


async def test_a_disabled_recorder_writes_nothing() -> None:
    """For clusters in which thousands of pods would drown the log."""
    store = Store(wall_clock())
    record(store, ControllerEventRecorder(store, enabled=False))
    assert store.list(EVENTS) == []


async def test_an_event_for_a_namespace_that_goes_is_lost_quietly() -> None:
    """Nobody is failed for it."""
    store = Store(wall_clock())
    recorder = ControllerEventRecorder(store)
    subject = store.create(CONFIGMAPS, {"metadata": {"name": "a", "namespace": "default"}})
    store.delete(NAMESPACES, None, "default")
    recorder.record(CONFIGMAPS, subject, "Late", "too late", component="tester")
    assert store.list(EVENTS) == []

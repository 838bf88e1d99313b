"""What we rely on when collections are watched."""

from __future__ import annotations

from typing import Any

from tests.conformance import manifests
from tests.conformance.api import Api
from tests.conformance.manifests import config_maps

RED = {"colour": "red"}
BLUE = {"colour": "blue"}


def seen(events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Type and name of each event."""
    return [(event["type"], event["object"]["metadata"]["name"]) for event in events]


async def version_of(api: Api, namespace: str) -> str:
    """The resourceVersion of a list of the ConfigMaps."""
    return str((await api.get(config_maps(namespace))).ok()["metadata"]["resourceVersion"])


async def test_a_watch_from_a_list_misses_nothing(api: Api, namespace: str) -> None:
    """Changes after the list, made before and after the watch opens, all arrive, in order."""
    start = await version_of(api, namespace)
    await api.post(config_maps(namespace), manifests.config_map("a", RED))
    async with api.watch(config_maps(namespace), resourceVersion=start, labelSelector="colour") as watch:
        await api.patch(config_maps(namespace, "a"), {"data": {"x": "1"}})
        await api.delete(config_maps(namespace, "a"))
        events = await watch.until(lambda event: event["type"] == "DELETED")
    assert seen(events) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in events]
    assert versions == sorted(versions)
    assert versions[0] > int(start)


async def test_the_spellings_of_the_watch_parameter(api: Api, namespace: str) -> None:
    """`watch=1`, `true` and `True` all watch."""
    for number, spelling in enumerate(("1", "true", "True")):
        start = await version_of(api, namespace)
        path = config_maps(namespace)
        async with api.watch(path, resourceVersion=start, watch=spelling, labelSelector="colour") as watch:
            await api.post(path, manifests.config_map(f"c-{number}", RED))
            assert (await watch.event())["type"] == "ADDED"


async def test_a_watch_without_a_version_begins_with_what_is_there(api: Api, namespace: str) -> None:
    """Existing objects arrive as ADDED, changes after them."""
    await api.post(config_maps(namespace), manifests.config_map("a", RED))
    async with api.watch(config_maps(namespace), labelSelector="colour") as watch:
        first = await watch.event()
        await api.post(config_maps(namespace), manifests.config_map("b", RED))
        second = await watch.event()
    assert seen([first, second]) == [("ADDED", "a"), ("ADDED", "b")]


async def test_objects_enter_and_leave_a_selection(api: Api, namespace: str) -> None:
    """A label change into the selector is ADDED, out of it DELETED, whatever it is to the object."""
    await api.post(config_maps(namespace), manifests.config_map("a", BLUE))
    start = await version_of(api, namespace)
    path = config_maps(namespace)
    async with api.watch(path, resourceVersion=start, labelSelector="colour=red") as watch:
        await api.patch(config_maps(namespace, "a"), {"metadata": {"labels": RED}})
        await api.patch(config_maps(namespace, "a"), {"metadata": {"labels": BLUE}})
        events = await watch.until(lambda event: event["type"] == "DELETED")
    assert seen(events) == [("ADDED", "a"), ("DELETED", "a")]


async def test_one_object_can_be_watched(api: Api, namespace: str) -> None:
    """A field selector on the name leaves the others out."""
    start = await version_of(api, namespace)
    path = config_maps(namespace)
    async with api.watch(path, resourceVersion=start, fieldSelector="metadata.name=b") as watch:
        for name in ("a", "b"):
            await api.post(path, manifests.config_map(name))
        assert seen([await watch.event()]) == [("ADDED", "b")]


async def test_the_initial_events_end_with_a_bookmark(api: Api, namespace: str) -> None:
    """With sendInitialEvents the state comes first, then a bookmark that is marked as its end."""
    await api.post(config_maps(namespace), manifests.config_map("a", RED))
    async with api.watch(
        config_maps(namespace),
        sendInitialEvents="true",
        resourceVersionMatch="NotOlderThan",
        allowWatchBookmarks="true",
        labelSelector="colour",
    ) as watch:
        added, bookmark = await watch.event(), await watch.event()
    assert added["type"] == "ADDED"
    assert bookmark["type"] == "BOOKMARK"
    metadata = bookmark["object"]["metadata"]
    assert metadata["annotations"]["k8s.io/initial-events-end"] == "true"
    assert int(metadata["resourceVersion"]) >= int(added["object"]["metadata"]["resourceVersion"])


async def test_initial_events_need_a_version_match(api: Api, namespace: str) -> None:
    """sendInitialEvents without resourceVersionMatch is 422."""
    reply = await api.get(config_maps(namespace), watch="1", sendInitialEvents="true")
    assert reply.reason() == (422, "Invalid")


async def test_a_watch_ends_at_its_timeout(api: Api, namespace: str) -> None:
    """timeoutSeconds ends the stream regularly, after everything that happened before."""
    start = await version_of(api, namespace)
    await api.post(config_maps(namespace), manifests.config_map("a", RED))
    path = config_maps(namespace)
    async with api.watch(path, resourceVersion=start, timeoutSeconds="1", labelSelector="colour") as watch:
        assert seen(await watch.rest()) == [("ADDED", "a")]


async def test_a_watch_from_a_compacted_version_is_told_so(api: Api, namespace: str) -> None:
    """The stream opens, says ERROR with 410 Expired, and ends."""
    async with api.watch(config_maps(namespace), resourceVersion="1") as watch:
        (event,) = await watch.rest()
    assert event["type"] == "ERROR"
    assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")


async def test_a_bookmark_can_be_resumed_from(api: Api, namespace: str) -> None:
    """A watch from a bookmark's version sees only what came after it."""
    await api.post(config_maps(namespace), manifests.config_map("a", RED))
    asked = {"resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
    async with api.watch(config_maps(namespace), sendInitialEvents="true", **asked) as watch:
        events = await watch.until(lambda event: event["type"] == "BOOKMARK")
    version = events[-1]["object"]["metadata"]["resourceVersion"]
    async with api.watch(config_maps(namespace), resourceVersion=version, labelSelector="colour") as watch:
        await api.post(config_maps(namespace), manifests.config_map("b", RED))
        assert seen([await watch.event()]) == [("ADDED", "b")]

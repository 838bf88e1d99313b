"""What belongs to a rollout in flight is taken in at once, however many other events come with it."""

import asyncio
from collections.abc import Iterable

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.adapters.kubernetes.api.raw import ObjectKey
from sentinel.adapters.kubernetes.watch import intake
from sentinel.adapters.kubernetes.watch.decoding import controller_at_a_glance
from sentinel.adapters.kubernetes.watch.intake import AT_ONCE, Intake, Overtaken

URGENT = "rs-in-flight"


class Taken:
    """What a watch has taken in: the names in their turn, the newest version of each, the version it stands at."""

    def __init__(self, *, sorts: bool = True, later: int = 0) -> None:
        self.order: list[str] = []
        self.versions: dict[str, int] = {}
        self.stands_at = ""
        self.intake = Intake(self._take, (lambda owner: owner == URGENT) if sorts else None, later)

    def _take(self, line: bytes, overtaken: Overtaken, newest: bool) -> ObjectKey:
        named = orjson.loads(line)["object"]["metadata"]
        key = named["namespace"], named["name"]
        if not overtaken(key):
            self.order.append(named["name"])
            self.versions[named["name"]] = int(named["resourceVersion"])
        if newest:
            self.stands_at = named["resourceVersion"]
        return key


class Pieces:
    """A body that has these pieces at once and then, after a pause, ends."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = list(pieces)

    def read_nowait(self) -> bytes:
        """What has come."""
        return self._pieces.pop(0) if self._pieces else b""

    async def readany(self) -> bytes:
        """What comes next."""
        return self.read_nowait()


def event(name: str, version: int, owner: str = "rs") -> bytes:
    """A line of a watch."""
    owners = [{"uid": "other", "controller": False}, {"uid": owner, "controller": True}]
    named = {"name": name, "namespace": "shop", "resourceVersion": str(version), "ownerReferences": owners}
    return orjson.dumps({"type": "MODIFIED", "object": {"metadata": named, "spec": {"nodeName": "n"}}})


def burst(count: int = 100) -> list[bytes]:
    """Events of as many pods, none of a rollout in flight."""
    return [event(f"pod-{number}", number + 1) for number in range(count)]


async def test_a_pod_of_a_rollout_goes_ahead_of_a_burst() -> None:
    """It comes last, and is taken in first."""
    taken = Taken()
    await taken.intake.take([*burst(), event("crashed", 101, URGENT)], in_order=False)
    assert taken.order == ["crashed"]
    assert taken.stands_at == "101"


async def test_what_comes_with_an_event_is_done_before_it() -> None:
    """An answer to a write that came together with its event is taken first, where the watch lets it."""
    taken = Taken(later=2)

    async def answered() -> None:
        await asyncio.sleep(0)
        taken.order.append("the answer")

    answer = asyncio.create_task(answered())
    await taken.intake.take([event("written", 1)], in_order=False)
    await answer
    assert taken.order == ["the answer", "written"]


async def test_what_waits_is_taken_when_nothing_more_comes() -> None:
    """In the order of its coming; the watch still stands at the newest version."""
    taken = Taken()
    await taken.intake.take([*burst(), event("crashed", 101, URGENT)], in_order=False)
    assert await taken.intake.more(Pieces([])) == b""
    assert taken.order == ["crashed", *(f"pod-{number}" for number in range(100))]
    assert taken.stands_at == "101"


async def test_what_comes_meanwhile_is_read_before_what_waits_is_taken() -> None:
    """The stream is read to its end for now before anything that can wait is taken in."""
    taken = Taken()
    await taken.intake.take(burst(), in_order=False)
    assert await taken.intake.more(Pieces([b"more"])) == b"more"
    assert taken.order == []


async def test_an_older_event_of_what_goes_ahead_is_dropped() -> None:
    """A pod whose rollout began while its event waited does not go back to what it was."""
    taken = Taken()
    await taken.intake.take([*burst(), event("pod-7", 300, URGENT)], in_order=False)
    await taken.intake.take_all()
    assert taken.order.count("pod-7") == 1
    assert taken.versions["pod-7"] == 300


async def test_a_few_events_are_taken_in_their_order() -> None:
    """Without a burst nothing is looked at twice."""
    taken = Taken()
    await taken.intake.take([*burst(AT_ONCE - 1), event("crashed", 50, URGENT)], in_order=False)
    assert taken.order[-1] == "crashed"
    assert len(taken.order) == AT_ONCE


async def test_the_state_that_a_stream_begins_with_is_taken_in_order() -> None:
    """Its end says what is gone: nothing of it may wait."""
    taken = Taken()
    await taken.intake.take([*burst(), event("crashed", 101, URGENT)], in_order=True)
    assert len(taken.order) == 101
    assert taken.order[-1] == "crashed"


async def test_a_resource_of_which_nothing_is_urgent_is_taken_in_order() -> None:
    """Its events come as they ever did."""
    taken = Taken(sorts=False)
    await taken.intake.take(burst(), in_order=False)
    assert taken.order == [f"pod-{number}" for number in range(100)]


async def test_no_more_than_so_many_bytes_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond, the oldest are taken in before more is read."""
    taken, lines = Taken(), burst()
    monkeypatch.setattr(intake, "MOST_WAITING", 10 * len(lines[0]))
    await taken.intake.take(lines, in_order=False)
    assert taken.order[0] == "pod-0"
    assert 80 <= len(taken.order) < 100


def test_a_glance_finds_the_controller() -> None:
    """Not just any owner, and not what a string says."""
    line = event("web", 7, "rs-1").replace(b'"name":"web"', b'"name":"\\"ownerReferences\\":[{}]"')
    assert controller_at_a_glance(line) == "rs-1"
    assert controller_at_a_glance(line.replace(b"true", b"false")) == ""
    assert controller_at_a_glance(line.replace(b"ownerReferences", b"other")) == ""
    assert controller_at_a_glance(line.replace(b"[{", b"[[")) == ""


def test_nothing_is_told_of_what_is_not_a_change() -> None:
    """Bookmarks, errors and lines that are no events keep their place."""
    bookmark = b'{"type":"BOOKMARK","object":{"metadata":{"name":"x","resourceVersion":"9"}}}'
    error = b'{"type":"ERROR","object":{"code":410}}'
    assert [controller_at_a_glance(line) for line in (bookmark, error, b"garbage", b"[]")] == [None] * 4


@given(st.lists(st.tuples(st.integers(0, 12), st.booleans()), max_size=80), st.integers(1, 30))
def test_in_whatever_order_all_ends_at_the_newest_version(events: list[tuple[int, bool]], size: int) -> None:
    """Every object ends as its last event has it, and the watch stands at the last event's version."""
    lines = [
        event(f"pod-{number}", version, URGENT if urgent else "rs")
        for version, (number, urgent) in enumerate(events, start=1)
    ]
    newest = {f"pod-{number}": version for version, (number, _) in enumerate(events, start=1)}

    async def play() -> Taken:
        taken = Taken()
        for start in range(0, len(lines), size):
            await taken.intake.take(lines[start : start + size], in_order=False)
        await taken.intake.take_all()
        return taken

    taken = asyncio.run(play())
    assert taken.versions == newest
    assert taken.stands_at == (str(len(lines)) if lines else "")

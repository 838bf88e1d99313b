"""What a second watch of the same objects shows early is news once, and never takes anything back."""

from collections import defaultdict
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from sentinel.adapters.kubernetes.api.raw import ObjectKey
from sentinel.adapters.kubernetes.watch.early import Early

WEB = ("shop", "web")


def test_what_the_watch_has_not_reached_is_news() -> None:
    """Once: the same version again is not."""
    early = Early()
    assert early.admits(WEB, "12", reached="10")
    assert not early.admits(WEB, "12", reached="10")
    assert not early.admits(WEB, "11", reached="10")
    assert early.admits(WEB, "13", reached="10")


def test_what_the_watch_has_reached_is_no_news() -> None:
    """A second watch that lags behind shows nothing."""
    assert not Early().admits(WEB, "10", reached="10")
    assert not Early().admits(WEB, "9", reached="10")


def test_while_the_watch_starts_over_nothing_is_taken_in_early() -> None:
    """The list that is read then is the state."""
    assert not Early().admits(WEB, "12", reached="")


def test_versions_that_are_no_numbers_are_left_to_the_watch() -> None:
    """Nobody knows which of two is the newer one."""
    assert not Early().admits(WEB, "a12", reached="a10")
    assert not Early().had(WEB, "a12")


def test_the_watch_brings_the_same_event_without_effect() -> None:
    """And those before it; what comes after is taken in, and so is another object."""
    early = Early()
    early.admits(WEB, "12", reached="10")
    assert not early.had(("shop", "other"), "11")
    assert early.had(WEB, "11")
    assert early.had(WEB, "12")
    assert not early.had(WEB, "12")
    assert not early.had(WEB, "13")


def test_nothing_is_ahead_of_a_new_list() -> None:
    """After a restore of the server its versions may even be older."""
    early = Early()
    early.admits(WEB, "12", reached="10")
    early.clear()
    assert not early.had(WEB, "3")


@dataclass
class _Store:
    """A mirror fed by both watches: which version of each object it shows (0: none), and all that it ever showed."""

    early: Early = field(default_factory=Early)
    reached: int = 0
    shown: dict[ObjectKey, int] = field(default_factory=dict)
    history: defaultdict[ObjectKey, list[int]] = field(default_factory=lambda: defaultdict(list))

    def shared(self, key: ObjectKey, version: int, *, deleted: bool) -> None:
        """An event of the watch of all objects."""
        if not self.early.had(key, str(version)):
            self._show(key, 0 if deleted else version, version)
        self.reached = version

    def selected(self, key: ObjectKey, version: int, *, deleted: bool) -> None:
        """An event of the second watch; deletions are left to the other one."""
        if not deleted and self.early.admits(key, str(version), str(self.reached)):
            self._show(key, version, version)

    def _show(self, key: ObjectKey, shown: int, version: int) -> None:
        self.shown[key] = shown
        self.history[key].append(version)


@given(st.data())
def test_two_watches_of_the_same_objects_show_each_in_its_order(data: st.DataObject) -> None:
    """However they interleave: no version comes after a newer one, no deleted object returns, the end is the state."""
    names = data.draw(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=20))
    events = [((("shop", name), version), deleted) for version, (name, deleted) in enumerate(names, start=1)]
    chosen = [event for event in events if data.draw(st.booleans(), label="the second watch shows it")]
    store, queues = _Store(), [list(events), list(chosen)]
    while any(queues):
        turn = data.draw(st.sampled_from([index for index, queue in enumerate(queues) if queue]))
        (key, version), deleted = queues[turn].pop(0)
        take = store.selected if turn else store.shared
        take(key, version, deleted=deleted)
    last = {key: 0 if deleted else version for (key, version), deleted in events}
    assert store.shown == last
    assert all(seen == sorted(set(seen)) for seen in store.history.values())

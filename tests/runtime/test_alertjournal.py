"""Alerts written into records: shared writes, none lost, none answered before it stands."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustersim.virtual_time import run
from sentinel.domain.alert import AlertStatus
from sentinel.domain.errors import ClusterUnavailableError, ConflictError
from sentinel.domain.record.entries import AlertEntry
from sentinel.domain.record.record import Record
from sentinel.runtime.alerts.journal import WRITE_ATTEMPTS, AlertJournal
from tests.adapters.kubernetes.worlds import NOW, record
from tests.runtime.doubles import Shelf


@dataclass
class Store(Shelf):
    """A store whose writes take a second, conflict with others' writes, and may fail."""

    writes: int = 0
    others: int = 0
    gone: bool = False
    failures: list[Exception] = field(default_factory=list)

    async def save(self, record: Record) -> Record:
        """Write after a second, unless someone else wrote meanwhile."""
        await asyncio.sleep(1)
        self.writes += 1
        if self.failures:
            raise self.failures.pop(0)
        if self.gone:
            self.records.clear()
            raise ConflictError("it was made anew")
        held = self.records[record.name]
        if self.others:
            self.others -= 1
            held = replace(held, version=f"{held.version}+")
            self.records[record.name] = held
        if record.version != held.version:
            raise ConflictError("someone else wrote")
        return await Shelf.save(self, replace(record, version=f"{record.version}+"))


def alert(name: str, status: AlertStatus = AlertStatus.FIRING) -> AlertEntry:
    """An alert by its fingerprint."""
    return AlertEntry(name, name, status, {}, NOW, NOW)


def recorded(store: Store) -> set[str]:
    """Which alerts stand in the record."""
    (held,) = store.records.values()
    return {entry.fingerprint for entry in held.alerts}


def begun(**options: object) -> tuple[Store, Record, AlertJournal]:
    """A store with one record, and its journal."""
    kept = record()
    store = Store({kept.name: kept}, **options)  # type: ignore[arg-type]
    return store, kept, AlertJournal(store, lambda _key: None)


async def test_posts_that_come_during_a_write_share_the_next_one() -> None:
    """Forty posts at once about one rollout are two writes, and all of them stand when they are answered."""
    store, kept, journal = begun()
    await asyncio.gather(*(journal.enter(kept, [alert(f"a{n}")]) for n in range(40)))
    assert recorded(store) == {f"a{n}" for n in range(40)}
    assert store.writes <= 2


async def test_a_repeat_is_not_written() -> None:
    """An alert that stands already costs nothing."""
    store, kept, journal = begun()
    await journal.enter(kept, [alert("a")])
    await journal.enter(store.records[kept.name], [alert("a")])
    assert store.writes == 1


async def test_others_writes_are_kept() -> None:
    """A conflict is tried again on top of what the other wrote."""
    store, kept, journal = begun(others=2)
    await journal.enter(kept, [alert("a")])
    assert recorded(store) == {"a"}


async def test_conflicts_without_end_are_given_up() -> None:
    """Nobody is answered that it stands where it does not."""
    store, kept, journal = begun(others=WRITE_ATTEMPTS)
    with pytest.raises(ClusterUnavailableError, match="being changed by others"):
        await journal.enter(kept, [alert("a")])
    assert recorded(store) == set()


async def test_a_failed_write_fails_everyone_who_shared_it() -> None:
    """Each of them is to come again; the next post is written anew."""
    store, kept, journal = begun(failures=[ClusterUnavailableError("down"), ClusterUnavailableError("down")])
    outcomes = await asyncio.gather(
        *(journal.enter(kept, [alert(f"a{n}")]) for n in range(5)), return_exceptions=True
    )
    assert [type(one) for one in outcomes] == [ClusterUnavailableError] * 5
    assert store.writes == 2
    await journal.enter(kept, [alert("late")])
    assert recorded(store) == {"late"}


async def test_a_record_that_is_gone_needs_none() -> None:
    """The rollout was removed meanwhile: nothing is written, and nobody has to come again."""
    store, kept, journal = begun(gone=True)
    await journal.enter(kept, [alert("a")])
    assert store.records == {}


@given(
    st.lists(
        st.tuples(st.floats(0, 3), st.booleans(), st.floats(0.1, 2)),
        min_size=1,
        max_size=12,
    ),
    st.integers(0, 3),
)
def test_whoever_is_not_cancelled_finds_its_alert_recorded(
    posts: list[tuple[float, bool, float]], others: int
) -> None:
    """Whatever posts come and are given up in the midst of a write: each that returned stands in the record."""

    async def story() -> None:
        store, kept, journal = begun(others=others)

        async def post(n: int, after: float, given_up: bool, patience: float) -> str | None:
            await asyncio.sleep(after)
            try:
                async with asyncio.timeout(patience if given_up else None):
                    await journal.enter(store.records[kept.name], [alert(f"a{n}")])
            except TimeoutError:
                return None
            return f"a{n}"

        answered = await asyncio.gather(*(post(n, *one) for n, one in enumerate(posts)))
        assert {name for name in answered if name} <= recorded(store)
        assert not journal._pages, "nothing is kept of what is over"

    run(story())

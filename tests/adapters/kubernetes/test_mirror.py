"""The local copy of a resource, of whose objects not all are kept."""

from typing import Any

from sentinel.adapters.kubernetes.api.raw import ObjectKey, RawObject
from sentinel.adapters.kubernetes.watch.mirror import Mirror

KEY = ("shop", "web-1")
Told = list[tuple[ObjectKey, str | None, str | None]]


def owned_by(owner: str) -> dict[str, Any]:
    """An object of this owner."""
    return {"metadata": {"namespace": "shop", "name": "web-1", "owner": owner}}


def owner_of(raw: RawObject) -> str | None:
    """What is kept: the owner, and nothing without one."""
    return raw["metadata"]["owner"] or None


def test_an_object_is_kept_from_when_it_has_an_owner_until_it_has_none() -> None:
    """An orphan that is adopted comes, and one that is released goes, as if it had been made and deleted."""
    told: Told = []
    mirror = Mirror("pods", owner_of, lambda *change: told.append(change))
    for owner in ("", "a", "a", "", ""):
        assert mirror.store(owned_by(owner)) == KEY
    assert told == [(KEY, None, "a"), (KEY, "a", None)]
    assert mirror.entries == {}


def test_the_end_of_what_was_not_kept_is_no_news() -> None:
    """It was never there."""
    told: Told = []
    mirror = Mirror("pods", owner_of, lambda *change: told.append(change))
    mirror.store(owned_by(""))
    mirror.drop(owned_by(""))
    mirror.keep_only(set())
    assert told == []

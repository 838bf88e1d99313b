"""The `dataclass` of this program behaves as the standard library's, for what is asked of it."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from typing import Any

import pytest

from sentinel import values


def _make(dataclass: Any) -> Any:
    @dataclass(frozen=True, slots=True)
    class Point:
        x: int
        names: tuple[str, ...] = ()
        secret: str = dataclasses.field(default="", repr=False)
        remembered: list[int] = dataclasses.field(default_factory=list, compare=False)

    @dataclass(frozen=True, slots=True)
    class Placed(Point):
        place: str = "here"

        def __post_init__(self) -> None:
            object.__setattr__(self, "place", self.place.upper())

    @dataclass(slots=True)
    class Open:
        x: int = 0
        parent: Any = None

    @dataclass(frozen=True, slots=True)
    class Spoken:
        x: int

        def __repr__(self) -> str:
            return "spoken"

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 7

    @dataclass(frozen=True, slots=True)
    class Empty:
        pass

    return Point, Placed, Open, Spoken, Empty


OURS, STANDARD = _make(values.dataclass), _make(dataclasses.dataclass)


@dataclasses.dataclass(frozen=True)
class _Unlike:
    x: int


@values.dataclass(frozen=True, slots=True)
class Kept:
    """At the module's level, so that it can be pickled."""

    x: int
    name: str = ""


@pytest.mark.parametrize("which", [OURS, STANDARD], ids=["ours", "standard"])
def test_equal_values_are_equal_and_have_the_same_hash(which: Any) -> None:
    """Fields that are not compared play no part, and neither are instances of other classes equal."""
    point, placed, *_, empty = which
    assert point(1, remembered=[2]) == point(1, remembered=[3]) != point(2)
    assert hash(point(1, remembered=[2])) == hash(point(1))
    assert point(1) != placed(1)
    assert point(1) != _Unlike(1)
    assert empty() == empty()
    assert hash(empty()) == hash(empty())


def made_of(kind: Any, *args: object, **named: object) -> str:
    """The instance that these arguments make, or why they make none."""
    try:
        return repr(kind(*args, **named))
    except TypeError as error:
        return str(error)


@pytest.mark.parametrize(
    ("args", "named"),
    [
        ((), {}),
        ((1,), {}),
        ((), {"x": 1, "names": ("a",)}),
        ((1, ("a",), "hidden", [1]), {}),
        ((1, ("a",), "hidden", [1], "there"), {}),
        ((1, ("a",), "hidden", [1], "there", "too much"), {}),
        ((1,), {"x": 2}),
        ((1,), {"unknown": 2}),
    ],
)
def test_instances_are_made_of_the_same_arguments(args: tuple[object, ...], named: dict[str, Any]) -> None:
    """By place or name, with defaults, and with the same words for what does not fit; the first as those after it."""
    for ours, standard in zip(_make(values.dataclass), STANDARD, strict=True):
        expected = made_of(standard, *args, **named)
        assert [made_of(ours, *args, **named) for _ in range(2)] == [expected, expected]


def test_what_is_made_for_each_instance_is_shared_by_none() -> None:
    """Nor is a value that no argument gives."""

    @values.dataclass(slots=True)
    class Counted:
        known: list[int] = dataclasses.field(default_factory=list)
        made: list[int] = dataclasses.field(default_factory=list, init=False)
        count: int = dataclasses.field(default=7, init=False)

    one, other = Counted(), Counted()
    one.known.append(1)
    one.made.append(1)
    assert (other.known, other.made, other.count) == ([], [], 7)


@pytest.mark.parametrize("which", [OURS, STANDARD], ids=["ours", "standard"])
def test_what_may_change_has_no_hash(which: Any) -> None:
    """As it could not be found again."""
    opened = which[2](1)
    opened.x = 2
    assert opened == which[2](2)
    with pytest.raises(TypeError):
        hash(opened)


@pytest.mark.parametrize("which", [OURS, STANDARD], ids=["ours", "standard"])
def test_what_a_class_defines_itself_stays(which: Any) -> None:
    """Its own text, comparison and hash."""
    spoken = which[3]
    assert (repr(spoken(1)), hash(spoken(1)), spoken(1) == spoken(2)) == ("spoken", 7, True)


def test_values_are_shown_as_the_standard_library_shows_them() -> None:
    """Without secrets, with inherited fields, and where one contains itself."""
    for ours, standard in zip(OURS[:2], STANDARD[:2], strict=True):
        assert repr(ours(1, ("a",), "hidden")) == repr(standard(1, ("a",), "hidden"))
    around = OURS[2](1)
    around.parent = around
    assert repr(around).endswith("Open(x=1, parent=...)")


def test_values_are_replaced_copied_and_kept() -> None:
    """The standard library's functions work on them."""
    kept = dataclasses.replace(Kept(1), name="a")
    assert dataclasses.asdict(kept) == {"x": 1, "name": "a"}
    assert pickle.loads(pickle.dumps(kept)) == copy.deepcopy(kept) == kept
    assert Kept.__slots__ == ("x", "name")
    assert not hasattr(kept, "__dict__")
    assert OURS[1](1).place == "HERE"


@pytest.mark.parametrize("changes", [{}, {"x": 2}, {"names": ("a",), "remembered": [1]}])
def test_a_copy_has_the_other_values_and_what_is_made_for_each_instance(changes: dict[str, Any]) -> None:
    """As with the standard library's `replace`."""
    (ours, *_), (standard, *_) = OURS, STANDARD
    copied, expected = values.replace(ours(1), **changes), dataclasses.replace(standard(1), **changes)
    assert repr(copied) == repr(expected)
    assert copied.remembered == expected.remembered


def test_a_copy_is_made_of_an_instance_with_one_field_and_of_one_with_derived_ones() -> None:
    """Fields that no argument gives are made anew, and what is done after the making is done again."""
    _, placed, *_ = OURS

    @values.dataclass(frozen=True, slots=True)
    class Indexed:
        x: int
        known: dict[str, int] = dataclasses.field(default_factory=dict, init=False, compare=False)

    first = Indexed(1)
    first.known["a"] = 1
    assert values.replace(first, x=2) == Indexed(2)
    assert values.replace(first, x=2).known == {}
    assert values.replace(placed(1), place="there").place == "THERE"


def test_a_copy_is_made_of_any_field_whatever_its_name() -> None:
    """Also of one that is called like what makes the copy; what is no field is refused by name."""

    @values.dataclass(frozen=True, slots=True)
    class Odd:
        made: int
        new: int = 1
        cls: int = 2
        copy: int = 3

    copied = values.replace(Odd(0), new=5, copy=6)

    assert (copied.made, copied.new, copied.cls, copied.copy) == (0, 5, 2, 6)
    with pytest.raises(TypeError, match="other"):
        values.replace(Odd(0), other=1)

"""The `dataclass` of this program: the standard library's, of which a process with 450 of them pays less.

The standard one writes and compiles six functions for every class. Here `__init__` is compiled when a class has its
first instance, which most never have in one process, and the others are shared: together that takes a quarter off the
CPU of a start and 3 MiB off the memory of a daemon. Type checkers see the standard one: that nothing assigns to a
frozen one is theirs to find, and an instance is made without that check.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import fields
from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any, TypeVar

T = TypeVar("T")

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
    from dataclasses import replace as replace
else:

    def dataclass(
        *, frozen: bool = False, slots: bool = False, order: bool = False, weakref_slot: bool = False
    ) -> Callable[[type[T]], type[T]]:
        """As the standard library's, for what this program asks of it. The few that have an order are its own."""
        if order:
            return dataclasses.dataclass(frozen=frozen, slots=slots, order=order)

        def make(cls: type[T]) -> type[T]:
            # Without a docstring (python -OO) the standard one writes the whole signature into its place.
            cls.__doc__ = cls.__doc__ or cls.__name__
            made = dataclasses.dataclass(
                cls, init=False, repr=False, eq=False, slots=slots, weakref_slot=weakref_slot
            )
            _complete(made, set(vars(cls)), frozen)
            return made

        return make

    def replace(instance: T, /, **changes: object) -> T:
        """As the standard library's, in a fifth of the time: reconciles copy large records again and again."""
        key = (instance.__class__, *changes)
        copy = _COPIES.get(key)
        if copy is None:
            copy = _COPIES[key] = _copying(*key)
        return copy(instance, *changes.values())


_COPIES: dict[tuple[Any, ...], Callable[..., Any]] = {}
"""What copies an instance of a class with other values in some of its fields: the program has a few hundred."""


def _copying(cls: Any, *changed: str) -> Callable[..., Any]:
    """A function that makes such a copy, written out. Raises TypeError for the name of no argument."""
    made_of = [field.name for field in fields(cls) if field.init]
    if unknown := set(changed).difference(made_of):
        raise TypeError(f"{cls.__name__} is not made of {', '.join(sorted(unknown))}")
    known: dict[str, Any] = {"MADE": cls, "NEW": object.__new__}
    sources = {name: name if name in changed else f"old_.{name}" for name in made_of}
    plain = cls.__setattr__ is object.__setattr__ and not hasattr(cls, "__post_init__")
    if plain and len(made_of) == len(fields(cls)):
        # Nothing but these fields is to be set, so nothing is passed on to be set.
        body = "".join(f" copy_.{name} = {source}\n" for name, source in sources.items())
        body = f" copy_ = NEW(MADE)\n{body} return copy_\n"
    else:
        body = f" return MADE({', '.join(sources.values())})\n"
    exec(f"def copying({', '.join(('old_', *changed))}):\n{body}", known)  # noqa: S102  # nosec B102  # our names
    copying: Callable[..., Any] = known["copying"]
    return copying


def _complete(made: Any, own: set[str], frozen: bool) -> None:
    """Give it what its body (whose names are `own`) does not define, by the standard library's rules."""
    if "__init__" not in own:
        made.__init__ = _compiled_when_called(made)
    if "__repr__" not in own:
        made.__repr__ = _repr
    if "__eq__" in own:
        return
    compared = [field.name for field in fields(made) if field.compare]
    equal, hashed = _comparing(attrgetter(*compared) if compared else _nothing)
    made.__eq__ = equal
    if "__hash__" not in own:
        made.__hash__ = hashed if frozen else None


def _compiled_when_called(made: Any) -> Callable[..., None]:
    """An `__init__` that puts the real one into its place when the first instance is made."""

    def first(self: Any, *args: object, **named: object) -> None:
        made.__init__ = real = _init_of(made)
        real(self, *args, **named)

    return first


def _init_of(made: Any) -> Callable[..., None]:
    """The standard library's `__init__`, for the kinds of fields that this program has."""
    known: dict[str, Any] = {"NOT_GIVEN": object()}
    parameters, body = ["self"], []
    for field in fields(made):
        name = field.name
        if field.default_factory is not dataclasses.MISSING:
            known[f"MAKE_{name}"] = field.default_factory
            default, value = "NOT_GIVEN", f"MAKE_{name}()"
        elif field.default is not dataclasses.MISSING:
            known[f"DEFAULT_{name}"] = field.default
            default = value = f"DEFAULT_{name}"
        else:
            default = value = ""
        if field.init:
            parameters.append(f"{name}={default}" if default else name)
            value = f"{value} if {name} is NOT_GIVEN else {name}" if default == "NOT_GIVEN" else name
        if value:
            body.append(f" self.{name} = {value}\n")
    after = " self.__post_init__()\n" if hasattr(made, "__post_init__") else " pass\n"
    exec(f"def init({', '.join(parameters)}):\n{''.join(body)}{after}", known)  # noqa: S102  # nosec B102  # our names
    init: Callable[..., None] = known["init"]
    init.__name__, init.__qualname__ = "__init__", f"{made.__qualname__}.__init__"
    return init


def _comparing(values: Callable[[Any], object]) -> tuple[Callable[[Any, Any], Any], Callable[[Any], int]]:
    def equal(self: Any, other: Any) -> Any:
        return values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented

    def hashed(self: Any) -> int:
        return hash(values(self))

    return equal, hashed


def _nothing(_: object) -> tuple[()]:
    return ()


@recursive_repr("...")
def _repr(self: Any) -> str:
    shown = (f"{field.name}={getattr(self, field.name)!r}" for field in fields(self) if field.repr)
    return f"{self.__class__.__qualname__}({', '.join(shown)})"

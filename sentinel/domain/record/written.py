"""JSON beside the value that it was written of: the process that wrote it does not read it back at each tick."""

from collections.abc import Mapping
from typing import TypeVar

T = TypeVar("T")


class Written(dict[str, object]):
    """Equal to the plain JSON, and encoded like it. `of` is the value; neither is ever changed."""

    __slots__ = ("of",)

    def __init__(self, json: Mapping[str, object], of: object) -> None:
        super().__init__(json)
        self.of = of

    def beside(self, more: Mapping[str, object]) -> "Written":
        """The same JSON with more entries, which are not part of the value."""
        return Written({**self, **more}, self.of) if more else self


def value_of(json: object, kind: type[T]) -> T | None:
    """The value of this kind that the JSON was written of; None where it has to be read."""
    of = json.of if isinstance(json, Written) else None
    return of if isinstance(of, kind) else None

"""A YAML document as plain JSON values, with the place of each of them."""

from dataclasses import field

from sentinel.policies.mistakes import InputError, Path, PolicyError, dotted
from sentinel.values import dataclass


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a file; lines and columns count from 1."""

    line: int
    column: int


@dataclass(slots=True)
class Node:
    """One value with its place; `children` by key or index, `keys` holds the places of a mapping's keys.

    `size` counts the values in it, itself included; `complete` is False while it is being read.
    """

    position: Position
    value: object = None
    children: dict[str | int, "Node"] = field(default_factory=dict)
    keys: dict[str, Position] = field(default_factory=dict)
    size: int = 1
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document of a file."""

    file: str
    root: Node

    @property
    def value(self) -> object:
        """The document as plain JSON values."""
        return self.root.value

    def position(self, path: Path, *, key: bool = False) -> Position:
        """Where a value stands, or its key; for what is not there, the nearest that contains it."""
        node = self.root
        for depth, part in enumerate(path):
            last = depth == len(path) - 1
            if last and key and isinstance(part, str) and part in node.keys:
                return node.keys[part]
            if part not in node.children:
                break
            node = node.children[part]
        return node.position

    def error(self, path: Path, mistake: InputError) -> PolicyError:
        """A mistake at this path, with its place in the file."""
        whole = (*path, *mistake.at)
        place = self.position(whole, key=mistake.key)
        return PolicyError(self.file, place.line, place.column, dotted(whole), mistake.message, mistake.hint)

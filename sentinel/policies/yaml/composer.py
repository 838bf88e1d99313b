"""Builds a document from YAML's events: iteratively, so that nesting cannot exhaust the stack, and within bounds.

What a rule file never needs and what has hurt others is refused with its place: duplicate keys, keys that are not
text, tags, merge keys, values left out, and anchors that would unfold into a huge document.
"""

from collections.abc import Iterator
from typing import NoReturn

import yaml

from sentinel.policies.mistakes import InputError, Path, PolicyError, dotted
from sentinel.policies.yaml.nodes import Document, Node, Position
from sentinel.policies.yaml.scalars import plain_value, text_value
from sentinel.values import dataclass

MAX_NODES = 50_000
MAX_DEPTH = 50

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(slots=True)
class _Frame:
    """A collection under construction; `key` is the mapping key whose value comes next."""

    node: Node
    path: Path
    key: str | None = None

    @property
    def wants_key(self) -> bool:
        return isinstance(self.node.value, dict) and self.key is None

    @property
    def next_part(self) -> str | int:
        return len(self.node.children) if self.key is None else self.key

    @property
    def child_path(self) -> Path:
        return (*self.path, self.next_part)

    def add(self, child: Node) -> None:
        """Put the next value into the collection."""
        part = self.next_part
        if isinstance(self.node.value, dict):
            self.node.value[part] = child.value
        elif isinstance(self.node.value, list):
            self.node.value.append(child.value)
        self.node.children[part] = child
        self.node.size += child.size
        self.key = None


class _StopError(Exception):
    """The rest of the file cannot be trusted; the reason is in the composer's errors."""


class Composer:
    """Reads one file's documents; what is wrong with them is kept in `errors`."""

    def __init__(self, file: str, *, nulls: bool = False) -> None:
        self.errors: list[PolicyError] = []
        self._file = file
        self._nulls = nulls
        self._anchors: dict[str, Node] = {}
        self._nodes = 0

    def documents(self, text: str) -> list[Document]:
        """All documents without mistakes that are not empty. Raises yaml.YAMLError where the text is not YAML."""
        found: list[Document] = []
        events = yaml.parse(text, Loader=_LOADER)
        try:
            for event in events:
                if not isinstance(event, yaml.DocumentStartEvent):
                    continue
                before = len(self.errors)
                self._anchors = {}
                root = self._root(events)
                if len(self.errors) == before and root.value is not None:
                    found.append(Document(self._file, root))
        except _StopError:
            return found
        return found

    def _root(self, events: Iterator[yaml.Event]) -> Node:
        first = next(events)
        root = self._begun(first, ())
        stack = [_Frame(root, ())] if isinstance(first, yaml.CollectionStartEvent) else []
        while stack:
            self._step(stack, next(events))
        return root

    def _step(self, stack: list[_Frame], event: yaml.Event) -> None:
        frame = stack[-1]
        if isinstance(event, yaml.CollectionEndEvent):
            frame.node.complete = True
            stack.pop()
            if stack:
                self._attach(stack[-1], frame.node)
        elif frame.wants_key:
            self._take_key(frame, event)
        else:
            child = self._begun(event, frame.child_path)
            if not isinstance(event, yaml.CollectionStartEvent):
                self._attach(frame, child)
            elif len(stack) >= MAX_DEPTH:
                self._stop(child.position, f"is nested more than {MAX_DEPTH} deep")
            else:
                stack.append(_Frame(child, frame.child_path))

    def _begun(self, event: yaml.Event, path: Path) -> Node:
        if isinstance(event, yaml.AliasEvent):
            return self._aliased(event)
        if not isinstance(event, yaml.ScalarEvent | yaml.SequenceStartEvent | yaml.MappingStartEvent):
            raise TypeError(f"YAML's grammar does not allow {type(event).__name__} here")
        node = Node(_mark(event))
        self._count(1, node.position)
        if event.tag not in (None, "!"):
            self._report(
                node.position,
                path,
                InputError(f"has the tag {event.tag}", "remove it; tags are not supported"),
            )
        if isinstance(event, yaml.ScalarEvent):
            node.value = self._scalar(event, path)
        else:
            node.value = {} if isinstance(event, yaml.MappingStartEvent) else []
            node.complete = False
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _aliased(self, event: yaml.AliasEvent) -> Node:
        place = _mark(event)
        node = self._anchors.get(event.anchor or "")
        if node is None:
            self._stop(place, f"*{event.anchor} refers to no anchor before it")
        if not node.complete:
            self._stop(place, f"*{event.anchor} refers to itself")
        self._count(node.size, place)
        return node

    def _take_key(self, frame: _Frame, event: yaml.Event) -> None:
        place = _mark(event)
        if not isinstance(event, yaml.ScalarEvent):
            template = isinstance(event, yaml.MappingStartEvent) and event.flow_style
            hint = "fill in the template ({{ … }}) first" if template else "write each key as plain text"
            self._stop(place, "has a key that is not text", hint)
        self._count(1, place)
        key, plain = event.value, _is_plain(event)
        if plain and not isinstance(self._scalar(event, frame.path), str):
            self._report(
                place, frame.path, InputError(f"the key {key} is not text", f'write "{key}", in quotes')
            )
        elif plain and key == "<<":
            self._report(place, frame.path, InputError("merge keys are not supported", "write the keys out"))
        elif key in frame.node.keys:
            line = frame.node.keys[key].line
            self._report(
                place, (*frame.path, key), InputError(f"is given twice, first in line {line}", "keep one")
            )
        frame.key = key
        frame.node.keys[key] = place

    def _attach(self, frame: _Frame, child: Node) -> None:
        if child.value is None and not self._nulls:
            hint = (
                "leave the item out"
                if frame.key is None
                else "write one, or {} for all defaults, or leave the key out"
            )
            self._report(child.position, frame.child_path, InputError("has no value", hint))
        frame.add(child)

    def _scalar(self, event: yaml.ScalarEvent, path: Path) -> object:
        try:
            return plain_value(event.value) if _is_plain(event) else text_value(event.value)
        except InputError as mistake:
            self._report(_mark(event), path, mistake)
            return ""

    def _count(self, nodes: int, place: Position) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            self._stop(
                place, f"unfolds to more than {MAX_NODES} values", "use fewer anchors, or several files"
            )

    def _report(self, place: Position, path: Path, mistake: InputError) -> None:
        self.errors.append(
            PolicyError(self._file, place.line, place.column, dotted(path), mistake.message, mistake.hint)
        )

    def _stop(self, place: Position, message: str, hint: str = "") -> NoReturn:
        self._report(place, (), InputError(message, hint))
        raise _StopError


def _is_plain(event: yaml.ScalarEvent) -> bool:
    return event.style in (None, "") and event.tag is None


def _mark(event: yaml.Event) -> Position:
    mark = event.start_mark
    return Position(mark.line + 1, mark.column + 1) if mark else Position(1, 1)

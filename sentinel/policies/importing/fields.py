"""Which fields of an imported object's spec are taken over, and a comment on each of the others that is set."""

from collections.abc import Collection, Iterator, Mapping
from functools import cache
from importlib.resources import files

import yaml

from sentinel.policies.importing.draft import Values
from sentinel.policies.importing.shapes import items, mapping, text
from sentinel.values import dataclass

_UNKNOWN = "this import does not know it"


@dataclass(frozen=True, slots=True)
class Fields:
    """The treatment of the fields of one kind, by the beginnings of their paths in its spec.

    `taken`: part of the policy, or named by a separate comment. `irrelevant`: not a policy's concern. `left`: a
    comment names it, with this reason. `source` names the release of the definition that they are from.
    """

    taken: frozenset[str]
    irrelevant: frozenset[str]
    left: Mapping[str, str]
    source: str

    def entry(self, path: str) -> str:
        """The longest entry that begins this path; empty without one."""
        known = (one for one in (*self.taken, *self.irrelevant, *self.left) if _begins(one, path))
        return max(known, key=len, default="")

    def comments(self, spec: Values, *, without: Collection[str] = ()) -> list[str]:
        """A comment on each field that is set and not taken over; `without` those below these, which have theirs."""
        found: dict[str, str] = {}
        for path in _set_in(spec, ""):
            entry = self.entry(path)
            if entry in self.taken | self.irrelevant or any(_begins(one, path) for one in without):
                continue
            found.setdefault(entry or path, self.left.get(entry, _UNKNOWN))
        return [f"Left out: spec.{path}; {why}." for path, why in found.items()]


@cache
def fields_of(product: str) -> Fields:
    """The fields of `argo`'s Rollout or `flagger`'s Canary."""
    place = files(f"sentinel.policies.importing.{product}").joinpath("fields.yaml")
    table = mapping(yaml.safe_load(place.read_text(encoding="utf-8")))
    left = {str(path): text(why) for path, why in mapping(table["left"]).items()}
    return Fields(_paths(table["taken"]), _paths(table["irrelevant"]), left, text(table["source"]))


def _paths(value: object) -> frozenset[str]:
    assert isinstance(value, list)
    return frozenset(map(str, value))


def _begins(beginning: str, path: str) -> bool:
    return path == beginning or path.startswith((f"{beginning}.", f"{beginning}[]"))


def _set_in(value: object, path: str) -> Iterator[str]:
    """The paths of what is set; off, 0 and empty are what an object has without the field."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _set_in(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and items(value):
        for inner in value:
            yield from _set_in(inner, f"{path}[]")
    elif value:
        yield path

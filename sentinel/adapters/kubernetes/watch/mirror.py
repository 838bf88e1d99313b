"""The local copy that a reflector keeps: what is stored of each object, and who learns of a change."""

import logging
from collections.abc import Callable, Container
from typing import Generic, TypeVar

from sentinel.adapters.kubernetes.api.raw import ObjectKey, RawObject, key_of, mapping, text

log = logging.getLogger(__name__)

T = TypeVar("T")
OnChange = Callable[[ObjectKey, T | None, T | None], None]
"""Called with each change: the key, the entry before (None: new) and after (None: gone)."""


class Mirror(Generic[T]):
    """The `entries` of one resource; `trim` makes one of a raw object, None of one of which nothing is kept.

    `name` is the resource's, for the log.
    """

    def __init__(self, name: str, trim: Callable[[RawObject], T | None], on_change: OnChange[T]) -> None:
        self.entries: dict[ObjectKey, T] = {}
        self._name = name
        self._trim = trim
        self._on_change = on_change

    def store(self, raw: RawObject) -> ObjectKey | None:
        """Take an object in; returns its key, None where it cannot be read."""
        try:
            key, entry = key_of(raw), self._trim(raw)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            # Relisting would bring the same object again: it is left out, and told.
            log.error("an object of %s cannot be read: %s", self._name, error, extra={"resource": self._name})
            return None
        if entry is None:
            self._remove(key)
            return key
        before = self.entries.get(key)
        self.entries[key] = entry
        if before != entry:
            self._on_change(key, before, entry)
        return key

    def drop(self, raw: RawObject) -> None:
        """The object is gone; this is its last state."""
        self._remove(name_of(raw))

    def _remove(self, key: ObjectKey) -> None:
        before = self.entries.pop(key, None)
        if before is not None:
            self._on_change(key, before, None)

    def keep_only(self, seen: Container[ObjectKey]) -> None:
        """Everything else went while nobody watched."""
        for key in [key for key in self.entries if key not in seen]:
            self._remove(key)


def name_of(raw: RawObject) -> ObjectKey:
    """Namespace and name of an object, empty where they are missing."""
    metadata = mapping(raw.get("metadata"))
    return text(metadata.get("namespace")), text(metadata.get("name"))

"""Versions of a workload's pod template, and the objects that hold them."""

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from enum import StrEnum

from sentinel.domain.workload.config import ConfigRef
from sentinel.values import dataclass


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """One object of the cluster, by which its uid tells whether it is still the same."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str = ""


class OriginKind(StrEnum):
    """What is known of when a change was made."""

    COMMIT = "commit"
    IMAGE = "image"


@dataclass(frozen=True, slots=True)
class ChangeOrigin:
    """When a revision was committed, or its image made, as its template says."""

    at: datetime
    kind: OriginKind


@dataclass(frozen=True, slots=True)
class Revision:
    """One version of a workload's pod template.

    `digest` is our own digest of the template, known as soon as the template is written; `hash` is the controller's
    name for it and is empty until the controller has taken the template up. `number` is the controller's revision
    number, for people, 0 while unknown or where the kind has none. `order` says which of two revisions is newer, the
    greater one; it never changes for a revision that is not rolled out again, and is 0 where it is not known.
    `replicas`, `ready` and `available` count its pods. `stored_in` is the object that still holds the template, None
    without one. `named` are the objects that the template names. `apart` is the digest of the template without our own
    annotation on it, which says with which config its pods are started.
    """

    digest: str
    hash: str = ""
    number: int = 0
    images: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    created_at: datetime | None = None
    change_cause: str = ""
    irreversible: str = ""
    replicas: int = 0
    ready: int = 0
    available: int = 0
    stored_in: ObjectRef | None = None
    order: int = 0
    named: tuple[ConfigRef, ...] = ()
    apart: str = ""
    origin: ChangeOrigin | None = None

    def __str__(self) -> str:
        number = f"revision {self.number}" if self.number else "new revision"
        return f"{number} ({', '.join(self.images)})" if self.images else number


@dataclass(frozen=True, slots=True)
class Applied:
    """Which pod template, by its digest, is in force on which workload, by its uid."""

    uid: str
    digest: str

"""A request on its way through the server, and the answer to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from clustersim.api import requests
from clustersim.api.access import Rbac, Tokens, User
from clustersim.api.requests import RequestInfo
from clustersim.api.tables.presenting import Presenter, form_of
from clustersim.api.types.conversion import stored_type
from clustersim.api.types.registry import Registry
from clustersim.storage.resources import ResourceType
from clustersim.storage.store import Store

JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True)
class HandlerServices:
    """What handlers work with."""

    store: Store
    registry: Registry
    tokens: Tokens
    rbac: Rbac


@dataclass(frozen=True, slots=True)
class ResourceRequest:
    """One authorized request for a resource."""

    services: HandlerServices
    info: RequestInfo
    resource: ResourceType
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    user: User
    stale_by: int = 0

    @property
    def store(self) -> Store:
        """The objects."""
        return self.services.store

    @property
    def stored(self) -> ResourceType:
        """The type under which the objects are stored."""
        return stored_type(self.resource)

    @property
    def now(self) -> Callable[[], datetime]:
        """The server's clock."""
        return self.services.store.now

    @property
    def media_type(self) -> str:
        """The content type of the body without its parameters."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    @property
    def manager(self) -> str:
        """The field manager of a write."""
        return requests.manager(self.query, self.headers.get("User-Agent", ""))

    @property
    def presenter(self) -> Presenter:
        """Makes the body of the answer in the form that the client accepts."""
        form = form_of(self.headers.get("Accept", ""))
        return Presenter(self.services.registry, self.resource, form, self.now)


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """A complete answer."""

    body: JsonObject
    status: int = 200
    warnings: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

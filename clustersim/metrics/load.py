"""Requests that are offered: how many, from whom, and where to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class ToPods:
    """To the ready pods of a namespace that have these labels."""

    labels: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ToService:
    """To the ready endpoints of a Service, as its EndpointSlices list them."""

    name: str


@dataclass(frozen=True, slots=True)
class ToRoute:
    """To the backends of a route (of this plural) that is in force, by their weights.

    `headers` (names in lower case) and `path` decide which rule of the route is for these requests.
    """

    plural: str
    name: str
    headers: tuple[tuple[str, str], ...] = ()
    path: str = "/"


Destination = ToPods | ToService | ToRoute


@dataclass(frozen=True, slots=True)
class Load:
    """Requests offered to a destination in one namespace.

    `rps`: requests a second. `arrivals`: a Poisson stream, or as even as can be. `affinity`: each request
    goes to any ready pod, or each client sticks to one; the `clients`' popularity then falls as
    1/rank^`skew`, which gives some pods far more than others. All requests of the `broken` clients (by rank,
    from 1) fail, however the pod answers.
    """

    name: str
    namespace: str
    to: Destination
    rps: float
    arrivals: Literal["poisson", "even"] = "poisson"
    affinity: Literal["request", "sticky"] = "request"
    clients: int = 200
    skew: float = 1.1
    broken: tuple[int, ...] = ()

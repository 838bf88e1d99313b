"""Who is at the page: the user and groups that a trusted proxy names in its headers, and what they may write."""

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from fnmatch import fnmatchcase

from aiohttp import web

from sentinel.values import dataclass

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Grants = Mapping[str, Sequence[str]]
"""Globs of namespaces by the name of a user or a group."""

MAX_NAME = 200


class StrangerError(Exception):
    """This request names nobody; the text is a sentence that says why."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """One person. `namespaces` are globs of those that may be written; `source` is where the request came from."""

    user: str
    groups: tuple[str, ...]
    namespaces: tuple[str, ...]
    source: str

    @property
    def requested_by(self) -> str:
        """Who is named in commands and records."""
        return f"web:{self.user}"

    def may_write(self, namespace: str) -> bool:
        """Whether commands for workloads of this namespace are taken from this person."""
        return any(fnmatchcase(namespace, glob) for glob in self.namespaces)


@dataclass(frozen=True, slots=True)
class Visitors:
    """Tells people by the headers of trusted proxies. Without `proxies` nobody may write.

    `users` and `groups` are who may write, and where.
    """

    proxies: Sequence[Network] = ()
    user_header: str = "X-Forwarded-User"
    groups_header: str = "X-Forwarded-Groups"
    users: Grants = field(default_factory=dict)
    groups: Grants = field(default_factory=dict)

    def of(self, request: web.Request) -> Visitor:
        """Who made this request. Raises StrangerError."""
        if not self.proxies:
            raise StrangerError("The page only shows: ui.writes in the settings names no proxy.")
        peer = _address(request.remote)
        if not any(peer in network for network in self.proxies):
            raise StrangerError(
                f"This request came from {peer}, not through a proxy that ui.writes.proxies names, so its "
                "headers are not believed."
            )
        user = self._one(request, self.user_header)
        if not user or len(user) > MAX_NAME or not user.isprintable():
            raise StrangerError(
                f"The proxy at {peer} named no user in the header {self.user_header} (ui.writes.user_header)."
            )
        groups = tuple(
            filter(None, (one.strip() for one in self._one(request, self.groups_header).split(",")))
        )
        return Visitor(user, groups, tuple(self._namespaces(user, groups)), _source(request, peer))

    def _one(self, request: web.Request, header: str) -> str:
        """A header's value. Two of them: the proxy let through what the browser claimed."""
        values = request.headers.getall(header, [])
        if len(values) > 1:
            raise StrangerError(
                f"The request has the header {header} {len(values)} times: the proxy must replace what a browser sends."
            )
        return values[0].strip() if values else ""

    def _namespaces(self, user: str, groups: Sequence[str]) -> Iterator[str]:
        yield from self.users.get(user, ())
        for group in groups:
            yield from self.groups.get(group, ())


def _address(remote: str | None) -> Address | None:
    """The peer of the connection; an IPv4 address is one however the socket writes it."""
    try:
        found = ipaddress.ip_address(remote or "")
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def _source(request: web.Request, peer: Address | None) -> str:
    """Where it came from as the proxy says, and the proxy."""
    claimed = "".join(c for c in request.headers.get("X-Forwarded-For", "") if c.isprintable())[:MAX_NAME]
    return f"{claimed or 'unknown'} through {peer}"

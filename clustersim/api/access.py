"""Who may do what: bearer tokens, and RBAC by the objects in the store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from clustersim.api.requests import RequestInfo
from clustersim.storage.api_errors import ApiError, forbidden
from clustersim.storage.resources import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    ROLE_BINDINGS,
    ROLES,
    ResourceType,
)
from clustersim.storage.store import Store

JsonObject = dict[str, Any]

ADMIN_TOKEN = "admin"  # nosec B105  # the simulated cluster listens on the loopback alone
_DISCOVERY = ("/api", "/apis", "/openapi", "/version", "/healthz", "/livez", "/readyz")
_PUBLIC = ("/version", "/healthz", "/livez", "/readyz")
_SELF_REVIEWS = ("selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews")


@dataclass(frozen=True, slots=True)
class User:
    """An authenticated client."""

    name: str
    groups: tuple[str, ...] = ()

    @property
    def admin(self) -> bool:
        """Whether the client may do anything."""
        return "system:masters" in self.groups


ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))
ADMIN = User("kubernetes-admin", ("system:masters", "system:authenticated"))


def service_account(namespace: str, name: str) -> User:
    """The user that a service account's token stands for."""
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
    return User(f"system:serviceaccount:{namespace}:{name}", groups)


class Tokens:
    """The bearer tokens that the server knows.

    A client without a token is `without_token`: an administrator unless told otherwise, because kubectl
    sends no token over plain HTTP.
    """

    def __init__(self, admin: str = ADMIN_TOKEN, *, without_token: User = ADMIN) -> None:
        self.admin = admin
        self.without_token = without_token
        self._users = {admin: ADMIN}

    def add(self, token: str, user: User) -> None:
        """Accept `token` as `user`."""
        self._users[token] = user

    def issue(self, namespace: str, name: str) -> str:
        """A token for a service account."""
        token = f"sa.{namespace}.{name}"
        self.add(token, service_account(namespace, name))
        return token

    def revoke(self, token: str) -> None:
        """Forget a token; unknown ones are ignored."""
        self._users.pop(token, None)

    def user(self, token: str) -> User | None:
        """Whom `token` stands for, None where it is unknown."""
        return self._users.get(token)

    def authenticate(self, header: str) -> User:
        """The client of an `Authorization` header; raises ApiError 401 for an unknown token."""
        if not header:
            return self.without_token
        kind, _, token = header.partition(" ")
        user = self.user(token.strip()) if kind.lower() == "bearer" else None
        if user is None:
            raise ApiError(401, "Unauthorized", "Unauthorized")
        return user


class Rbac:
    """Decides by Roles, ClusterRoles and their bindings."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def check(self, user: User, info: RequestInfo, resource: ResourceType | None) -> None:
        """Raises ApiError 403 where `user` may not do what is asked."""
        if self.allows(user, info):
            return
        if not info.resource:
            raise ApiError(
                403,
                "Forbidden",
                f'forbidden: User "{user.name}" cannot {info.verb} path "{info.path}"',
                details={},
            )
        shown = resource or ResourceType(info.group, info.version, info.resource, "", "")
        subresource = f"/{info.subresource}" if info.subresource else ""
        scoped = info.namespace and info.resource != "namespaces"
        where = f'in the namespace "{info.namespace}"' if scoped else "at the cluster scope"
        raise forbidden(
            shown,
            info.name,
            f'User "{user.name}" cannot {info.verb} resource "{info.resource}{subresource}" '
            f'in API group "{info.group}" {where}',
        )

    def allows(self, user: User, info: RequestInfo) -> bool:
        """Whether `user` may do what is asked."""
        if user.admin or _by_default(user, info):
            return True
        return any(_permits(rule, info) for rule in self.rules(user, info.namespace))

    def rules(self, user: User, namespace: str) -> Iterator[JsonObject]:
        """The rules that hold for `user` in `namespace` ("": at the cluster scope)."""
        for binding in self._store.list(CLUSTER_ROLE_BINDINGS):
            if _binds(binding, user, ""):
                yield from self._role_rules(binding, "")
        if not namespace:
            return
        for binding in self._store.list(ROLE_BINDINGS, namespace):
            if _binds(binding, user, namespace):
                yield from self._role_rules(binding, namespace)

    def _role_rules(self, binding: JsonObject, namespace: str) -> Iterable[JsonObject]:
        reference = binding.get("roleRef") or {}
        if reference.get("kind") == "ClusterRole":
            role = self._store.find(CLUSTER_ROLES, None, reference.get("name", ""))
        else:
            role = self._store.find(ROLES, namespace, reference.get("name", ""))
        return (role or {}).get("rules") or ()


def _by_default(user: User, info: RequestInfo) -> bool:
    """What the bindings of a fresh cluster allow: discovery, health and questions about oneself."""
    if not info.resource:
        known = _PUBLIC if user is ANONYMOUS else _DISCOVERY
        return info.verb == "get" and any(
            info.path == prefix or info.path.startswith(f"{prefix}/") for prefix in known
        )
    return user is not ANONYMOUS and info.verb == "create" and info.resource in _SELF_REVIEWS


def _binds(binding: JsonObject, user: User, namespace: str) -> bool:
    for subject in binding.get("subjects") or ():
        match subject.get("kind"):
            case "User" if subject.get("name") == user.name:
                return True
            case "Group" if subject.get("name") in user.groups:
                return True
            case "ServiceAccount":
                account = service_account(subject.get("namespace") or namespace, subject.get("name", ""))
                if account.name == user.name:
                    return True
    return False


def _permits(rule: JsonObject, info: RequestInfo) -> bool:
    if not _covers(rule.get("verbs"), info.verb):
        return False
    if not info.resource:
        return any(_path_matches(path, info.path) for path in rule.get("nonResourceURLs") or ())
    if not _covers(rule.get("apiGroups"), info.group):
        return False
    asked = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
    resources = rule.get("resources") or ()
    if not (_covers(resources, asked) or (info.subresource and f"*/{info.subresource}" in resources)):
        return False
    names = rule.get("resourceNames") or ()
    return not names or info.name in names


def _covers(listed: Any, value: str) -> bool:
    return value in (listed or ()) or "*" in (listed or ())


def _path_matches(pattern: str, path: str) -> bool:
    return pattern == path or (pattern.endswith("*") and path.startswith(pattern[:-1]))

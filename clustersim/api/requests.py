"""What a request asks for: the verb, the resource and the name in its path, and its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from clustersim.storage.api_errors import bad_request, invalid_options
from clustersim.storage.resources import ResourceType
from clustersim.storage.selectors import single_name

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}
_NAMESPACE_SUBRESOURCES = ("status", "finalize")


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """The place of a request in the API. `resource` is the plural name, "" for a path outside the API."""

    verb: str
    path: str
    group: str = ""
    version: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    def namespace_of(self, resource: ResourceType) -> str | None:
        """The namespace of the object; None for a resource without namespaces."""
        return self.namespace if resource.namespaced else None


def parse(method: str, path: str, query: Mapping[str, str]) -> RequestInfo:
    """Take the path of a request apart, as the real server does before it authorizes."""
    parts = [part for part in path.split("/") if part]
    if parts[:1] == ["api"] and len(parts) >= 3:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[:1] == ["apis"] and len(parts) >= 4:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return RequestInfo(method.lower(), path)
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in _NAMESPACE_SUBRESOURCES:
        namespace, rest = rest[1], rest[2:]
    name = rest[1] if len(rest) > 1 else ""
    verb = _verb(method, name, query)
    if not name and verb in ("list", "watch", "deletecollection"):
        name = single_name(query.get("fieldSelector", ""))
    if rest[0] == "namespaces" and name and not namespace:
        namespace = name
    return RequestInfo(verb, path, group, version, rest[0], namespace, name, "/".join(rest[2:]))


def _verb(method: str, name: str, query: Mapping[str, str]) -> str:
    if method in ("GET", "HEAD"):
        if flag(query, "watch"):
            return "watch"
        return "get" if name else "list"
    if method == "DELETE":
        return "delete" if name else "deletecollection"
    return _VERBS.get(method, method.lower())


def flag(query: Mapping[str, str], name: str) -> bool:
    """A boolean parameter: absent, `0` and `false` (in any case) are false."""
    value = query.get(name)
    return value is not None and value.lower() not in ("0", "false")


def number(query: Mapping[str, str], name: str) -> int | None:
    """A parameter that must be a whole number; raises ApiError 400."""
    text = query.get(name)
    if not text:
        return None
    if not text.lstrip("-").isdigit():
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return int(text)


def revision(query: Mapping[str, str]) -> int | None:
    """The `resourceVersion` parameter; raises ApiError 400 if it is not a number."""
    text = query.get("resourceVersion")
    if not text:
        return None
    if not text.isdigit():
        raise bad_request(
            f'invalid resource version: resourceVersion: Invalid value: "{text}": '
            f'strconv.ParseUint: parsing "{text}": invalid syntax'
        )
    return int(text)


def dry_run(query: Mapping[str, str], verb: str, body: object = None) -> bool:
    """Whether nothing is to be written; raises ApiError 422 for anything but `All`."""
    asked = [query["dryRun"]] if query.get("dryRun") else []
    if isinstance(body, dict) and isinstance(body.get("dryRun"), list):
        asked += body["dryRun"]
    if any(value != "All" for value in asked):
        shown = ", ".join(f'"{value}"' for value in asked)
        message = f'Unsupported value: [{shown}]: supported values: "All"'
        raise invalid_options(f"{verb.capitalize()}Options", "dryRun", "FieldValueNotSupported", message)
    return bool(asked)


def manager(query: Mapping[str, str], user_agent: str) -> str:
    """The field manager of a write: named by the client, else the start of its user agent."""
    return query.get("fieldManager") or user_agent.split("/")[0][:128] or "unknown"

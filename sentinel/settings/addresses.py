"""Addresses of other systems: without passwords, and without what the sentinel adds to them itself."""

import re
from ipaddress import ip_address
from typing import Annotated, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator

from sentinel.policies.mistakes import InputError

_EXAMPLE = "https://host.example:8443"
_SERVER = "http://prometheus:9090"
_API = re.compile(
    r"/(?:api/v1(?:/(?:query|query_range|read|write|remote_write|push|rules|alerts|series|labels))?|graph)/?$"
)
"""The ends of addresses that people copy: of pages, and of the API. (A service behind the API server's proxy has
/api/v1/namespaces in its path.)"""
_HOST_GLOB = re.compile(r"[\w.*?\[\]!:-]+")


def url_checked(value: str) -> str:
    """An address without the slash at its end; a wrong one is not shown, as it may hold a password."""
    return _checked(value, _EXAMPLE)


def base_checked(value: str) -> str:
    """An address that paths are put behind: it has no query."""
    return _without_query(url_checked(value))


def server_checked(value: str) -> str:
    """The address of a server of Prometheus' API, without the path of the API."""
    address = _without_query(_checked(value, _SERVER))
    path = urlsplit(address).path
    if found := _API.search(path):
        right = address[: len(address) - len(path)] + path[: found.start()]
        raise InputError(
            f"ends with {found[0].rstrip('/')}, but the sentinel puts the paths of the API behind the address",
            f"write {right}",
        )
    return address


def host_glob_checked(value: str) -> str:
    """A glob that can match the name of a host: no scheme, port or path."""
    if not _HOST_GLOB.fullmatch(value) or (":" in value and not _is_ip(value)):
        raise InputError(
            f"{value!r} is not a host's name or a glob of names",
            "write it without scheme, port and path, such as tests.qa or *.qa",
        )
    return value


def proxy_checked(value: object) -> object:
    """The address of a proxy, or `environment`: before the union of both, which would report both of its sides."""
    if value is None or value == "environment":
        return value
    if not isinstance(value, str) or not value.startswith(("http://", "https://")):
        raise InputError(
            "is neither an http or https address nor `environment`", "write it such as http://proxy:3128"
        )
    if "@" in value:
        raise InputError(
            "has a user or a password in it, which logs and records would show",
            "put the address into HTTPS_PROXY, and write environment",
        )
    if urlsplit(url_checked(value))[2:] != ("", "", ""):
        raise InputError("has a path or a query in it", "write it such as http://proxy:3128")
    return value


def _checked(value: str, example: str) -> str:
    parts, wrong = _parts(value)
    if "@" in parts.netloc:
        raise InputError(
            "has a user or a password in it, which logs and records would show",
            "remove it, and give it by the keys for credentials, such as username and password_file",
        )
    if wrong:
        raise InputError(wrong, f"write it such as {example}")
    return value.rstrip("/")


def _without_query(address: str) -> str:
    if "?" in address:
        raise InputError(
            "has a query in it, but paths are put behind it", "leave out the question mark and what follows"
        )
    return address


def _parts(value: str) -> tuple[SplitResult, str]:
    """The parts of an address, and what is wrong with it; empty where nothing is."""
    try:
        parts = urlsplit(value)
        port_is_one = parts.port != 0
    except ValueError:  # brackets that do not close, or a port that is not a number up to 65535
        port_is_one = False
        parts = urlsplit("//@" if "@" in value else "")
    if parts.scheme not in ("http", "https") or not port_is_one or not parts.hostname:
        return parts, "is not an http or https address"
    if not value.isprintable() or " " in value:
        return parts, "has a space or a control character in it"
    return parts, "has a # in it, which no server is sent" if "#" in value else ""


def _is_ip(value: str) -> bool:
    try:
        return bool(ip_address(value))
    except ValueError:
        return False


Url = Annotated[str, AfterValidator(url_checked)]
BaseUrl = Annotated[str, AfterValidator(base_checked)]
ServerUrl = Annotated[str, AfterValidator(server_checked)]
Proxy = Annotated[Url | Literal["environment"] | None, BeforeValidator(proxy_checked)]
HostGlob = Annotated[str, AfterValidator(host_glob_checked)]

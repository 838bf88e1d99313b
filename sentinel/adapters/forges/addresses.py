"""A repository's URL as Git writes it: which server it is on, and its path there."""

import re
from urllib.parse import urlsplit

from sentinel.values import dataclass

_SCP = re.compile(r"(?:[^@/]+@)?(?P<host>[^:/]+):(?!//)(?P<path>[^/].*)")


@dataclass(frozen=True, slots=True)
class RepositoryName:
    """A repository: its server's host in small letters, and its path there (`owner/name`, `group/sub/name`)."""

    host: str
    path: str

    def __str__(self) -> str:
        return f"{self.host}/{self.path}"


def repository_of(url: str) -> RepositoryName | None:
    """What the URL names: by HTTPS, by SSH, or as scp writes it (`git@host:owner/name.git`); None for others."""
    short = _SCP.fullmatch(url) if "://" not in url else None
    if short is not None:
        return _named(short["host"], short["path"])
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    if parts.scheme not in ("https", "http", "ssh", "git+ssh") or not parts.hostname:
        return None
    return _named(parts.hostname, parts.path)


def _named(host: str, path: str) -> RepositoryName | None:
    path = path.strip("/").removesuffix(".git")
    clean = "/" in path and ".." not in path.split("/") and not re.search(r"[\s?#%\\]", path)
    return RepositoryName(host.lower(), path) if clean else None

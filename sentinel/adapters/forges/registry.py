"""The Git servers that the settings name, and the repositories on them that may be written to."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase

from sentinel.adapters.forges import github, gitlab
from sentinel.adapters.forges.addresses import repository_of
from sentinel.adapters.forges.http import ForgeHttp
from sentinel.domain.errors import RevertError
from sentinel.domain.revert import RevertReason
from sentinel.ports import Forge
from sentinel.secret import Secret
from sentinel.values import dataclass


class ForgeKind(StrEnum):
    """Whose API a server has."""

    GITHUB = "github"
    GITLAB = "gitlab"


_AUTHORIZATIONS: Mapping[ForgeKind, Callable[[str], Mapping[str, str]]] = {
    ForgeKind.GITHUB: github.authorization,
    ForgeKind.GITLAB: gitlab.authorization,
}


@dataclass(frozen=True, slots=True)
class ForgeServer:
    """A server: its API's address, its token, and globs of the paths of repositories that may be written to."""

    kind: ForgeKind
    api_url: str
    token: Secret
    repositories: Sequence[str]
    timeout: float


@dataclass(slots=True)
class ForgeRegistry:
    """Implements `ports.Forges`. `servers` are by the host in a repository's URL, in small letters."""

    servers: Mapping[str, ForgeServer]
    now: Callable[[], datetime]
    _opened: dict[str, ForgeHttp] = field(default_factory=dict)

    def of(self, repository: str) -> Forge:
        """See `ports.Forges.of`."""
        name = repository_of(repository)
        if name is None:
            message = f"{repository!r} is not the URL of a Git repository on a server"
            raise RevertError(message, reason=RevertReason.SOURCE_UNKNOWN)
        server = self.servers.get(name.host)
        if server is None:
            message = f"gitops.revert.hosts in the settings does not include {name.host}"
            raise RevertError(message, reason=RevertReason.NOT_ALLOWED)
        if not any(fnmatchcase(name.path.lower(), glob.lower()) for glob in server.repositories):
            message = (
                f"gitops.revert.hosts.{name.host}.repositories in the settings does not include {name.path}"
            )
            raise RevertError(message, reason=RevertReason.NOT_ALLOWED)
        http = self._http(name.host, server)
        if server.kind is ForgeKind.GITHUB:
            return github.GitHubForge(http, name.path, self.now())
        return gitlab.GitLabForge(http, name.path, self.now())

    async def who(self, host: str) -> str:
        """The account of a host's token, empty where the API does not say, as of an app's. Raises RevertError."""
        status, found = await self._http(host, self.servers[host]).call(
            "GET", "user", taken=frozenset({403, 404})
        )
        name = found.get("login") or found.get("username") if isinstance(found, dict) else ""
        return str(name or "") if status == 200 else ""

    async def close(self) -> None:
        """Close the connections."""
        for http in self._opened.values():
            await http.close()

    def _http(self, host: str, server: ForgeServer) -> ForgeHttp:
        if host not in self._opened:
            self._opened[host] = ForgeHttp(
                server.api_url, server.token, _AUTHORIZATIONS[server.kind], timeout=server.timeout
            )
        return self._opened[host]

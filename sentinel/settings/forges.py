"""The section of the Git servers on which reverts are proposed."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from sentinel.policies.mistakes import InputError
from sentinel.settings.addresses import BaseUrl
from sentinel.settings.values import Seconds, Section, Token

HostName = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]
_KNOWN = {"github.com": "github", "gitlab.com": "gitlab"}


class ForgeSettings(Section):
    """A Git server: whose `api` it has, the address of that, and a token.

    `repositories` are globs of the paths that may be written to (`shop/*`). `aliases` are further hosts under which
    repositories' URLs name the server, such as ssh.github.com. The token's file is read again as it changes.
    """

    api: Literal["github", "gitlab"] | None = None
    url: BaseUrl | None = None
    token: Token = None
    token_file: Path | None = None
    repositories: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]
    aliases: tuple[HostName, ...] = ()

    @model_validator(mode="after")
    def _given(self) -> "ForgeSettings":
        if self.token is None:
            raise InputError("token is missing", "name its file with token_file", at=("token",))
        return self


class RevertSettings(Section):
    """Where reverts of undone releases are proposed, by the host in a repository's URL; without hosts nowhere."""

    hosts: dict[HostName, ForgeSettings] = Field(default_factory=dict)
    timeout: Seconds = 10.0

    @model_validator(mode="after")
    def _apis_known(self) -> "RevertSettings":
        for host, forge in self.hosts.items():
            if self.api_of(host) is None:
                raise InputError(
                    "api is missing: the host does not say whose API it has",
                    "write github or gitlab",
                    at=("hosts", host, "api"),
                )
            for alias in forge.aliases:
                if alias in self.hosts:
                    raise InputError(
                        f"{alias} is a host by itself", "remove one of them", at=("hosts", host, "aliases")
                    )
        return self

    def api_of(self, host: str) -> str | None:
        """Whose API the host has, None where nothing says so."""
        return self.hosts[host].api or _KNOWN.get(host)

    def url_of(self, host: str) -> str:
        """The address of the host's API."""
        if self.hosts[host].url is not None:
            return str(self.hosts[host].url)
        if self.api_of(host) == "gitlab":
            return f"https://{host}/api/v4"
        return "https://api.github.com" if host == "github.com" else f"https://{host}/api/v3"

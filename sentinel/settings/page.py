"""The section about the web page: where it is served, to whom, and who may ask for something there."""

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr, model_validator

from sentinel.policies.mistakes import InputError
from sentinel.settings.addresses import BaseUrl
from sentinel.settings.credentials import UserName
from sentinel.settings.values import Section, defaults


def _network(value: object) -> object:
    try:
        return ip_network(str(value))
    except ValueError as error:
        raise InputError(
            f"is not an address or a network: {error}", "write it such as 10.0.12.0/24"
        ) from None


Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]
HeaderName = Annotated[str, Field(pattern="^[A-Za-z0-9-]+$")]
Namespaces = Annotated[tuple[str, ...], Field(min_length=1)]
LARGEST = {4: 8, 6: 32}
"""The shortest prefix of a network of proxies: nobody has proxies in more addresses."""
LOOPBACK = (ip_address("127.0.0.1"), ip_address("::1"))


class WritesSettings(Section):
    """Who may approve, hold, resume and undo on the page: nobody without `proxies`.

    `proxies` are the addresses or networks of what authenticates people in front of the page; only its headers are
    believed. `users` and `groups` name who may write, each with globs of namespaces.
    """

    proxies: tuple[Network, ...] = ()
    user_header: HeaderName = "X-Forwarded-User"
    groups_header: HeaderName = "X-Forwarded-Groups"
    users: dict[str, Namespaces] = Field(default_factory=dict)
    groups: dict[str, Namespaces] = Field(default_factory=dict)

    @property
    def allowed(self) -> bool:
        """Whether anybody may write."""
        return bool(self.proxies)

    @model_validator(mode="after")
    def _whole(self) -> "WritesSettings":
        if self.proxies and not (self.users or self.groups):
            raise InputError(
                "groups are missing: without users or groups nobody may write",
                'write groups: {oncall: ["*"]}',
                at=("groups",),
            )
        if (self.users or self.groups) and not self.proxies:
            raise InputError(
                "proxies are missing: only a proxy can name a person",
                "write proxies: [10.0.12.0/24]",
                at=("proxies",),
            )
        for index, network in enumerate(self.proxies):
            if network.prefixlen < LARGEST[network.version]:
                raise InputError(
                    f"{network} is too large a network: everyone in it could claim to be anyone",
                    "name the addresses of the proxy",
                    at=("proxies", index),
                )
        return self


class UiSettings(Section):
    """The web page. On the loopback only those reach it who may forward a port to the pod.

    With a user name and a password it asks for them. With `http.tls` it is served by HTTPS as well. `url` is where
    people reach it, for the links in notices.
    """

    enabled: bool = True
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 8081
    username: UserName | None = None
    password: SecretStr | None = None
    password_file: Path | None = None
    url: BaseUrl | None = None
    writes: WritesSettings = defaults()

    @model_validator(mode="after")
    def _whole(self) -> "UiSettings":
        if (self.username is None) != (self.password is None):
            absent = "password" if self.password is None else "username"
            raise InputError(f"{absent} is missing", "give both or neither", at=(absent,))
        local = any(address in network for network in self.writes.proxies for address in LOOPBACK)
        if local and self.password is None:
            raise InputError(
                "password is missing: who may forward a port to the pod comes from the loopback too, and could claim "
                "to be anyone",
                "give username and password_file, and have the proxy send them",
                at=("password",),
            )
        return self

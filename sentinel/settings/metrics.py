"""The sections of the servers of Prometheus' API: where they are, and by whose credentials they are asked."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, model_validator

from sentinel.policies.mistakes import InputError
from sentinel.settings.addresses import Proxy, ServerUrl, Url
from sentinel.settings.credentials import (
    Authority,
    AwsName,
    HeaderName,
    UserName,
    check_certificate,
    check_headers,
)
from sentinel.settings.values import Delay, InHeader, Seconds, Section, Token, Workers, defaults

_Text = Annotated[str, Field(min_length=1)]


class OAuthSettings(Section):
    """An OAuth server that gives tokens for a client's secret: `scope` is what they are asked for. Unset: none."""

    token_url: Url | None = None
    client_id: _Text | None = None
    client_secret: SecretStr | None = None
    client_secret_file: Path | None = None
    scope: str = ""

    @model_validator(mode="after")
    def _whole(self) -> "OAuthSettings":
        needed = ("token_url", "client_id", "client_secret")
        absent = [name for name in needed if getattr(self, name) is None]
        if absent and self.model_fields_set:
            raise InputError(
                f"{absent[0]} is missing: {', '.join(needed)} belong together",
                f"write {absent[0]}, or leave oauth out",
                at=(absent[0],),
            )
        return self


class SigV4Settings(Section):
    """Requests signed for AWS, by the pod's own role, in a `region` (unset: unsigned).

    `service` is `aps` for Amazon Managed Prometheus.
    """

    region: AwsName | None = None
    service: AwsName = "aps"

    @model_validator(mode="after")
    def _whole(self) -> "SigV4Settings":
        if self.region is None and self.model_fields_set:
            raise InputError(
                "region is missing: each signature is for one",
                "write it such as eu-central-1",
                at=("region",),
            )
        return self


_CREDENTIALS = (
    "headers",
    "header_files",
    "bearer_token",
    "username",
    "oauth",
    "sigv4",
    "ca_file",
    "cert_file",
)


class PrometheusServerSettings(Section):
    """A server of Prometheus' API, and how it is asked. `scrape_interval` decides what is stale; unset, it is learnt.

    `settle` is how long after a scrape its samples can be queried; unset, it is learnt from how old they are. Files of
    secrets are read again as they change. `proxy` is an address, or `environment` for the one of HTTPS_PROXY.
    """

    url: ServerUrl | None = None
    scrape_interval: Seconds | None = None
    settle: Delay | None = None
    timeout: Seconds = 5.0
    headers: Annotated[dict[HeaderName, SecretStr], InHeader(spaces=True)] = Field(default_factory=dict)
    header_files: dict[HeaderName, Path] = Field(default_factory=dict)
    bearer_token: Token = None
    bearer_token_file: Path | None = None
    username: UserName | None = None
    password: SecretStr | None = None
    password_file: Path | None = None
    oauth: OAuthSettings = defaults()
    sigv4: SigV4Settings = defaults()
    verify_tls: bool = True
    ca_file: Authority = None
    cert_file: Path | None = None
    key_file: Path | None = None
    proxy: Proxy = None
    workers: Workers = 4

    @model_validator(mode="after")
    def _one_way(self) -> "PrometheusServerSettings":
        """There is one way in, and it is whole."""
        self._check_pair("username", "password")
        ways = {
            "bearer_token": self.bearer_token,
            "username": self.username,
            "oauth": self.oauth.token_url,
            "sigv4": self.sigv4.region,
            "headers": next(
                (n for n in (*self.headers, *self.header_files) if n.lower() == "authorization"), None
            ),
        }
        given = [name for name, value in ways.items() if value is not None]
        if len(given) > 1:
            raise InputError(
                f"{given[0]} and {given[1]} exclude each other: one request has one Authorization header",
                f"keep {given[0]} or {given[1]}",
                at=(given[1],),
                key=True,
            )
        check_headers(self.headers, self.header_files)
        return self

    @model_validator(mode="after")
    def _certificates_usable(self) -> "PrometheusServerSettings":
        self._check_pair("cert_file", "key_file")
        if self.ca_file is not None and not self.verify_tls:
            raise InputError(
                "ca_file and verify_tls: false exclude each other",
                "keep ca_file, which is what the server is verified by",
                at=("verify_tls",),
            )
        if self.cert_file is not None and self.key_file is not None:
            check_certificate(self.cert_file, self.key_file)
        return self

    def _check_pair(self, one: str, other: str) -> None:
        given = [name for name in (one, other) if getattr(self, name) is not None]
        if len(given) == 1:
            absent = other if given == [one] else one
            raise InputError(
                f"{absent} is missing: {one} and {other} belong together",
                f"write {absent}, or leave {given[0]} out",
                at=(absent,),
            )


class PrometheusSettings(PrometheusServerSettings):
    """The Prometheus server that rules ask unless they name another; without a URL it is not configured.

    `rules_url` is the server that evaluates the alerting rules, if it is another: vmalert, the ruler of Thanos or
    Mimir. Requests to it have the same credentials.
    """

    rules_url: ServerUrl | None = None

    @model_validator(mode="after")
    def _asked(self) -> "PrometheusSettings":
        """Credentials are for somebody."""
        given = next(
            (name for name in _CREDENTIALS if name in self.model_fields_set and getattr(self, name)), None
        )
        if given is not None and self.url is None and self.rules_url is None:
            raise InputError(
                f"url is missing: without it nobody is sent {given}",
                "write it such as http://prometheus:9090",
                at=("url",),
            )
        return self


class NamedSourceSettings(PrometheusServerSettings):
    """A further server of Prometheus' API, which rules choose by its name (`source: mesh`)."""

    @model_validator(mode="after")
    def _has_a_url(self) -> "NamedSourceSettings":
        if self.url is None:
            raise InputError("url is missing", "write it such as http://prometheus:9090", at=("url",))
        return self

"""The sections of the metrics systems: where they are, and by whose credentials they are asked."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator, model_validator

from sentinel.policies.mistakes import InputError
from sentinel.settings.values import Delay, Seconds, Section, Url, Workers

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
        if absent and len(absent) < len(needed):
            raise InputError(f"{absent[0]} is missing: {', '.join(needed)} belong together", at=(absent[0],))
        return self


class SigV4Settings(Section):
    """Requests signed for AWS, by the pod's own role, in a `region` (unset: unsigned).

    `service` is `aps` for Amazon Managed Prometheus.
    """

    region: _Text | None = None
    service: _Text = "aps"


class PrometheusServerSettings(Section):
    """A server of Prometheus' API, and how it is asked. `scrape_interval` decides what is stale; unset, it is learnt.

    `settle` is how long after a scrape its samples can be queried; unset, it is learnt from how old they are. Files of
    secrets are read again as they change. `proxy` is an address, or `environment` for the one of HTTPS_PROXY.
    """

    url: Url | None = None
    scrape_interval: Seconds | None = None
    settle: Delay | None = None
    timeout: Seconds = 5.0
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    header_files: dict[str, Path] = Field(default_factory=dict)
    bearer_token: SecretStr | None = None
    bearer_token_file: Path | None = None
    username: _Text | None = None
    password: SecretStr | None = None
    password_file: Path | None = None
    oauth: OAuthSettings = OAuthSettings()
    sigv4: SigV4Settings = SigV4Settings()
    verify_tls: bool = True
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    proxy: Url | Literal["environment"] | None = None
    workers: Workers = 4

    @field_validator("proxy", mode="before")
    @classmethod
    def _proxy_checked(cls, value: object) -> object:
        """Before the union, which would report both of its sides."""
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
        return value

    @model_validator(mode="after")
    def _consistent(self) -> "PrometheusServerSettings":
        self._check_pair("username", "password")
        self._check_pair("cert_file", "key_file")
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
        for key, file in (
            ("ca_file", self.ca_file),
            ("cert_file", self.cert_file),
            ("key_file", self.key_file),
        ):
            if file is not None and not file.is_file():
                raise InputError(f"{file} is not a file", "write the path of a PEM file", at=(key,))
        return self

    def _check_pair(self, one: str, other: str) -> None:
        given = [name for name in (one, other) if getattr(self, name) is not None]
        if len(given) == 1:
            absent = other if given == [one] else one
            raise InputError(f"{absent} is missing: {one} and {other} belong together", at=(absent,))

    @model_validator(mode="after")
    def _header_files_exist(self) -> "PrometheusServerSettings":
        for name, file in self.header_files.items():
            if not file.is_file():
                raise InputError(
                    f"{file} is not a file", "write the path of a file", at=("header_files", name)
                )
        return self


class PrometheusSettings(PrometheusServerSettings):
    """The Prometheus server that rules ask unless they name another; without a URL it is not configured.

    `rules_url` is the server that evaluates the alerting rules, if it is another: vmalert, the ruler of Thanos or
    Mimir. Requests to it have the same credentials.
    """

    rules_url: Url | None = None


class NamedSourceSettings(PrometheusServerSettings):
    """A further server of Prometheus' API, which rules choose by its name (`source: mesh`)."""

    @model_validator(mode="after")
    def _has_a_url(self) -> "NamedSourceSettings":
        if self.url is None:
            raise InputError("url is missing", "write it such as http://prometheus:9090", at=("url",))
        return self


class DatadogSettings(Section):
    """Datadog; without keys it is not configured. `settle` is how long counts take until they are final."""

    site: str = "datadoghq.com"
    host: Url | None = None
    api_key: SecretStr | None = None
    api_key_file: Path | None = None
    app_key: SecretStr | None = None
    app_key_file: Path | None = None
    settle: Seconds = 90.0
    timeout: Seconds = 10.0
    workers: Workers = 2

    @model_validator(mode="after")
    def _both_keys(self) -> "DatadogSettings":
        if (self.api_key is None) != (self.app_key is None):
            absent = "app_key" if self.app_key is None else "api_key"
            raise InputError(
                f"{absent} is missing: Datadog needs an API key and an application key", at=(absent,)
            )
        return self


class NewRelicSettings(Section):
    """New Relic, asked in NRQL; without a key it is not configured. `host`: that of the region. `settle`: how late its
    events come.
    """

    host: Url = "https://api.newrelic.com"
    account: Annotated[int, Field(ge=1)] | None = None
    api_key: SecretStr | None = None
    api_key_file: Path | None = None
    settle: Delay = 120.0
    timeout: Seconds = 10.0
    workers: Workers = 2

    @model_validator(mode="after")
    def _whole(self) -> "NewRelicSettings":
        if (self.api_key is None) != (self.account is None):
            absent = "account" if self.account is None else "api_key"
            raise InputError(f"{absent} is missing: New Relic needs an account and a user key", at=(absent,))
        return self


class CloudWatchSettings(Section):
    """CloudWatch, by the pod's own role; without a region it is not configured. `settle`: how late its points come."""

    region: _Text | None = None
    endpoint: Url | None = None
    settle: Delay = 120.0
    timeout: Seconds = 10.0
    workers: Workers = 2


class WebSettings(Section):
    """Which hosts `web` queries may ask (globs; none: no web query is asked), and the headers that go along."""

    allowed_hosts: tuple[str, ...] = ()
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    header_files: dict[str, Path] = Field(default_factory=dict)
    timeout: Seconds = 5.0
    workers: Workers = 2

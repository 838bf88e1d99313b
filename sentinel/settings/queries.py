"""The sections of the systems that are asked by free queries: where they are, and by whose credentials."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr, model_validator

from sentinel.policies.mistakes import InputError
from sentinel.settings.addresses import BaseUrl, HostGlob, Proxy
from sentinel.settings.credentials import Authority, AwsName, HeaderName, check_headers
from sentinel.settings.values import Delay, InHeader, Seconds, Section, Token, Workers


def _site_checked(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", value):
        raise InputError(f"{value!r} is not a site of Datadog", "write the host alone, such as datadoghq.eu")
    return value


class DatadogSettings(Section):
    """Datadog; without keys it is not configured. `settle` is how long counts take until they are final."""

    site: Annotated[str, AfterValidator(_site_checked)] = "datadoghq.com"
    host: BaseUrl | None = None
    api_key: Token = None
    api_key_file: Path | None = None
    app_key: Token = None
    app_key_file: Path | None = None
    settle: Seconds = 90.0
    timeout: Seconds = 10.0
    proxy: Proxy = None
    ca_file: Authority = None
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

    host: BaseUrl = "https://api.newrelic.com"
    account: Annotated[int, Field(ge=1)] | None = None
    api_key: Token = None
    api_key_file: Path | None = None
    settle: Delay = 120.0
    timeout: Seconds = 10.0
    proxy: Proxy = None
    ca_file: Authority = None
    workers: Workers = 2

    @model_validator(mode="after")
    def _whole(self) -> "NewRelicSettings":
        if (self.api_key is None) != (self.account is None):
            absent = "account" if self.account is None else "api_key"
            raise InputError(f"{absent} is missing: New Relic needs an account and a user key", at=(absent,))
        return self


class CloudWatchSettings(Section):
    """CloudWatch, by the pod's own role; without a region it is not configured. `settle`: how late its points come."""

    region: AwsName | None = None
    endpoint: BaseUrl | None = None
    settle: Delay = 120.0
    timeout: Seconds = 10.0
    proxy: Proxy = None
    ca_file: Authority = None
    workers: Workers = 2

    @model_validator(mode="after")
    def _somewhere(self) -> "CloudWatchSettings":
        if self.endpoint is not None and self.region is None:
            raise InputError(
                "region is missing: without it CloudWatch is not asked",
                "write it such as eu-central-1",
                at=("region",),
            )
        return self


class WebSettings(Section):
    """Which hosts `web` queries may ask (globs; none: no web query is asked), and the headers that go along."""

    allowed_hosts: tuple[HostGlob, ...] = ()
    headers: Annotated[dict[HeaderName, SecretStr], InHeader(spaces=True)] = Field(default_factory=dict)
    header_files: dict[HeaderName, Path] = Field(default_factory=dict)
    timeout: Seconds = 5.0
    proxy: Proxy = None
    ca_file: Authority = None
    workers: Workers = 2

    @model_validator(mode="after")
    def _headers_checked(self) -> "WebSettings":
        check_headers(self.headers, self.header_files)
        return self

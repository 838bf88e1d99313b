"""The sections of the channels beside Slack, each by a name that people choose."""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, model_validator

from sentinel.domain.severity import Severity
from sentinel.policies.mistakes import InputError
from sentinel.settings.addresses import BaseUrl, url_checked
from sentinel.settings.values import Seconds, Section, Token

_Globs = tuple[Annotated[str, Field(min_length=1)], ...]


def _address_checked(value: str) -> str:
    if not re.fullmatch(r"[^\s@,;<>\"]+@[^\s@,;<>\"]+", value):
        raise InputError(f"{value!r} is not a mail address", "write it such as ops@example.com")
    return value


_Address = Annotated[str, AfterValidator(_address_checked)]


class ChannelSettings(Section):
    """What all channels have: of which `policies` and `namespaces` (globs; empty: all) notices go there."""

    policies: _Globs = ()
    namespaces: _Globs = ()
    timeout: Seconds = 10.0

    def _needs(self, secret: str) -> None:
        if getattr(self, secret) is None:
            raise InputError(f"{secret} is missing", f"name its file with {secret}_file", at=(secret,))


class ChatSettings(ChannelSettings):
    """A channel for people to read: all `notices`, those of `changes` (undos, holds, promotions), or `calls`."""

    notices: Literal["all", "changes", "calls"] = "all"


class ChatWebhookSettings(ChatSettings):
    """A chat by the address of its webhook, which is a secret."""

    url: SecretStr | None = None
    url_file: Path | None = None

    @model_validator(mode="after")
    def _addressed(self) -> "ChatWebhookSettings":
        self._needs("url")
        if self.url is not None:
            url_checked(self.url.get_secret_value())
        return self


class IncidentSettings(ChannelSettings):
    """PagerDuty or Opsgenie: the `key` of an integration. `host` is another one for accounts in the EU."""

    key: Token = None
    key_file: Path | None = None
    host: BaseUrl | None = None

    @model_validator(mode="after")
    def _keyed(self) -> "IncidentSettings":
        self._needs("key")
        return self


class PagerDutySettings(IncidentSettings):
    """A service of PagerDuty, whose severities are ours."""

    severities: dict[Severity, Severity] = Field(default_factory=dict)


class OpsgenieSettings(IncidentSettings):
    """An integration of Opsgenie, with its priorities: P1, P2, P3 and P5."""

    severities: dict[Severity, Literal["P1", "P2", "P3", "P4", "P5"]] = Field(default_factory=dict)


class GrafanaSettings(ChannelSettings):
    """Grafana: each rollout as annotations, by the token of a service account that may write them."""

    url: BaseUrl
    token: Token = None
    token_file: Path | None = None

    @model_validator(mode="after")
    def _tokened(self) -> "GrafanaSettings":
        self._needs("token")
        return self


class MailSettings(ChatSettings):
    """E-mail by SMTP. Without a `username` nobody logs in."""

    host: Annotated[str, Field(min_length=1)]
    port: Annotated[int, Field(ge=1, le=65_535)] = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str | None = None
    password: SecretStr | None = None
    password_file: Path | None = None
    sender: _Address
    recipients: Annotated[tuple[_Address, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _login_whole(self) -> "MailSettings":
        if (self.username is None) != (self.password is None):
            absent = "password" if self.password is None else "username"
            raise InputError(f"{absent} is missing", "give both or neither", at=(absent,))
        if self.username is not None and self.security == "none":
            raise InputError(
                "the password would be sent unencrypted",
                "write starttls or tls",
                at=("security",),
            )
        return self

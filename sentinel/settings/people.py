"""The sections about people and those who post for them: Slack, the HTTP server's door, notices elsewhere."""

import base64
from pathlib import Path
from typing import Annotated

from pydantic import (
    Field,
    SecretStr,
    model_validator,
)

from sentinel.policies.mistakes import InputError
from sentinel.settings.addresses import BaseUrl, Url
from sentinel.settings.channels import (
    ChatSettings,
    ChatWebhookSettings,
    GrafanaSettings,
    MailSettings,
    OpsgenieSettings,
    PagerDutySettings,
)
from sentinel.settings.credentials import UserName
from sentinel.settings.values import Seconds, Section, ShortName, Token, defaults

CHANNEL_KINDS = ("teams", "discord", "pagerduty", "opsgenie", "grafana", "email")


def _is_base64(text: str) -> bool:
    try:
        return bool(base64.b64decode(text, validate=True))
    except ValueError:
        return False


class SlackApproversSettings(Section):
    """Who may press the buttons, by Slack's ids: users such as U024BE7LH, user groups such as S0614TZR7."""

    users: tuple[Annotated[str, Field(pattern="^[UW][A-Z0-9]+$")], ...] = ()
    groups: tuple[Annotated[str, Field(pattern="^S[A-Z0-9]+$")], ...] = ()


class SlackSettings(ChatSettings):
    """Slack; without a token it gets no notices.

    With an `app_token` (Socket Mode) or a `signing_secret` (posts to /webhooks/slack) messages have buttons, which only
    the `approvers` may press.
    """

    token: Token = None
    token_file: Path | None = None
    channel: str | None = None
    app_token: Token = None
    app_token_file: Path | None = None
    signing_secret: SecretStr | None = None
    signing_secret_file: Path | None = None
    approvers: SlackApproversSettings = defaults()
    base_url: BaseUrl = "https://slack.com/api"

    @model_validator(mode="after")
    def _channel_known(self) -> "SlackSettings":
        if self.token is not None and not self.channel:
            raise InputError(
                "channel is missing: a token needs a channel to write to",
                'write "#deploys"',
                at=("channel",),
            )
        return self

    @property
    def pressable(self) -> bool:
        """Whether messages have buttons."""
        return self.app_token is not None or self.signing_secret is not None

    @model_validator(mode="after")
    def _buttons_whole(self) -> "SlackSettings":
        named = bool(self.approvers.users or self.approvers.groups)
        if self.app_token is not None and self.signing_secret is not None:
            raise InputError(
                "app_token and signing_secret exclude each other",
                "keep app_token for Socket Mode, or signing_secret for posts",
                at=("signing_secret",),
            )
        if self.pressable and self.token is None:
            raise InputError("token is missing: buttons need the bot's messages", at=("token",))
        if self.pressable and not named:
            raise InputError(
                "approvers are missing: without them nobody may press a button",
                "write approvers: {users: [U024BE7LH]}",
                at=("approvers",),
            )
        if named and not self.pressable:
            raise InputError(
                "app_token is missing: approvers have no buttons without it or a signing_secret",
                at=("app_token",),
            )
        return self


class WebhookTokenSettings(Section):
    """A bearer token that may post alerts of some namespaces (globs) alone."""

    token: SecretStr | None = None
    token_file: Path | None = None
    namespaces: Annotated[tuple[str, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _given(self) -> "WebhookTokenSettings":
        if self.token is None:
            raise InputError("token is missing", "name its file with token_file", at=("token",))
        return self


class WebhookSettings(Section):
    """What Alertmanager must show: a bearer token, or a user name and password; nothing where all are unset.

    `tokens` are further ones that may post for some namespaces alone. One client may post `rate` times a second, and
    `burst` times at once.
    """

    token: SecretStr | None = None
    token_file: Path | None = None
    username: UserName | None = None
    password: SecretStr | None = None
    password_file: Path | None = None
    tokens: tuple[WebhookTokenSettings, ...] = ()
    rate: Annotated[float, Field(gt=0, le=100_000)] = 100.0
    burst: Annotated[int, Field(ge=1, le=100_000)] = 200

    @model_validator(mode="after")
    def _one_way(self) -> "WebhookSettings":
        if (self.username is None) != (self.password is None):
            absent = "password" if self.password is None else "username"
            raise InputError(f"{absent} is missing", "give both or neither", at=(absent,))
        if self.token is not None and self.username is not None:
            raise InputError(
                "token and username exclude each other", "keep one of them", at=("username",), key=True
            )
        return self


class TlsSettings(Section):
    """PEM files of the HTTP server's certificate and key; none: plain HTTP.

    With `client_ca_file` posting alerts needs a client certificate of that CA; probes and scrapes do not.
    """

    cert_file: Path | None = None
    key_file: Path | None = None
    client_ca_file: Path | None = None

    @model_validator(mode="after")
    def _whole(self) -> "TlsSettings":
        given = {"cert_file": self.cert_file, "key_file": self.key_file}
        absent = [name for name, file in given.items() if file is None]
        if absent and (len(absent) == 1 or self.client_ca_file is not None):
            raise InputError(f"{absent[0]} is missing", "give cert_file and key_file", at=(absent[0],))
        return self


class HttpSettings(Section):
    """Where health, metrics and the webhook are served."""

    host: str = "0.0.0.0"  # noqa: S104  # nosec B104  # probes and Alertmanager come from outside
    port: Annotated[int, Field(ge=0, le=65_535)] = 8080
    tls: TlsSettings = defaults()
    webhook: WebhookSettings = defaults()


class NoticeWebhookSettings(Section):
    """Where each decision is posted as a CloudEvent, signed with the secret; without a URL nowhere."""

    url: Url | None = None
    secret: SecretStr | None = None
    secret_file: Path | None = None
    timeout: Seconds = 10.0

    @model_validator(mode="after")
    def _signed(self) -> "NoticeWebhookSettings":
        if self.url is not None and self.secret is None:
            raise InputError(
                "secret is missing: it signs the events", "name its file with secret_file", at=("secret",)
            )
        secret = self.secret.get_secret_value() if self.secret is not None else ""
        if secret.startswith("whsec_") and not _is_base64(secret.removeprefix("whsec_")):
            raise InputError("secret has no valid base64 after whsec_", at=("secret",))
        return self


class NotifySettings(Section):
    """Where notices go besides Slack: a signed webhook, and channels by names that people choose."""

    webhook: NoticeWebhookSettings = defaults()
    teams: dict[ShortName, ChatWebhookSettings] = Field(default_factory=dict)
    discord: dict[ShortName, ChatWebhookSettings] = Field(default_factory=dict)
    pagerduty: dict[ShortName, PagerDutySettings] = Field(default_factory=dict)
    opsgenie: dict[ShortName, OpsgenieSettings] = Field(default_factory=dict)
    grafana: dict[ShortName, GrafanaSettings] = Field(default_factory=dict)
    email: dict[ShortName, MailSettings] = Field(default_factory=dict)

    @property
    def channels(self) -> tuple[str, ...]:
        """The named channels, as `teams/ops`."""
        return tuple(f"{kind}/{name}" for kind in CHANNEL_KINDS for name in getattr(self, kind))

"""The daemon's settings: `config/sentinel.yaml`, overridden by `SENTINEL_*` variables.

Nested keys are joined by two underscores: `prometheus.url` is `SENTINEL_PROMETHEUS__URL`. Lists are comma-separated
or JSON, mappings are JSON. A variable that is empty counts as not set. A misspelt key or variable is refused by name. Every
secret can be given as a file instead (`token_file`, `SENTINEL_SLACK__TOKEN_FILE`), as Kubernetes mounts it.
"""

import base64
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from sentinel.domain.errors import ConfigurationError
from sentinel.domain.gate import GateLimits
from sentinel.domain.policy import Mode
from sentinel.environment import CONFIG_VARIABLE, DELIMITER, PREFIX, VariablesSource, variable_of
from sentinel.policies.document import MAX_BYTES, read_documents
from sentinel.policies.explain import mistakes_of
from sentinel.policies.mistakes import InputError, PolicyError
from sentinel.policies.mistakes import Path as KeyPath
from sentinel.policies.nodes import Document, Node, Position
from sentinel.policies.quantities import parse_duration

_MAX_SECRET = 64 * 1024


def _seconds(value: object) -> object:
    """Seconds of a number, or of a duration such as `30s`."""
    if isinstance(value, str) and not re.fullmatch(r"\d+(\.\d+)?", value):
        return parse_duration(value).total_seconds()
    return value


def _url(value: str) -> str:
    """An address without the slash at its end; a wrong one is not shown, as it may hold a password."""
    try:
        parts = urlsplit(value)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError("is not an http or https address", "write it such as http://prometheus:9090")
    if "@" in parts.netloc:
        raise InputError(
            "has a user or a password in it, which logs and records would show",
            "take it out; Prometheus takes headers: {Authorization: Basic ...}",
        )
    return value.rstrip("/")


def _is_base64(text: str) -> bool:
    try:
        return bool(base64.b64decode(text, validate=True))
    except ValueError:
        return False


Seconds = Annotated[float, BeforeValidator(_seconds), Field(gt=0, le=86_400)]
Url = Annotated[str, AfterValidator(_url)]
Workers = Annotated[int, Field(ge=1, le=64)]


class Section(BaseModel):
    """Base of all sections: nothing unknown; secrets may stand in files."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _read_secret_files(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        for name in cls.model_fields:
            secret = name.removesuffix("_file")
            if secret == name or secret not in cls.model_fields or not data.get(name):
                continue
            if data.get(secret):
                raise InputError(
                    f"{secret} is given as well", f"keep {secret} or {name}", at=(name,), key=True
                )
            data = {**data, secret: _secret_in(data[name], name)}
        return data


class KubernetesSettings(Section):
    """How the cluster is reached: by a kubeconfig, else the pod's service account. No namespaces: all of them."""

    kubeconfig: Annotated[Path, AfterValidator(Path.expanduser)] | None = None
    context: str | None = None
    namespaces: tuple[str, ...] = ()


class RulesSettings(Section):
    """Where the rule files are: files or folders. `watch` takes edits over without a restart."""

    paths: Annotated[tuple[Path, ...], Field(min_length=1)] = (Path("rules"),)
    watch: bool = True


class PrometheusSettings(Section):
    """The Prometheus server; without a URL there is none. `scrape_interval` tells what is stale."""

    url: Url | None = None
    scrape_interval: Seconds = 15.0
    timeout: Seconds = 5.0
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    bearer_token: SecretStr | None = None
    bearer_token_file: Path | None = None
    verify_tls: bool = True
    workers: Workers = 4


class DatadogSettings(Section):
    """Datadog; without keys there is none. `settle` is how long counts take until they are final."""

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


class SlackApproversSettings(Section):
    """Who may press the buttons, by Slack's ids: users such as U024BE7LH, user groups such as S0614TZR7."""

    users: tuple[Annotated[str, Field(pattern="^[UW][A-Z0-9]+$")], ...] = ()
    groups: tuple[Annotated[str, Field(pattern="^S[A-Z0-9]+$")], ...] = ()


class SlackSettings(Section):
    """Slack; without a token nobody is told there.

    With an `app_token` (Socket Mode) or a `signing_secret` (posts to /webhooks/slack) messages have buttons, for the
    `approvers` alone.
    """

    token: SecretStr | None = None
    token_file: Path | None = None
    channel: str | None = None
    app_token: SecretStr | None = None
    app_token_file: Path | None = None
    signing_secret: SecretStr | None = None
    signing_secret_file: Path | None = None
    approvers: SlackApproversSettings = SlackApproversSettings()
    base_url: Url = "https://slack.com/api"
    timeout: Seconds = 10.0

    @model_validator(mode="after")
    def _channel_known(self) -> "SlackSettings":
        if self.token is not None and not self.channel:
            raise InputError(
                "channel is missing: a token alone says not where to write",
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
                "app_token and signing_secret are given",
                "keep app_token for Socket Mode, or signing_secret for posts",
                at=("signing_secret",),
            )
        if self.pressable and self.token is None:
            raise InputError("token is missing: buttons stand in messages of the bot", at=("token",))
        if self.pressable and not named:
            raise InputError(
                "approvers are missing: nobody could press a button",
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
    username: str | None = None
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
                "a token and a user name are given", "keep one of them", at=("username",), key=True
            )
        return self


class TlsSettings(Section):
    """PEM files of the HTTP server's certificate and key; none: plain HTTP.

    With `client_ca_file` whoever posts alerts must show a certificate of that CA; probes and scrapes need none.
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
    tls: TlsSettings = TlsSettings()
    webhook: WebhookSettings = WebhookSettings()


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
                "secret is missing: events are signed", "name its file with secret_file", at=("secret",)
            )
        secret = self.secret.get_secret_value() if self.secret is not None else ""
        if secret.startswith("whsec_") and not _is_base64(secret.removeprefix("whsec_")):
            raise InputError("secret begins with whsec_ and goes on with no base64", at=("secret",))
        return self


class NotifySettings(Section):
    """Who is told besides Slack."""

    webhook: NoticeWebhookSettings = NoticeWebhookSettings()


class GateJobsSettings(Section):
    """Whether gates may run Jobs; in which of the watched namespaces (none named: all); as which accounts (globs)."""

    enabled: bool = False
    namespaces: tuple[str, ...] = ()
    service_accounts: tuple[str, ...] = ("default",)


class GatesSettings(Section):
    """Which hosts the webhooks of gates may be at, globs of their names (none: no webhook is called); and Jobs."""

    allowed_hosts: tuple[str, ...] = ()
    jobs: GateJobsSettings = GateJobsSettings()

    @property
    def limits(self) -> GateLimits:
        """What rule files may ask for."""
        return GateLimits(
            self.allowed_hosts, self.jobs.enabled, self.jobs.namespaces, self.jobs.service_accounts
        )


class EvaluationSettings(Section):
    """How often rules are evaluated that name no interval, how many passes run at once, how often state is saved."""

    interval: Annotated[Seconds, Field(ge=1)] = 15.0
    concurrency: Annotated[int, Field(ge=1, le=1000)] = 32
    checkpoint_interval: Annotated[Seconds, Field(ge=5)] = 60.0


class RecordsSettings(Section):
    """How many records are kept of each workload."""

    keep: Annotated[int, Field(ge=1, le=1000)] = 20


class LeadershipSettings(Section):
    """How replicas agree on the one that acts: by a Lease. Disabled, this process acts without asking anyone.

    `lease_duration` is how long the cluster may be without a leader after one crashed. `namespace` is where the
    Lease is: the pod's own where it is unset.
    """

    enabled: bool = True
    lease_duration: Annotated[Seconds, Field(ge=5, le=300)] = 15.0
    name: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")] = "rollback-sentinel"
    namespace: str | None = None


class TracingSettings(Section):
    """Where traces go, by OTLP over HTTP: a collector's address such as http://collector:4318. Unset: none are made."""

    endpoint: Url | None = None
    timeout: Seconds = 5.0


class LogSettings(Section):
    """Logs: `auto` is readable on a terminal and JSON elsewhere."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"


class BudgetSettings(Section):
    """At most `max` undos in the whole cluster within `per`; past it everything is only observed, and people paged."""

    max: Annotated[int, Field(ge=0, le=10_000)] = 10
    per: Seconds = 3600.0


class UndoSettings(Section):
    """Limits of all undos together."""

    budget: BudgetSettings = BudgetSettings()


class Settings(BaseSettings):
    """All settings, valid. `mode` observe overrides every policy's; times are in seconds."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter=DELIMITER, extra="forbid", frozen=True
    )

    mode: Mode = Mode.ENFORCE
    drain_seconds: Seconds = 10.0
    kubernetes: KubernetesSettings = KubernetesSettings()
    rules: RulesSettings = RulesSettings()
    prometheus: PrometheusSettings = PrometheusSettings()
    datadog: DatadogSettings = DatadogSettings()
    slack: SlackSettings = SlackSettings()
    http: HttpSettings = HttpSettings()
    notify: NotifySettings = NotifySettings()
    gates: GatesSettings = GatesSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    records: RecordsSettings = RecordsSettings()
    leadership: LeadershipSettings = LeadershipSettings()
    tracing: TracingSettings = TracingSettings()
    log: LogSettings = LogSettings()
    undo: UndoSettings = UndoSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what `load_settings` gathered: nothing is read behind its back."""
        return (init_settings,)


def load_gates(path: Path) -> GateLimits:
    """What the settings in a file allow gates; nothing else of it is looked at, no secret and no variable.

    Raises ConfigurationError that lists every mistake with its file, line and key.
    """
    document, errors = _document(path)
    value = document.value
    given = value.get("gates") if isinstance(value, dict) else None
    try:
        limits = GatesSettings.model_validate(given if given is not None else {}).limits
    except ValidationError as error:
        limits = GateLimits()
        for where, mistake in mistakes_of(error, GatesSettings, later=frozenset()):
            errors.append(document.error(("gates", *where), mistake))
    if errors:
        raise ConfigurationError("\n".join(map(str, errors)))
    return limits


def load_settings(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """The settings of a file (none where `path` is None and `SENTINEL_CONFIG` names none) and an environment.

    Raises ConfigurationError that lists every mistake with its file, line and key, or its variable.
    """
    file = path or (Path(environ[CONFIG_VARIABLE]) if environ.get(CONFIG_VARIABLE) else None)
    document, errors = _document(file) if file else (Document("settings", Node(Position(0, 0), {})), [])
    source = VariablesSource(Settings, environ)
    variables = source()
    errors = [*errors, *source.errors]
    value = document.value
    if not isinstance(value, dict):
        errors.append(document.error((), InputError("is not a mapping of keys to values")))
        value = {}
    try:
        settings = Settings(**_merged(value, variables))
    except ValidationError as error:
        for where, mistake in mistakes_of(error, Settings, later=frozenset()):
            errors.append(_placed(document, environ, where, mistake))
    if errors:
        raise ConfigurationError("\n".join(map(str, errors)))
    return settings


def _document(file: Path) -> tuple[Document, list[PolicyError]]:
    empty = Document(str(file), Node(Position(1, 1), {}))
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        return empty, [PolicyError(str(file), 0, 0, "", f"cannot be read: {error.strerror}")]
    documents, errors = read_documents(data, str(file))
    if len(documents) > 1:
        errors.append(documents[1].error((), InputError("is a second document", "keep one")))
    return documents[0] if documents else empty, errors


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = _merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def _placed(
    document: Document, environ: Mapping[str, str], path: KeyPath, mistake: InputError
) -> PolicyError:
    """A mistake at the variable that gave the value, else in the file."""
    whole = (*path, *mistake.at)
    for length in range(len(whole), 0, -1):
        name = variable_of(whole[:length])
        if environ.get(name):
            return PolicyError(name, 0, 0, "", mistake.message, mistake.hint)
    return document.error(path, mistake)


def _secret_in(file: object, key: str) -> str:
    try:
        with Path(str(file)).open("rb") as stream:
            text = stream.read(_MAX_SECRET + 1).decode()
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}", at=(key,)) from None
    except ValueError:
        raise InputError(f"{file} is not text", at=(key,)) from None
    if not text.strip() or len(text) > _MAX_SECRET:
        raise InputError(
            f"{file} is empty" if not text.strip() else f"{file} is too long for a secret", at=(key,)
        )
    return text.strip()

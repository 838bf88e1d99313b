"""All sections together."""

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from sentinel.domain.policy.policy import SLACK, Mode
from sentinel.environment import DELIMITER, PREFIX
from sentinel.policies.mistakes import InputError
from sentinel.settings.metrics import NamedSourceSettings, PrometheusSettings
from sentinel.settings.page import UiSettings
from sentinel.settings.people import HttpSettings, NotifySettings, SlackSettings
from sentinel.settings.policies import PoliciesSettings
from sentinel.settings.queries import CloudWatchSettings, DatadogSettings, NewRelicSettings, WebSettings
from sentinel.settings.sections import (
    ClusterSettings,
    DoraSettings,
    EvaluationSettings,
    GatesSettings,
    GitOpsSettings,
    KubernetesSettings,
    LeadershipSettings,
    LogSettings,
    RecordsSettings,
    RulesSettings,
    TracingSettings,
    UndoSettings,
)
from sentinel.settings.values import Seconds, ShortName, defaults


class Settings(BaseSettings):
    """All settings, valid. `mode` observe overrides every policy's; times are in seconds."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter=DELIMITER, extra="forbid", frozen=True
    )

    mode: Mode = Mode.ENFORCE
    drain_seconds: Seconds = 10.0
    cluster: ClusterSettings = defaults()
    kubernetes: KubernetesSettings = defaults()
    rules: RulesSettings = defaults()
    policies: PoliciesSettings = defaults()
    prometheus: PrometheusSettings = defaults()
    sources: dict[ShortName, NamedSourceSettings] = Field(default_factory=dict)
    datadog: DatadogSettings = defaults()
    newrelic: NewRelicSettings = defaults()
    cloudwatch: CloudWatchSettings = defaults()
    web: WebSettings = defaults()
    slack: SlackSettings = defaults()
    http: HttpSettings = defaults()
    ui: UiSettings = defaults()
    notify: NotifySettings = defaults()
    gates: GatesSettings = defaults()
    gitops: GitOpsSettings = defaults()
    evaluation: EvaluationSettings = defaults()
    records: RecordsSettings = defaults()
    dora: DoraSettings = defaults()
    leadership: LeadershipSettings = defaults()
    tracing: TracingSettings = defaults()
    log: LogSettings = defaults()
    undo: UndoSettings = defaults()

    @property
    def channels(self) -> tuple[str, ...]:
        """Every channel by its name, as policies name it: `slack`, `teams/ops`."""
        return (*((SLACK,) if self.slack.token is not None else ()), *self.notify.channels)

    @property
    def asks_for_people(self) -> bool:
        """Whether commands are made in people's names: by buttons in Slack, or on the page."""
        return self.slack.pressable or (self.ui.enabled and self.ui.writes.allowed)

    @model_validator(mode="after")
    def _asked_by_tls(self) -> "Settings":
        if self.policies.objects.admission and self.http.tls.cert_file is None:
            raise InputError(
                "the API server asks by TLS alone",
                "set http.tls.cert_file and key_file",
                at=("policies", "objects", "admission"),
            )
        return self

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

"""The metrics systems that the settings name, and what wraps each of them in the daemon."""

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

from pydantic import SecretStr

from sentinel.adapters.prometheus.http.client import PrometheusClient, PrometheusConnection
from sentinel.adapters.prometheus.rules import PrometheusAlertRules
from sentinel.adapters.prometheus.source import PrometheusSource
from sentinel.app.wiring.base import Base
from sentinel.app.wiring.credentials import credentials_of
from sentinel.app.wiring.queries import query_sources
from sentinel.domain.notice import Bulletin
from sentinel.domain.policy.rules import PROMETHEUS
from sentinel.policies.load import Options
from sentinel.ports import MetricSource
from sentinel.runtime.evidence.breaker import Breaker
from sentinel.runtime.evidence.observedsource import ObservedSource
from sentinel.secret import Secret, secret_of
from sentinel.settings import Settings
from sentinel.settings.metrics import PrometheusServerSettings
from sentinel.settings.queries import DatadogSettings
from sentinel.values import dataclass


@dataclass(frozen=True, slots=True)
class Sources:
    """The metrics systems that the settings name, and who knows the alerting rules."""

    by_name: Mapping[str, MetricSource]
    rules: PrometheusAlertRules | None


def metric_sources(settings: Settings, resources: AsyncExitStack) -> Sources:
    """A source for each metrics system that has an address or keys in the settings. Raises ConfigurationError."""
    by_name: dict[str, MetricSource] = {}
    rules = None
    prometheus = settings.prometheus
    servers = {PROMETHEUS: prometheus, **{f"{PROMETHEUS}/{n}": one for n, one in settings.sources.items()}}
    for name, server in servers.items():
        if server.url is not None:
            client = _prometheus_client(server, server.url, resources)
            by_name[name] = PrometheusSource(
                client, name=name, scrape_interval=server.scrape_interval, settle=server.settle
            )
            rules = rules or PrometheusAlertRules(client)
    if prometheus.rules_url is not None:
        rules = PrometheusAlertRules(_prometheus_client(prometheus, prometheus.rules_url, resources))
    if settings.datadog.api_key is not None and settings.datadog.app_key is not None:
        by_name["datadog"] = _datadog(settings.datadog, resources)
    by_name |= {source.name: source for source in query_sources(settings, resources)}
    return Sources(by_name, rules)


def options_of(settings: Settings, sources: Sources) -> Options:
    """What rule files may rely on under these settings."""
    return Options(
        kinds=frozenset(settings.kubernetes.kinds),
        routes=frozenset(settings.kubernetes.routes),
        interval=timedelta(seconds=settings.evaluation.interval),
        sources=frozenset(sources.by_name),
        gates=settings.gates.limits,
        reverts=bool(settings.gitops.revert.hosts),
        channels=settings.channels,
        bounds=tuple(each.limits for each in settings.policies.objects.bounds),
    )


def _datadog(settings: DatadogSettings, resources: AsyncExitStack) -> MetricSource:
    # Not at the top: only those who have Datadog pay for its client's memory.
    from sentinel.adapters.datadog.client import DatadogClient, DatadogConnection
    from sentinel.adapters.datadog.source import DatadogSource

    client = DatadogClient(
        DatadogConnection(
            url=settings.host or f"https://api.{settings.site}",
            api_key=_secret(settings.api_key, settings.api_key_file),
            app_key=_secret(settings.app_key, settings.app_key_file),
            timeout=settings.timeout,
            threads=settings.workers,
            proxy=settings.proxy,
            ca_file=str(settings.ca_file) if settings.ca_file else None,
        )
    )
    resources.callback(client.close)
    return DatadogSource(client, settle=settings.settle)


def _prometheus_client(
    settings: PrometheusServerSettings, url: str, resources: AsyncExitStack
) -> PrometheusClient:
    connection = PrometheusConnection(
        url,
        credentials=credentials_of(settings),
        verify_tls=settings.verify_tls,
        ca_file=str(settings.ca_file) if settings.ca_file else None,
        certificate=(str(settings.cert_file), str(settings.key_file)) if settings.cert_file else None,
        proxy=settings.proxy,
        timeout=settings.timeout,
        threads=settings.workers,
    )
    client = PrometheusClient(connection)
    resources.callback(client.close)
    return client


def guarded_sources(
    base: Base, sources: Sources, tell: Callable[[Bulletin], None]
) -> dict[str, MetricSource]:
    """Each source behind a circuit breaker, its questions measured; `tell` is given the news of a breaker."""
    clock, telemetry = base.clock, base.telemetry
    return {
        name: ObservedSource(Breaker(source, clock, telemetry, base.rng, tell), clock, telemetry, base.tracer)
        for name, source in sources.by_name.items()
    }


def _secret(value: SecretStr | None, file: Path | None) -> Secret:
    return secret_of(value.get_secret_value() if value is not None else "", file)

"""The metrics systems that are asked by free queries, as the settings name them."""

from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from sentinel.app.wiring.credentials import headers_of
from sentinel.domain.errors import ConfigurationError
from sentinel.domain.gate import GateLimits
from sentinel.domain.policy.rules import CLOUDWATCH, NEW_RELIC, WEB
from sentinel.ports import MetricSource
from sentinel.secret import secret_of
from sentinel.settings import Settings
from sentinel.settings.queries import CloudWatchSettings, NewRelicSettings, WebSettings

LONGER = 2.0
"""So many seconds more than the request itself the thread that makes it may take."""


def query_sources(settings: Settings, resources: AsyncExitStack) -> Iterator[MetricSource]:
    """Those that are configured. Raises ConfigurationError where a package for one is missing."""
    new_relic, cloudwatch, web = settings.newrelic, settings.cloudwatch, settings.web
    if not (new_relic.api_key or cloudwatch.region or web.allowed_hosts):
        return
    # Not at the top: only those who have one of them pay for its memory.
    from sentinel.adapters.queries.asking import Ask, CountMinutes, JsonRequests, QuerySource
    from sentinel.adapters.queries.cloudwatch import CloudWatch
    from sentinel.adapters.queries.newrelic import NewRelic
    from sentinel.adapters.queries.web import WebMetrics

    def source(
        name: str,
        ask: Ask,
        settings: NewRelicSettings | CloudWatchSettings | WebSettings,
        count: CountMinutes | None = None,
    ) -> MetricSource:
        made = QuerySource(
            name,
            ask,
            count=count,
            settle=0.0 if isinstance(settings, WebSettings) else settings.settle,
            timeout=settings.timeout + LONGER,
            threads=settings.workers,
        )
        resources.callback(made.close)
        return made

    if new_relic.api_key is not None and new_relic.account is not None:
        key = secret_of(new_relic.api_key.get_secret_value(), new_relic.api_key_file)
        nerdgraph = NewRelic(
            new_relic.host,
            new_relic.account,
            key,
            JsonRequests(new_relic.timeout, new_relic.proxy, _text(new_relic.ca_file)),
        )
        yield source(NEW_RELIC, nerdgraph.ask, new_relic, nerdgraph.count)
    if cloudwatch.region is not None:
        asking = CloudWatch(_cloudwatch(cloudwatch))
        yield source(CLOUDWATCH, asking.ask, cloudwatch, asking.count)
    if web.allowed_hosts:
        pages = WebMetrics(
            GateLimits(web.allowed_hosts),
            headers_of(web.headers, web.header_files),
            JsonRequests(web.timeout, web.proxy, _text(web.ca_file)),
        )
        yield source(WEB, pages.ask, web)


def _cloudwatch(settings: CloudWatchSettings) -> Callable[[], Any]:
    """What makes the client. Raises ConfigurationError where boto3 is missing."""
    from sentinel.adapters.queries.cloudwatch import cloudwatch_client

    try:
        return cloudwatch_client(
            settings.region or "",
            timeout=settings.timeout,
            endpoint=settings.endpoint,
            proxy=settings.proxy,
            ca_file=_text(settings.ca_file),
        )
    except ImportError as error:
        raise ConfigurationError(str(error)) from error


def _text(file: Path | None) -> str | None:
    return str(file) if file is not None else None

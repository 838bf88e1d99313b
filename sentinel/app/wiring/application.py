"""Builds the daemon from its settings: the only place where adapters and runtime meet."""

import random
from collections.abc import Callable

from sentinel.adapters.http.server import HttpServer
from sentinel.app.rulefiles import RuleFiles
from sentinel.app.wiring.alerting import intake_of
from sentinel.app.wiring.base import Base, base_of
from sentinel.app.wiring.listening.paging import WebPage, page_of
from sentinel.app.wiring.listening.serving import door_of, http_of
from sentinel.app.wiring.people.pressing import pressing_of
from sentinel.app.wiring.people.telling import channels_of, news_of, notices_of
from sentinel.app.wiring.policies import policies_of
from sentinel.app.wiring.reconciling import reconciling_of
from sentinel.app.wiring.sources import metric_sources
from sentinel.app.wiring.startup import announce_start
from sentinel.app.wiring.watches import watches_of
from sentinel.ports import Clock, RecordStore
from sentinel.runtime.daemon import Daemon
from sentinel.runtime.leadership import Leadership
from sentinel.settings import Settings


class Application:
    """The daemon and its HTTP servers, as one thing that starts and stops."""

    def __init__(
        self, base: Base, daemon: Daemon, http: HttpServer, page: WebPage, rule_files: RuleFiles
    ) -> None:
        self._base = base
        self.daemon = daemon
        self.http = http
        self.page = page
        self.rule_files = rule_files
        self.store: RecordStore = base.gateway.records
        self.leadership: Leadership = base.leadership

    async def start(self) -> None:
        """Listen first, so that probes are answered while the watches sync; then watch and judge.

        Raises SentinelError with a sentence on what is missing; nothing is left running then.
        """
        base = self._base
        await self.http.start()
        try:
            await announce_start(base.settings, self.rule_files.digest, self.http.url, base.gateway.client)
            await self.daemon.start()
            await self.page.start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Be unready, take nothing new, finish what is under way, close everything; within the drain time."""
        await self.page.stop()
        await self.daemon.stop(self._base.settings.drain_seconds * 0.8)
        await self.http.stop()
        await self._base.resources.aclose()


async def build(
    settings: Settings,
    *,
    clock: Clock,
    rng: random.Random,
    elapsed: Callable[[], float] | None = None,
) -> Application:
    """The application that these settings describe; nothing runs yet and nothing was asked of the cluster.

    `elapsed` is the clock that measures the lease, where it is not the `clock`'s own.

    Raises ConfigurationError for rule files or a kubeconfig that cannot be used.
    """
    base = await base_of(settings, clock, rng, elapsed)
    sources = metric_sources(settings, base.resources)
    channels = channels_of(base)
    news = news_of(base, channels)
    policies = policies_of(base, sources, news)
    notices = notices_of(base, channels, policies.registry)
    reconciling = reconciling_of(base, sources, news, policies.registry, notices)
    pressing = pressing_of(base)
    daemon = Daemon(
        watches_of(base, policies.switch, policies.objects),
        reconciling.services,
        reconciling.loop,
        base.queue,
        base.leadership,
        {**news.tasks, **notices.tasks, **policies.tasks, **pressing.tasks},
    )
    intake = intake_of(base, policies.registry, sources, news)
    door = door_of(settings.http)
    http = http_of(base, intake, daemon, policies, pressing, door)
    page = page_of(base, reconciling, policies.switch, door)
    return Application(base, daemon, http, page, policies.rule_files)

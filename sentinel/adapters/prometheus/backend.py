"""What answers PromQL at an address: recognised by how it answers, so that nobody has to configure it."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime

from sentinel.adapters.prometheus.series import selectors
from sentinel.domain.errors import SourceError
from sentinel.values import dataclass

VICTORIA_METRICS = "VictoriaMetrics"
THANOS = "Thanos"
_LOOKBACK = "300s"
_RELEASE = re.compile(r"v?(\d+\.\d+(?:\.\d+)?\S*)")
_VICTORIA_VERSION = re.compile(r'^vm_app_version\{[^}]*version="[^"]*?(\d+\.\d+\.\d+)[^"]*"', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class MetricsBackend:
    """A server of Prometheus' API: its name and version for people (empty where it does not tell), and its traits.

    `metricsql`: it evaluates MetricsQL. There `timestamp(m)` outlives `m` by minutes, a scalar comes as a vector,
    a NaN is left out, and no series is a native histogram. `settle` in seconds: how long after a scrape all of its
    samples can be queried; 0 where they can at once, as far as is known.
    """

    product: str = "Prometheus"
    version: str = ""
    metricsql: bool = False
    settle: float = 0.0

    def __str__(self) -> str:
        return f"{self.product} {self.version}".rstrip()

    @property
    def parameters(self) -> Mapping[str, str]:
        """What goes along with every query, so that the answer is whole and of the time that was asked for.

        VictoriaMetrics answers as of 30 s ago unless told not to cache; Thanos leaves out a store that does not answer.
        """
        if self.metricsql:
            return {"nocache": "1"}
        return {"dedup": "true", "partial_response": "false"} if self.product == THANOS else {}

    @property
    def instant_parameters(self) -> Mapping[str, str]:
        """The same of an instant query. In MetricsQL its `step` is how old a sample may be: 5 m, as in PromQL."""
        return {**self.parameters, "step": _LOOKBACK} if self.metricsql else self.parameters

    @property
    def range_settles(self) -> float:
        """How many seconds before the present the answers to range queries end.

        VictoriaMetrics repeats a series' value of 30 s ago in all later points, whatever goes along with the query.
        """
        return 30.0 if self.metricsql else 0.0

    def fresh(self, selector: str, at: datetime) -> str:
        """The selector, so that series which are new as of a time are found.

        VictoriaMetrics remembers for 10 s which series a selector finds, whatever goes along with the query: pods that
        began meanwhile are left out. So each tick has its own selector, which finds the same.
        """
        if not self.metricsql:
            return selector
        return selectors.narrowed(selector, (PAST_CACHES, "!=", f"{at.timestamp():.3f}"))

    def stamps(self, selector: str) -> str:
        """The query of when each series of a selector, that still exists, was scraped last."""
        return f"timestamp({selector}) and {selector}" if self.metricsql else f"timestamp({selector})"


PROMETHEUS = MetricsBackend()
"""What a server is taken for that shows nothing else."""

VICTORIA_SETTLES = 4.0
"""VictoriaMetrics makes samples visible by the batch, every second in older releases, every four in newer ones."""
WRITTEN_SETTLES = 5.0
"""Mimir, and what does not tell its version as Prometheus does, are filled by remote writes, mostly every 5 s."""
PAST_CACHES = "rollback_sentinel_at"
"""A label that no series has."""


@dataclass(frozen=True, slots=True)
class Recognition:
    """Finds out by a few questions. Both calls block and raise SourceError.

    `get` gives the whole `data` of an endpoint of the API, `page` the text at a path of the same host.
    """

    get: Callable[[str, Mapping[str, str]], object]
    page: Callable[[str], str]

    def backend(self) -> MetricsBackend:
        """The backend. Raises SourceError where the server does not answer at all."""
        # A number is a scalar to Prometheus and everything that took over its engine, a vector to MetricsQL: that
        # holds behind any proxy, where neither paths nor versions can be relied on.
        number = self.get("/api/v1/query", {"query": "1"})
        info = self._info()
        if isinstance(number, Mapping) and number.get("resultType") == "vector":
            return MetricsBackend(
                VICTORIA_METRICS, self._victoria_version(), metricsql=True, settle=VICTORIA_SETTLES
            )
        version = _text(info, "version")
        release = _RELEASE.match(version)
        product = _text(info, "application") or (THANOS if self._has_stores(version) else PROMETHEUS.product)
        at_once = product == THANOS or (product == PROMETHEUS.product and version)
        settle = 0.0 if at_once else WRITTEN_SETTLES
        return MetricsBackend(product, release[1] if release else version, settle=settle)

    def _info(self) -> object:
        """Who it says it is; nothing where the question is not let through or not known."""
        try:
            return self.get("/api/v1/status/buildinfo", {})
        except SourceError:
            return {}

    def _has_stores(self, version: str) -> bool:
        """Whether it is Thanos, which alone has stores. Every release of Prometheus since 2017 is 2 or more."""
        if version and not version.removeprefix("v").startswith("0."):
            return False
        try:
            return isinstance(self.get("/api/v1/stores", {}), Mapping)
        except SourceError:
            return False

    def _victoria_version(self) -> str:
        try:
            found = _VICTORIA_VERSION.search(self.page("/metrics"))
        except SourceError:
            return ""
        return found[1] if found else ""


def _text(info: object, key: str) -> str:
    found = info.get(key) if isinstance(info, Mapping) else None
    return found if isinstance(found, str) else ""

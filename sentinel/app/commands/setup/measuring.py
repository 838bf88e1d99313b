"""Checks of the metrics systems: what each is, how it scrapes, and which of its traits the settings must allow for."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from sentinel.adapters.prometheus.inspection import ServerReport
from sentinel.adapters.prometheus.scrapes import USUAL
from sentinel.adapters.prometheus.source import PrometheusSource
from sentinel.app.commands.setup.checks import Check, Level, fail, ok, warn
from sentinel.app.wiring.sources import Sources
from sentinel.domain.errors import SourceError
from sentinel.domain.figures import duration
from sentinel.domain.policy.rules import CLOUDWATCH, DATADOG, NEW_RELIC, ValueQuery
from sentinel.ports import MetricSource

PROBES = {DATADOG: "avg:datadog.agent.running{*}", NEW_RELIC: "SELECT 1", CLOUDWATCH: "TIME_SERIES(1)"}
"""A question that every account may ask; of what the web has, only the rules know."""
TOO_RARE = 1.5
"""Scrapes so many times further apart than the settings say make samples stale."""
PROMPT = 5.0
"""Scrapes this close together in seconds keep no large fault waiting."""
SCRAPE_ADVICE = (
    "no fault is found before its first scrape; scraped each 5 s or less, guarded workloads are judged sooner"
)
SKEWED = 5.0
"""Seconds by which a server's clock may differ."""
METRICSQL_ADVICE = (
    "do not write `or vector(0)` after a ratio in query rules: a ratio without traffic is empty, not NaN"
)


async def source_checks(sources: Sources) -> list[Check]:
    """Whether each metrics system that the settings name answers."""
    if not sources.by_name:
        return [
            warn(
                "metrics",
                "no metrics system is configured",
                "set prometheus.url if your rules need metrics",
            )
        ]
    return [check for name, source in sources.by_name.items() for check in await _source_checks(name, source)]


async def _source_checks(name: str, source: MetricSource) -> list[Check]:
    now = datetime.now(UTC)
    try:
        if isinstance(source, PrometheusSource):
            return [*server_checks(name, await source.report(now), source.configured_interval)]
        if name not in PROBES:
            return [ok(name, "configured; each of its queries is asked where a rule has one")]
        await source.value(ValueQuery(name, PROBES[name]), now)
    except SourceError as error:
        return [
            fail(name, str(error), f"check {_settings_key(name)} in the settings and the network path to it")
        ]
    return [ok(name, "answers queries")]


def server_checks(name: str, report: ServerReport, configured: float | None) -> Iterator[Check]:
    """Which server it is, and which of its traits the settings or the rules have to allow for.

    `configured` is the scrape interval of the settings, in seconds; None where it is learnt.
    """
    known = [
        f"{what} {duration(timedelta(seconds=value))}"
        for what, value in (("scrapes each", report.interval), ("newest sample", report.lag))
        if value is not None
    ]
    found = f"{report.backend} answers queries" + "".join(f", {text}" for text in known)
    rare = report.interval is not None and report.interval > PROMPT
    advice = [METRICSQL_ADVICE] * report.backend.metricsql + [SCRAPE_ADVICE] * rare
    advice += _stale_jobs(name, report, configured)
    yield Check(name, Level.OK, found, "; ".join(advice))
    key = _settings_key(name)
    if report.ahead is not None and abs(report.ahead) > SKEWED:
        side = "ahead of" if report.ahead > 0 else "behind"
        yield warn(
            name,
            f"its clock is {abs(report.ahead):.0f} s {side} this machine's: evidence is judged so much later, by "
            "what was before",
            "synchronise the clocks of both (NTP)",
        )
    yield from _interval_checks(name, key, report.interval, configured)
    if report.away:
        yield warn(
            name,
            f"it does not reach {', '.join(report.away)}, and leaves the series there out without a word",
            "bring these stores back; with --endpoint-strict for each, the querier refuses such questions instead",
        )
    usual = TOO_RARE * (configured or report.interval or USUAL) + report.backend.settle
    if report.lag is not None and report.lag > usual:
        yield warn(
            name,
            f"its newest sample is {report.lag:.0f} s old: faults are found so much later",
            "let what writes to it send sooner (`batch_send_deadline` of a remote write), or look at its scrapes",
        )


def _stale_jobs(name: str, report: ServerReport, configured: float | None) -> list[str]:
    """What to do where jobs are scraped so rarely that the settings' interval makes them stale."""
    rare = sorted(
        job for job, seconds in report.rare.items() if configured and seconds > TOO_RARE * configured
    )
    if not rare or configured is None:
        return []
    more = f" and {len(rare) - 3} more" if len(rare) > 3 else ""
    setting = f"{_settings_key(name)}.scrape_interval"
    return [
        f"pods of {', '.join(rare[:3])}{more} are scraped more rarely than {setting} says, and count as stale: "
        "leave it out to be learnt of each job"
    ]


def _interval_checks(
    name: str, key: str, measured: float | None, configured: float | None
) -> Iterator[Check]:
    """Whether the settings' scrape interval is the server's; one that is learnt needs no check."""
    if measured is None and configured is None:
        yield warn(
            name,
            f"it has no metric `up` of five minutes; until a workload's own samples tell, {USUAL:g} s are assumed",
            f"set {key}.scrape_interval to how often its samples come",
        )
    if measured is None or configured is None:
        return
    wrong = ""
    if measured > TOO_RARE * configured:
        wrong = "most samples count as stale"
    elif TOO_RARE * measured < configured:
        wrong = "faults are found later than they could be"
    if wrong:
        yield warn(
            name,
            f"it scrapes each {measured:.0f} s, but {key}.scrape_interval is {configured:g} s: {wrong}",
            f"set {key}.scrape_interval to {measured:.0f}s, or leave it out to be learnt",
        )


def _settings_key(name: str) -> str:
    """Under which key the settings have a metrics system."""
    kind, _, named = name.partition("/")
    return f"sources.{named}" if named else kind

"""What doctor says of a metrics system: which it is, how it scrapes, and what the settings have to allow for."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from sentinel.adapters.prometheus.backend import MetricsBackend
from sentinel.adapters.prometheus.inspection import ServerReport, stores_away
from sentinel.adapters.prometheus.scrapes import interval_query
from sentinel.adapters.prometheus.source import PrometheusSource
from sentinel.app.commandline import app
from sentinel.app.commands.setup.checks import Level
from sentinel.app.commands.setup.measuring import server_checks
from tests.adapters.prometheus.fake import NOW, prometheus

VICTORIA = MetricsBackend("VictoriaMetrics", "1.79.5", metricsql=True)


async def test_interval_and_lag_are_measured() -> None:
    """By the servers' own metric of its targets."""
    async with prometheus() as (fake, client):
        fake.answers["max(timestamp(up))"] = [({}, NOW.timestamp() - 4)]
        fake.answers[interval_query("up")] = [({}, 15)]
        report = await PrometheusSource(client).report(NOW)
    assert (str(report.backend), report.interval, report.lag) == ("Prometheus", 15, pytest.approx(4))
    assert report.ahead is None


@pytest.mark.parametrize("as_vector", [False, True], ids=["Prometheus", "VictoriaMetrics"])
async def test_the_clock_and_the_rare_jobs_of_a_server_are_told(as_vector: bool) -> None:
    """By its answer to `time()` as of its own time; and by the jobs that its targets have."""
    ahead = NOW.timestamp() + 30
    async with prometheus() as (fake, client):
        fake.answers["time()"] = [({}, ahead)] if as_vector else ahead
        fake.answers[interval_query("up")] = [({}, 15)]
        fake.answers[interval_query("up", "job")] = [({"job": "web"}, 15), ({"job": "batch"}, 59.9)]
        report = await PrometheusSource(client).report(NOW)
    assert report.ahead == pytest.approx(30, abs=5)
    assert report.rare == {"batch": 60}


@pytest.mark.parametrize(
    ("report", "levels", "said"),
    [
        (
            ServerReport(MetricsBackend(version="3.16.0"), 15, 3),
            [Level.OK],
            "Prometheus 3.16.0 answers queries, ",
        ),
        (ServerReport(VICTORIA, 15, 3), [Level.OK], "VictoriaMetrics 1.79.5"),
        (ServerReport(VICTORIA, 60, 3), [Level.OK, Level.WARN], "set sources.mesh.scrape_interval to 60s"),
        (ServerReport(VICTORIA, 15, 40), [Level.OK, Level.WARN], "its newest sample is 40 s old"),
        (ServerReport(MetricsBackend("Grafana Mimir", settle=5.0), 15, 27), [Level.OK], "newest sample 27 s"),
        (ServerReport(VICTORIA, 5, 3), [Level.OK, Level.WARN], "set sources.mesh.scrape_interval to 5s"),
        (ServerReport(VICTORIA, 15, 3), [Level.OK], "no fault is found before its first scrape"),
        (
            ServerReport(MetricsBackend("Thanos", "0.42.4"), 15, 3, ("10.0.0.7:10901",)),
            [Level.OK, Level.WARN],
            "does not reach 10.0.0.7:10901, and leaves the series there out without a word",
        ),
        (ServerReport(VICTORIA, None, None), [Level.OK], ""),
        (
            ServerReport(VICTORIA, 15, 3, rare={"batch": 60.0}),
            [Level.OK],
            "pods of batch are scraped more rarely",
        ),
        (ServerReport(VICTORIA, 15, 3, rare={"batch": 20.0}, ahead=1.0), [Level.OK], ""),
        (
            ServerReport(VICTORIA, 15, 3, ahead=30.0),
            [Level.OK, Level.WARN],
            "its clock is 30 s ahead of this",
        ),
        (
            ServerReport(VICTORIA, 15, 3, ahead=-8.0),
            [Level.OK, Level.WARN],
            "its clock is 8 s behind this machine",
        ),
    ],
)
def test_the_report_is_compared_with_the_settings(
    report: ServerReport, levels: list[Level], said: str
) -> None:
    """A trap is a warning with the key that has to be set."""
    checks = list(server_checks("prometheus/mesh", report, 15.0))
    assert [check.level for check in checks] == levels
    assert any(said in f"{check.found} {check.remedy}" for check in checks)
    assert "vector(0)" in checks[0].remedy or not report.backend.metricsql


@pytest.mark.parametrize(
    ("interval", "levels"), [(60.0, [Level.OK]), (5.0, [Level.OK]), (None, [Level.OK, Level.WARN])]
)
def test_an_interval_that_is_learnt_needs_no_check(interval: float | None, levels: list[Level]) -> None:
    """Only where nothing tells it there is a warning."""
    checks = server_checks("prometheus", ServerReport(VICTORIA, interval, 3), None)
    assert [check.level for check in checks] == levels


def test_stores_whose_health_check_failed_are_away() -> None:
    """As Thanos 0.42 lists its stores, by kind."""
    here = {"name": "127.0.0.1:10901", "lastError": None, "labelSets": [{"replica": "a"}]}
    gone = {"name": "127.0.0.1:10902", "lastError": "rpc error: code = DeadlineExceeded desc = …"}
    assert stores_away({"sidecar": [here, gone], "store": [here]}) == ("127.0.0.1:10902",)
    assert stores_away(["something else"]) == ()


@pytest.mark.parametrize(("source", "code"), [("mesh", 0), ("msh", 1)])
def test_a_rule_that_names_a_source_is_checked_against_the_settings(
    tmp_path: Path, source: str, code: int
) -> None:
    """As the daemon does, with no more than the settings file: its secrets may be missing here."""
    settings, rules = tmp_path / "sentinel.yaml", tmp_path / "rules.yaml"
    settings.write_text(
        "prometheus: {url: http://p:9090, password_file: /nowhere}\nsources: {mesh: {url: http://m:9090}}\n"
    )
    rules.write_text(
        "apiVersion: rollback-sentinel.dev/v1\nkind: RolloutPolicy\nmetadata: {name: shop}\nspec:\n"
        "  match: {kinds: [Deployment], namespaces: [shop]}\n  rules:\n    - name: errors\n      errorRate:\n"
        f"        source: {source}\n        max: 5%\n        prometheus:\n"
        '          total: r{namespace="$namespace"}\n          errors: r{namespace="$namespace", code="500"}\n'
    )
    result = CliRunner().invoke(app, ["rules", "check", str(rules), "--config", str(settings)])
    assert result.exit_code == code, result.output
    assert ("sources.msh" in result.output) is bool(code)

"""Whole rehearsals on a real Prometheus that was filled with a recorded day."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from rich.console import Console
from typer.testing import CliRunner

from clustersim.ports import free_port
from sentinel.app.commandline import app
from sentinel.app.commands.rulesets.rehearsing import Wish, make_report
from sentinel.app.rehearsal.html import html_report
from sentinel.app.rehearsal.model import Rehearsed, RehearsedVerdict, RevisionFate
from sentinel.app.rehearsal.rehearse import Rules
from sentinel.app.rehearsal.summary import RehearsalReport
from sentinel.policies.load import PolicySet, load
from tests.app.rehearsal.recording import NAME, NAMESPACE, Recording, Release
from tests.support.processes import binary, running

pytestmark = [pytest.mark.real, pytest.mark.real_time, pytest.mark.asyncio(loop_scope="module")]

NOW = datetime.now(UTC).replace(microsecond=0)
BEGAN = NOW - timedelta(hours=30)
RULES = """
apiVersion: rollback-sentinel.dev/v1
kind: RolloutPolicy
metadata: {name: shop}
spec:
  match:
    selector: {matchLabels: {app.kubernetes.io/name: shop}}
  strategy:
    canary: {steps: [{weight: 25%, bake: 2m}]}
    bake: 10m
    guard: 20m
    deadline: 30m
  rules:
    - name: error-rate
      errorRate: {preset: prometheus-http, max: 5%}
    - {name: crash-loop, crashLoop: {}}
    - name: errors-per-second
      query:
        prometheus: sum(rate(http_requests_total{pod=~"$candidate_pods", code="500"}[1m])) or vector(0)
        fail: value > 1000.0
  alerts:
    - {match: ['alertname="Complaints"'], action: undo}
"""


def after(minutes: float) -> datetime:
    """A time of the recorded day."""
    return BEGAN + timedelta(minutes=minutes)


RELEASES = [
    Release("good1", BEGAN),
    Release("good2", after(40)),
    Release("errs3", after(90), error_rate=0.3),
    Release("good2", after(115)),
    Release("loop4", after(150), crashing=True),
    Release("good2", after(165)),
    Release("errs5", after(210), error_rate=0.3),
]

PLAIN = [
    Release("one1", BEGAN),
    Release("two2", after(40), error_rate=0.3),
    Release("three3", after(80), alert="Complaints"),
]
"""A Deployment of which kube-state-metrics told nothing."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def prometheus(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A Prometheus that holds the recorded day."""
    promtool, program = binary("promtool"), binary("prometheus")
    home = tmp_path_factory.mktemp("rehearsal")
    recorded = Recording(RELEASES, after(260)).openmetrics()
    other = Recording([Release("one1", BEGAN), Release("two2", after(50))], after(120), pods=1, name="other")
    other_lines = "\n".join(
        line for line in other.openmetrics().splitlines() if "kube_deployment_labels" not in line
    )
    plain = Recording(PLAIN, after(140), name="plain", kube=False).openmetrics()
    (home / "recorded").write_text(f"{recorded}{other_lines}\n{plain}# EOF\n")
    fill = [promtool, "tsdb", "create-blocks-from", "openmetrics", str(home / "recorded"), str(home / "data")]
    await asyncio.to_thread(subprocess.run, fill, check=True, capture_output=True, timeout=60)
    (home / "prometheus.yml").write_text("global: {}\n")
    port = free_port()
    command = [
        program,
        f"--config.file={home / 'prometheus.yml'}",
        f"--storage.tsdb.path={home / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        # Back-filled series end without the marker by which a scraped one ends at once.
        "--query.lookback-delta=40s",
        "--log.level=warn",
    ]
    url = f"http://127.0.0.1:{port}"
    async with running(command, f"{url}/-/ready", home / "log"):
        yield url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def report(prometheus: str, tmp_path_factory: pytest.TempPathFactory) -> RehearsalReport:
    """The report on all rollouts of the day."""
    folder = tmp_path_factory.mktemp("rules")
    return await make_report(wish(prometheus, folder), Console(quiet=True))


def wish(url: str, folder: Path, **more: object) -> Wish:
    """A wish for everything since before the day."""
    (folder / "shop.yaml").write_text(RULES)
    loaded = load([folder])
    assert isinstance(loaded, PolicySet)
    values: dict[str, object] = {
        "workload": None,
        "times": None,
        "resume": None,
        "per_second": 500.0,
        "scrape_interval": 15.0,
    }
    rules = Rules(loaded.policies)
    return Wish(url, rules, loaded.digest, BEGAN - timedelta(hours=1), NOW, **values | more)  # type: ignore[arg-type]


def of(report: RehearsalReport, revision: str) -> Rehearsed:
    """The first result of a revision."""
    return next(one for one in report.results if one.rollout.candidate == revision)


async def test_every_rollout_is_found_with_what_became_of_it(report: RehearsalReport) -> None:
    """Six of the shop and one of the other workload, in order, begun when their ReplicaSets got pods."""
    shop = [one.rollout for one in report.results if one.rollout.workload == NAME]
    assert [(one.candidate, one.stable) for one in shop] == [
        ("good2", "good1"),
        ("errs3", "good2"),
        ("good2", "errs3"),
        ("loop4", "good2"),
        ("good2", "loop4"),
        ("errs5", "good2"),
    ]
    assert [one.fate for one in shop] == [
        RevisionFate.KEPT,
        RevisionFate.ROLLED_BACK,
        RevisionFate.KEPT,
        RevisionFate.ROLLED_BACK,
        RevisionFate.REPLACED,
        RevisionFate.KEPT,
    ]
    assert abs((shop[0].began - after(40)).total_seconds()) <= 15


async def test_a_good_release_would_have_been_promoted(report: RehearsalReport) -> None:
    """Its error rate, its pods and its query pass."""
    assert of(report, "good2").verdict is RehearsedVerdict.PROMOTE


async def test_a_bad_release_would_have_been_undone_on_its_errors(report: RehearsalReport) -> None:
    """Long before people went back, by numbers of both arms."""
    bad = of(report, "errs3")
    assert bad.verdict is RehearsedVerdict.UNDO
    assert bad.decisive is not None
    assert bad.decisive.rule == "error-rate"
    assert "canary 29" in bad.decisive.message or "canary 30" in bad.decisive.message
    assert bad.saved is not None
    assert bad.saved > timedelta(minutes=15)


async def test_a_crash_loop_would_have_been_undone_on_what_kube_state_metrics_tells(
    report: RehearsalReport,
) -> None:
    """Without any metric of the service itself."""
    loop = of(report, "loop4")
    assert loop.decisive is not None
    assert (loop.verdict, loop.decisive.rule) == (RehearsedVerdict.UNDO, "crash-loop")
    assert "CrashLoopBackOff" in loop.decisive.message


async def test_an_undo_of_what_still_runs_is_suspected_false(report: RehearsalReport) -> None:
    """People were content with it, as far as the series tell."""
    assert of(report, "errs5").suspected_false
    assert report.summary.suspected_false == 1
    assert (report.summary.undone, report.summary.confirmed, report.summary.missed) == (3, 2, 0)


async def test_a_workload_that_no_policy_matches_is_unguarded(report: RehearsalReport) -> None:
    """Without its labels in the series nothing can be said of it."""
    assert of(report, "two2").verdict is RehearsedVerdict.UNGUARDED


async def test_both_arms_are_plotted(report: RehearsalReport) -> None:
    """The new revision's errors stand out from the old one's."""
    curve = next(one for one in of(report, "errs3").curves if one.rule == "error-rate")
    assert max(point.candidate or 0.0 for point in curve.points) > 0.25
    assert max(point.baseline or 0.0 for point in curve.points) == 0.0
    assert any(point.baseline is not None for point in curve.points)
    assert html_report(report).count("<svg") >= 6


async def test_a_plot_goes_on_after_the_decision(report: RehearsalReport) -> None:
    """What really happened then lets the reader judge the judgement."""
    bad = of(report, "errs3")
    curve = next(one for one in bad.curves if one.rule == "error-rate")
    assert bad.decisive is not None
    after_it = [point for point in curve.points if point.at > bad.decisive.at + timedelta(minutes=5)]
    assert min(point.candidate or 0.0 for point in after_it) > 0.25


async def test_without_kube_state_metrics_pods_are_told_apart_by_their_names(
    prometheus: str, tmp_path: Path
) -> None:
    """A workload that is named is found by the rules' own metric, and judged by it."""
    wanted = wish(prometheus, tmp_path, workload=(NAMESPACE, "plain"))
    forced = replace(wanted, rules=Rules(wanted.rules.policies, wanted.rules.policies[0]))
    report = await make_report(forced, Console(quiet=True))
    bad = of(report, "two2")
    assert (bad.rollout.stable, bad.verdict) == ("one1", RehearsedVerdict.UNDO)
    assert bad.decisive is not None
    assert bad.decisive.rule == "error-rate"


async def test_an_alert_of_then_counts_as_if_it_had_been_sent(prometheus: str, tmp_path: Path) -> None:
    """It is found in Prometheus' own series of alerts, and undoes what no rule finds fault with."""
    wanted = wish(prometheus, tmp_path, workload=(NAMESPACE, "plain"))
    forced = replace(wanted, rules=Rules(wanted.rules.policies, wanted.rules.policies[0]))
    report = await make_report(forced, Console(quiet=True))
    alerted = of(report, "three3")
    assert alerted.verdict is RehearsedVerdict.UNDO
    assert alerted.decisive is not None
    assert "Complaints" in alerted.decisive.message
    assert alerted.decisive.at >= after(83)


async def test_a_second_run_takes_what_the_first_one_kept(prometheus: str, tmp_path: Path) -> None:
    """The kept results alone make the same report, without a question about any pod."""
    kept = tmp_path / "kept.jsonl"
    only = {"workload": (NAMESPACE, NAME), "resume": kept}
    first = await make_report(wish(prometheus, tmp_path, **only), Console(quiet=True))
    written = kept.read_text()
    second = await make_report(wish(prometheus, tmp_path, **only), Console(quiet=True))
    assert second.results == first.results
    assert kept.read_text() == written


async def test_the_command_reports_on_one_rollout_as_json(prometheus: str, tmp_path: Path) -> None:
    """As a user types it, with a list of times."""
    rules, times, out = tmp_path / "shop.yaml", tmp_path / "times", tmp_path / "report.json"
    rules.write_text(RULES)
    times.write_text(
        f"{NAMESPACE}/{NAME} {after(151).isoformat()}\n{NAMESPACE}/{NAME} {after(9).isoformat()}\n"
    )
    arguments = ["--prometheus", prometheus, "--times", str(times), "--since", "2d", "--qps", "500"]
    arguments += ["--format", "json", "--out", str(out)]
    result = await asyncio.to_thread(CliRunner().invoke, app, ["rules", "rehearse", str(rules), *arguments])
    assert result.exit_code == 0, result.output
    plain = json.loads(out.read_text())
    assert [one["rollout"]["candidate"] for one in plain["rollouts"]] == ["loop4"]
    assert plain["notes"][0].startswith(f"Prometheus recorded no rollout of {NAMESPACE}/{NAME} at about")

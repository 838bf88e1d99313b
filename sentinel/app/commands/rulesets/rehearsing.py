"""`sentinel rules rehearse`: what the rules would have decided of past rollouts."""

import asyncio
import json
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sentinel.adapters.prometheus.http.client import PrometheusClient, PrometheusConnection
from sentinel.adapters.prometheus.source import PrometheusSource
from sentinel.app.commands.options import duration
from sentinel.app.exitcodes import UsageError
from sentinel.app.rehearsal.discovery import find_by_name, find_rollouts
from sentinel.app.rehearsal.history import MetricHistory, PacedClient
from sentinel.app.rehearsal.html import html_report
from sentinel.app.rehearsal.listed import pick, read_times
from sentinel.app.rehearsal.model import PastRollout, Rehearsed
from sentinel.app.rehearsal.progress import Kept, rehearse_all
from sentinel.app.rehearsal.rehearse import Backstage, Rules
from sentinel.app.rehearsal.summary import RehearsalReport
from sentinel.app.rehearsal.table import print_table
from sentinel.domain.errors import ConfigurationError
from sentinel.policies.load import PolicySet, describe, load
from sentinel.policies.schema.conditions import CelConditions
from sentinel.values import dataclass

TIMEOUT = 60.0
"""Seconds that one query may take: ranges of days are slow."""

PLAIN_WIDTH = 160
"""Columns of a table that goes to no terminal."""


class ReportFormat(StrEnum):
    """The format of the report."""

    TABLE = "table"
    JSON = "json"
    HTML = "html"


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for, checked."""

    url: str
    rules: Rules
    digest: str
    since: datetime
    until: datetime
    workload: tuple[str, str] | None
    times: Path | None
    resume: Path | None
    per_second: float
    scrape_interval: float


def rehearse_command(  # noqa: PLR0913 - one to each option
    prometheus: Annotated[str, typer.Option(help="URL of the Prometheus that recorded the rollouts.")],
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Rule files or folders. Default: rules/.")
    ] = None,
    since: Annotated[str, typer.Option(help="How far to look back.")] = "14d",
    workload: Annotated[str | None, typer.Option(help="Only this workload: namespace/name.")] = None,
    policy: Annotated[
        str | None, typer.Option(help="Judge every rollout by this policy, whatever it matches.")
    ] = None,
    times: Annotated[
        Path | None,
        typer.Option(help="Only those in this file: lines 'namespace/name TIME', or RolloutRecords."),
    ] = None,
    form: Annotated[
        ReportFormat, typer.Option("--output", "-o", "--format", "-f", help="Format of the report.")
    ] = ReportFormat.TABLE,
    out: Annotated[Path | None, typer.Option(help="Write the report here instead of to stdout.")] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Keep results here, and skip those already there.")
    ] = None,
    qps: Annotated[float, typer.Option(help="Queries to Prometheus per second, at most.", min=0.1)] = 20.0,
    scrape_interval: Annotated[str, typer.Option(help="How often Prometheus scraped the workloads.")] = "15s",
) -> None:
    """Replay the rules on recorded rollouts: which decisions they would have made, when, and on what evidence."""
    now = datetime.now(UTC).replace(microsecond=0)
    chosen, digest = _rules(paths or [Path("rules")], policy)
    wish = Wish(
        prometheus,
        chosen,
        digest,
        now - duration(since, "--since"),
        now,
        _workload(workload),
        times,
        resume,
        qps,
        duration(scrape_interval, "--scrape-interval").total_seconds(),
    )
    report = asyncio.run(make_report(wish, Console(stderr=True)))
    _write(report, form, out)


async def make_report(wish: Wish, console: Console) -> RehearsalReport:
    """Find the rollouts and rehearse them all. Raises SourceError, ConfigurationError."""
    client = PrometheusClient(PrometheusConnection(wish.url, timeout=TIMEOUT))
    try:
        paced = PacedClient(client, wish.per_second)
        history = MetricHistory(paced)
        source = PrometheusSource(paced, scrape_interval=wish.scrape_interval)
        with _progress(console) as progress:
            looking = progress.add_task("looking for rollouts", total=None)
            rollouts, notes = await _rollouts(wish, history)
            progress.remove_task(looking)
            bar = progress.add_task("rehearsing", total=len(rollouts))

            def done(_: Rehearsed) -> None:
                progress.advance(bar)

            conditions = CelConditions()
            backstage = Backstage(
                history, source, lambda text, values, scalar: conditions.holds(text, values, scalar=scalar)
            )
            kept = Kept(wish.resume, wish.digest)
            results = await rehearse_all(rollouts, wish.rules, backstage, kept, done)
    finally:
        client.close()
    return RehearsalReport(wish.url, wish.since, wish.until, wish.digest, tuple(results), tuple(notes))


async def _rollouts(wish: Wish, history: MetricHistory) -> tuple[list[PastRollout], list[str]]:
    """The rollouts that are asked for, and a sentence on what was not found."""
    found = await find_rollouts(history, wish.since, wish.until, wish.workload)
    wanted = read_times(wish.times) if wish.times is not None else None
    named = {(namespace, name) for namespace, name, _ in wanted or ()}
    named |= {wish.workload} if wish.workload is not None else set()
    for workload in sorted(named - {(one.namespace, one.workload) for one in found}):
        policies = wish.rules.policies
        found += await find_by_name(history, policies, wish.since, wish.until, workload)
    if wanted is not None:
        return pick(found, wanted)
    if found:
        return found, []
    return [], [
        "no rollout was found. Check that Prometheus has series of kube-state-metrics for this time "
        "(kube_replicaset_spec_replicas, kube_replicaset_owner, kube_pod_owner). Without them name a workload with "
        "--workload or --times: its pods are then told apart by their names"
    ]


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )


def _rules(paths: list[Path], name: str | None) -> tuple[Rules, str]:
    loaded = load(paths)
    if not isinstance(loaded, PolicySet):
        raise ConfigurationError(f"the rule files have errors:\n{describe(loaded)}")
    forced = next((policy for policy in loaded.policies if policy.name == name), None)
    if name is not None and forced is None:
        known = ", ".join(policy.name for policy in loaded.policies)
        raise UsageError(f"the rule files have no policy {name}; they have {known}")
    return Rules(loaded.policies, forced), f"{loaded.digest}{f' as {name}' if name else ''}"


def _workload(text: str | None) -> tuple[str, str] | None:
    if text is None:
        return None
    namespace, slash, name = text.partition("/")
    if not slash or not namespace or not name or any(char in text for char in '"\\\n'):
        raise UsageError(f"--workload {text}: write it as namespace/name")
    return namespace, name


def _write(report: RehearsalReport, form: ReportFormat, out: Path | None) -> None:
    try:
        if form is ReportFormat.TABLE:
            if out is None:
                console = Console()
                print_table(report, console if console.is_terminal else Console(width=PLAIN_WIDTH))
            else:
                with out.open("w", encoding="utf-8") as stream:
                    print_table(report, Console(file=stream, width=PLAIN_WIDTH))
            return
        text = (
            html_report(report)
            if form is ReportFormat.HTML
            else json.dumps(report.as_json(), indent=2) + "\n"
        )
        if out is None:
            typer.echo(text, nl=False)
        else:
            out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{out} cannot be written: {error.strerror}") from error

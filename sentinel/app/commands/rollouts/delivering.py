"""`sentinel dora`: how often, how fast and how well software is delivered."""

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from sentinel.app.commands.connection import connected, place, run
from sentinel.app.commands.flags import AllNamespaces, Context, Kubeconfig, Namespace, Place, searched
from sentinel.app.commands.layout import table
from sentinel.app.commands.naming import called
from sentinel.app.commands.output import Output, OutputOption, show, show_data
from sentinel.app.exitcodes import UsageError
from sentinel.domain.figures import age, amount, listed, percent
from sentinel.reports.dora import WINDOWS, DoraFigures, DoraScope, DoraTargets, dora, dora_document
from sentinel.reports.history import KEPT

_COLUMNS = ("WORKLOAD", "DAYS", "DEPLOYED", "PER DAY", "LEAD TIME", "FAILED", "RESTORED")


def dora_command(
    days: Annotated[
        list[int] | None, typer.Option("--days", help="Over so many days; may be given several times.")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            help="Settings with the targets. Default: SENTINEL_CONFIG, or the usual targets.",
        ),
    ] = None,
    namespace: Namespace = "",
    context: Context = "",
    kubeconfig: Kubeconfig = "",
    everywhere: AllNamespaces = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show DORA's figures: deployment frequency, lead time, change failure rate, time to restore."""
    windows = tuple(days or WINDOWS)
    if not all(0 < one <= max(WINDOWS) for one in windows):
        raise UsageError(f"--days must be between 1 and {max(WINDOWS)}: {KEPT.days} days are kept")
    from sentinel.settings import load_settings

    targets = load_settings(config, os.environ).dora.targets
    at = place(namespace, context, kubeconfig, everywhere=everywhere)
    run(_dora(at, windows, targets, output))


async def _dora(at: Place, windows: Sequence[int], targets: DoraTargets, output: Output) -> None:
    async with connected(at) as cluster:
        # Records first: one that is deleted in between is in both, and counted once; the other way it is in neither.
        records = await cluster.reader.records(at.namespace)
        histories = await cluster.reader.histories(at.namespace)
    scopes = dora(records, histories, datetime.now(UTC), windows)
    if at.namespace:
        scopes = scopes[1:]
    if output.for_people:
        show(dora_table(scopes, targets, at.namespace), output)
    else:
        show_data(dora_document(scopes, targets), output)


def dora_table(scopes: Sequence[DoraScope], targets: DoraTargets, namespace: str) -> RenderableType:
    """The figures for people; an exclamation mark stands behind what misses its target."""
    if not any(figures.total.changes for scope in scopes for figures in scope.figures):
        where = searched(namespace)
        return Text(f"No rollout in {where} reached users in this time, and none is in a history.")
    columns, rows = list(_COLUMNS), [row for scope in scopes for row in _rows(scope, targets)]
    if not namespace:
        columns.insert(0, "NAMESPACE")
    else:
        rows = [row[1:] for row in rows]
    return Group(table(columns, rows), Text(""), Text(_legend(scopes, targets)))


def _rows(scope: DoraScope, targets: DoraTargets) -> Iterator[list[str | Text]]:
    for index, figures in enumerate(scope.figures):
        names = [scope.namespace or "(all)", called(scope.workload) if scope.workload else "(all)"]
        yield [*(names if index == 0 else ["", ""]), *_cells(figures, targets)]


def _cells(figures: DoraFigures, targets: DoraTargets) -> list[str | Text]:
    total, met = figures.total, figures.met(targets)

    def cell(name: str, text: str) -> Text:
        return Text(f"{text} !", style="red") if met[name] is False else Text(text)

    rate = figures.change_failure_rate
    share = f"{percent(rate)} ({total.failed}/{total.changes})" if rate is not None else "-"
    return [
        str(figures.days),
        str(total.deployments),
        cell("deployments_per_day", f"{figures.deployments_per_day:.2g}"),
        cell("lead_time", _time(figures.lead_time)),
        cell("change_failure_rate", share),
        cell("time_to_restore", _time(figures.time_to_restore)),
    ]


def _time(seconds: float | None) -> str:
    return "-" if seconds is None else age(timedelta(seconds=round(seconds)))


def _legend(scopes: Sequence[DoraScope], targets: DoraTargets) -> str:
    aims = [
        f"{targets.deployments_per_day:g} a day",
        f"lead time under {_time(targets.lead_time)}",
        f"failed under {percent(targets.change_failure_rate)}",
        f"restored in less than {_time(targets.time_to_restore)}",
    ]
    said = f"! misses its target: {listed(aims)}."
    totals = [scope.figures[-1].total for scope in scopes if scope.workload is not None]
    by_image, leads = sum(one.by_image for one in totals), sum(one.lead.count for one in totals)
    if by_image:
        said += f" {by_image} of {amount(leads, 'lead time')} count from the making of the image, not from the commit."
    without = sum(one.deployments for one in totals) - leads
    if without:
        said += (
            f" {amount(without, 'deployment')} without a lead time: CI does not say the time of the commit."
        )
    return said

"""`sentinel rules`: rule files as tested code."""

import asyncio
import json
import os
from pathlib import Path
from typing import Annotated

import typer

from sentinel.app.commands.connection import AllNamespaces, Context, Kubeconfig, Namespace, Place, place, run
from sentinel.app.commands.rollouts.showing import show_command
from sentinel.app.commands.rulesets.clusterwide import cluster_checks
from sentinel.app.commands.rulesets.mistakes import MistakeFormat, report
from sentinel.app.commands.setup.checks import Check, Level
from sentinel.app.ruletest.coverage import total
from sentinel.app.ruletest.report import coverage_lines, lines, write_junit
from sentinel.app.ruletest.session import run_tests
from sentinel.policies.checking import Checked, check_paths
from sentinel.policies.load import DEFAULTS, TEST_SUFFIXES, Options
from sentinel.policies.presets import PRESETS
from sentinel.policies.ruletest import schema as test_schema
from sentinel.policies.schema import policy as schema
from sentinel.settings import load_gates, load_settings

rules = typer.Typer(help="Rule files: check, explain and test them.", no_args_is_help=True)

rules.command("show")(show_command)

Paths = Annotated[list[Path], typer.Argument(help="Rule files or folders.")]


@rules.command("check")
def check(
    paths: Paths,
    format: Annotated[  # noqa: A002
        MistakeFormat, typer.Option("--format", "-f", help="How mistakes are reported.")
    ] = MistakeFormat.TEXT,
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="The daemon's settings file: say which gates it does not allow."),
    ] = None,
    cluster: Annotated[
        bool,
        typer.Option("--cluster", help="Look at the workloads that the rules guard, and at their metrics."),
    ] = False,
    namespace: Namespace = "",
    everywhere: AllNamespaces = False,
    context: Context = "",
    kubeconfig: Kubeconfig = "",
) -> None:
    """Say every mistake in rule files and their tests, with its place; exit code 1 when there is one.

    With the daemon's settings (`--config`) a gate that these would never let be asked is a mistake as well, as it is
    to the daemon. Of the settings only `gates` is read: no secret that they name need be there.
    What works but seldom means what it says is a warning, which fails nothing.
    Folders are read with their subfolders.
    With `--cluster` every Deployment that the rules guard is looked at as well, in one namespace or in all (`-A`):
    whether its metrics have the labels that the rules need, and whether its canary steps can be made. The settings say
    where the metrics are. What would never be judged is a mistake.
    """
    checked = check_paths(paths, Options(gates=load_gates(config)) if config is not None else DEFAULTS)
    found: list[Check] | None = None
    if cluster and not checked.errors:
        found = _in_cluster(checked, config, place(namespace, context, kubeconfig, everywhere=everywhere))
    report(checked, found, format)
    if checked.errors or any(one.level is Level.FAIL for one in found or ()):
        raise typer.Exit(1)


def _in_cluster(checked: Checked, config: Path | None, at: Place) -> list[Check]:
    """What the cluster says of rule files that are fine in themselves."""
    files = [Path(file) for file in checked.files if not file.endswith(TEST_SUFFIXES)]
    return run(cluster_checks(files, load_settings(config, os.environ), at))


@rules.command("schema")
def print_schema(
    tests: Annotated[bool, typer.Option("--tests", help="Of rule tests (*.test.yaml) instead.")] = False,
) -> None:
    """Print the JSON Schema of rule files, for editors (yaml-language-server) and other tools."""
    typer.echo(json.dumps(test_schema.json_schema() if tests else schema.json_schema(), indent=2))


@rules.command("presets")
def presets(name: Annotated[str, typer.Argument(help="One preset; all without.")] = "") -> None:
    """Show the metric families that `preset:` knows: selectors, how the arms are told apart, what they need."""
    if name and name not in PRESETS:
        raise typer.BadParameter(f"there is no preset {name}; known: {', '.join(sorted(PRESETS))}")
    for key in [name] if name else sorted(PRESETS):
        preset = PRESETS[key]
        typer.echo(f"{key}: {preset.about}")
        facts = {
            "total": preset.total,
            "errors": preset.errors,
            "histogram": preset.histogram or f"none; {preset.no_latency}",
            "arms": f"label {preset.arms}" if preset.arms else "pod",
            "needs": preset.needs,
        }
        for fact, text in facts.items():
            if text:
                typer.echo(f"  {fact}: {text}")
        for origin in preset.origin:
            typer.echo(f"  from: {origin}")


@rules.command("test")
def run_rule_tests(
    paths: Annotated[list[Path], typer.Argument(help="Test files (*.test.yaml), or folders of them.")],
    coverage: Annotated[
        bool, typer.Option("--coverage", help="Say which rules and branches no test reaches.")
    ] = False,
    minimum: Annotated[
        float, typer.Option("--min-coverage", min=0, max=100, help="Percent below which the run fails.")
    ] = 0.0,
    junit: Annotated[Path | None, typer.Option("--junit", help="Write JUnit's XML to this file.")] = None,
    named: Annotated[str, typer.Option("--name", "-k", help="Only tests whose name contains this.")] = "",
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Name the tests that pass as well.")
    ] = False,
) -> None:
    """Run the unit tests of rule files through the very engine that decides, on virtual time.

    Exit code 1 when a test fails, a file is wrong, or less than --min-coverage percent is reached.
    """
    session = asyncio.run(run_tests(paths, named=named))
    for error in session.errors:
        typer.echo(str(error), err=True)
    if session.errors:
        raise typer.Exit(1)
    for line in lines(session.results, verbose=verbose):
        typer.echo(line)
    if coverage or minimum:
        for line in coverage_lines(session.coverage):
            typer.echo(line)
    if junit is not None:
        try:
            write_junit(session.results, junit)
        except OSError as error:
            raise typer.BadParameter(f"{junit} cannot be written: {error.strerror}") from None
    reached = total(session.coverage) * 100
    if minimum > reached:
        typer.echo(f"coverage {reached:.0f}% is below the {minimum:g}% asked for", err=True)
    if not session.passed or minimum > reached or not session.results:
        raise typer.Exit(1)

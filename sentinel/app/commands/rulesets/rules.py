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

rules = typer.Typer(help="Check, explain and test rule files.", no_args_is_help=True)

rules.command("show")(show_command)

Paths = Annotated[list[Path], typer.Argument(help="Rule files or folders.")]


@rules.command("check")
def check(
    paths: Paths,
    format: Annotated[  # noqa: A002
        MistakeFormat, typer.Option("--format", "-f", help="How errors are shown.")
    ] = MistakeFormat.TEXT,
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="The daemon's settings file, to check which gates it allows."),
    ] = None,
    cluster: Annotated[
        bool,
        typer.Option("--cluster", help="Check the guarded workloads and their metrics too."),
    ] = False,
    namespace: Namespace = "",
    everywhere: AllNamespaces = False,
    context: Context = "",
    kubeconfig: Kubeconfig = "",
) -> None:
    """Show every error in rule files and their tests, with its place. Exit code 1 if there is one.

    Reads folders with their subfolders. Warnings point at what works but is seldom intended; they fail nothing.
    With `--config` a gate that the daemon's settings do not allow is an error too, as it is to the daemon. Of the
    settings the command only reads `gates`: the secrets that they name may be missing.
    With `--cluster` the command also checks every workload that the rules guard, in one namespace or in all (`-A`):
    whether its metrics have the labels that the rules need, and whether its canary steps are possible. The settings
    name the metrics sources. A rule that could never be judged is an error.
    """
    checked = check_paths(paths, Options(gates=load_gates(config)) if config is not None else DEFAULTS)
    found: list[Check] | None = None
    if cluster and not checked.errors:
        found = _in_cluster(checked, config, place(namespace, context, kubeconfig, everywhere=everywhere))
    report(checked, found, format)
    if checked.errors or any(one.level is Level.FAIL for one in found or ()):
        raise typer.Exit(1)


def _in_cluster(checked: Checked, config: Path | None, at: Place) -> list[Check]:
    """What the cluster adds on rule files that are valid."""
    files = [Path(file) for file in checked.files if not file.endswith(TEST_SUFFIXES)]
    return run(cluster_checks(files, load_settings(config, os.environ), at))


@rules.command("schema")
def print_schema(
    tests: Annotated[
        bool, typer.Option("--tests", help="The schema of rule tests (*.test.yaml) instead.")
    ] = False,
) -> None:
    """Print the JSON Schema of rule files, for editors (yaml-language-server) and other tools."""
    typer.echo(json.dumps(test_schema.json_schema() if tests else schema.json_schema(), indent=2))


@rules.command("presets")
def presets(name: Annotated[str, typer.Argument(help="One preset. Default: all.")] = "") -> None:
    """Show the metric families that `preset:` knows: their selectors, how they tell the arms apart, what they need."""
    if name and name not in PRESETS:
        raise typer.BadParameter(f"unknown preset {name}; known: {', '.join(sorted(PRESETS))}")
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
        bool, typer.Option("--coverage", help="Show which rules and branches no test reaches.")
    ] = False,
    minimum: Annotated[
        float, typer.Option("--min-coverage", min=0, max=100, help="Fail below this percentage.")
    ] = 0.0,
    junit: Annotated[Path | None, typer.Option("--junit", help="Write JUnit XML to this file.")] = None,
    named: Annotated[
        str, typer.Option("--name", "-k", help="Run only tests whose name contains this text.")
    ] = "",
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="List passing tests too.")] = False,
) -> None:
    """Run the unit tests of rule files on the daemon's own engine, in virtual time.

    Exit code 1 if a test fails, a file has errors, or the coverage is below --min-coverage.
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
        typer.echo(f"coverage {reached:.0f}% is below --min-coverage {minimum:g}%", err=True)
    if not session.passed or minimum > reached or not session.results:
        raise typer.Exit(1)

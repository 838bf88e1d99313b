"""`sentinel rules check`: every error in rule files, with its place."""

import os
from pathlib import Path
from typing import Annotated

import typer

from sentinel.app.commands.flags import AllNamespaces, Context, Kubeconfig, Namespace
from sentinel.app.commands.rulesets.mistakes import MistakeFormat, report
from sentinel.app.commands.setup.checks import Check, Level
from sentinel.policies.checking import Checked, check_paths
from sentinel.policies.load import DEFAULTS, TEST_SUFFIXES, Options

Paths = Annotated[list[Path], typer.Argument(help="Rule files or folders.")]


def check_command(
    paths: Paths,
    format: Annotated[  # noqa: A002
        MistakeFormat, typer.Option("--output", "-o", "--format", "-f", help="How errors are shown.")
    ] = MistakeFormat.TEXT,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", "-c", help="The daemon's settings file, to check which gates and channels it has."
        ),
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
    With `--config` a gate that the daemon's settings do not allow is an error too, as it is to the daemon, and so are
    a channel and a named metrics source that they do not have. Of the settings the command reads no more: the secrets
    that they name may be missing.
    With `--cluster` the command also checks every workload that the rules guard, in one namespace or in all (`-A`):
    whether its metrics have the labels that the rules need, and whether its canary steps are possible. The settings
    name the metrics sources. A rule that could never be judged is an error.
    """
    checked = check_paths(paths, _options(config))
    found: list[Check] | None = None
    if cluster and not checked.errors:
        found = _in_cluster(checked, config, (namespace, context, kubeconfig), everywhere=everywhere)
    report(checked, found, format)
    if checked.errors or any(one.level is Level.FAIL for one in found or ()):
        raise typer.Exit(1)


# Neither the settings nor the connection is imported at the top: most checks need neither, and start fast.


def _options(config: Path | None) -> Options:
    """What the settings file allows rules; the defaults without one."""
    if config is None:
        return DEFAULTS
    from sentinel.settings import load_channels, load_gates, load_sources

    return Options(gates=load_gates(config), channels=load_channels(config), sources=load_sources(config))


def _in_cluster(
    checked: Checked, config: Path | None, where: tuple[str, str, str], *, everywhere: bool
) -> list[Check]:
    """What the cluster adds on rule files that are valid."""
    from sentinel.app.commands.connection import place, run
    from sentinel.app.commands.rulesets.clusterwide import cluster_checks
    from sentinel.settings import load_settings

    files = [Path(file) for file in checked.files if not file.endswith(TEST_SUFFIXES)]
    at = place(*where, everywhere=everywhere)
    return run(cluster_checks(files, load_settings(config, os.environ), at))

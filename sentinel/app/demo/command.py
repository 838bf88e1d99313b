"""`sentinel demo`: rollouts on a simulated cluster, for people to look at."""

import asyncio
from importlib.util import find_spec
from typing import Annotated

import typer
from rich.console import Console

from sentinel.app.exitcodes import UsageError
from sentinel.app.logs import configure_logs
from sentinel.domain.errors import ConfigurationError
from sentinel.policies.mistakes import did_you_mean


def demo_command(
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the cluster running afterwards, for kubectl.")
    ] = False,
    port: Annotated[int, typer.Option(help="Port of the simulated API server; 0 chooses a free one.")] = 0,
    metrics_port: Annotated[int, typer.Option(help="Port of the simulated pods' metrics.")] = 0,
    http_host: Annotated[str, typer.Option(help="Address that the daemon listens on.")] = "127.0.0.1",
    http_port: Annotated[int, typer.Option(help="Port of the daemon's webhook, health and metrics.")] = 0,
    ui_port: Annotated[int, typer.Option(help="Port of the web page.")] = 0,
    prometheus: Annotated[
        str, typer.Option(help="URL of a real Prometheus to use instead of the simulated one.")
    ] = "",
    story: Annotated[
        str,
        typer.Option(help="statefulset, daemonset, canary-http, blue-green or argo-rollout: one to show."),
    ] = "",
) -> None:
    """Play six rollouts on a simulated cluster, or a few of one strategy. Exit code 1 if one ends unexpectedly."""
    if find_spec("clustersim") is None:
        raise ConfigurationError(
            "the demo needs the simulated cluster, which is not installed: pip install 'rollback-sentinel[demo]'"
        )
    from sentinel.app.demo.play import play  # not at the top: it may not be installed
    from sentinel.app.demo.stage import Front
    from sentinel.app.demo.stories import PLAYS

    if story not in PLAYS:
        raise UsageError(f"--story {story}: unknown ({did_you_mean(story, filter(None, PLAYS))})")
    console = Console()
    configure_logs("error", "auto")
    try:
        front = Front(port, metrics_port, http_host, http_port, ui_port, prometheus, story)
        well = asyncio.run(play(console, front, keep=keep))
    except KeyboardInterrupt:
        return
    raise typer.Exit(0 if well else 1)

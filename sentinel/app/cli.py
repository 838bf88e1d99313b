"""The command line: `sentinel run`, `sentinel demo`, `sentinel rules …`, `sentinel crd`."""

import asyncio
import os
import random
import signal
import sys
import traceback
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from sentinel.adapters.kubernetes.custom.crd import definition_text
from sentinel.app.commands.operating import add_operating_commands
from sentinel.app.commands.rulesets.importing import import_command
from sentinel.app.commands.rulesets.power import power_command
from sentinel.app.commands.rulesets.rehearsing import rehearse_command
from sentinel.app.commands.rulesets.rules import rules
from sentinel.app.exitcodes import ExitCode, RootGroup, UsageError, code_of
from sentinel.app.logs import configure_logs
from sentinel.app.memory import keep_tidy, settle
from sentinel.app.wiring.application import build
from sentinel.domain.errors import ConfigurationError, SentinelError
from sentinel.policies.mistakes import did_you_mean
from sentinel.ports import SystemClock
from sentinel.settings import Settings, load_settings
from sentinel.version import installed_version

SWITCH_SECONDS = 0.0005
"""How long a thread that decodes metrics may keep the event loop waiting each time; Python grants ten times that."""

app = typer.Typer(
    cls=RootGroup,
    help="Judges Kubernetes rollouts by YAML rules, and promotes or undoes them automatically.",
    epilog="Exit codes: 0 yes, 1 no, 3 not confirmed, 64 wrong usage, 66 not found, 69 a server did not answer, "
    "70 a defect, 77 not allowed, 78 wrong settings or files, 130 interrupted; `sentinel wait` answers with 0 to 5.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)
app.add_typer(rules, name="rules")
rules.command("import")(import_command)
rules.command("rehearse")(rehearse_command)
rules.command("power")(power_command)
add_operating_commands(app)


def main() -> None:
    """Run the command line; a user's mistake is one sentence on stderr with an exit code, never a traceback."""
    try:
        app()
    except SentinelError as error:
        typer.echo(f"sentinel: {error}", err=True)
        sys.exit(code_of(error))
    except Exception:
        traceback.print_exc()
        typer.echo("sentinel: this is a defect. Please report it with the lines above", err=True)
        sys.exit(ExitCode.DEFECT)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"sentinel {installed_version()}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and exit.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    pass


@app.command()
def run(
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="Settings file; SENTINEL_CONFIG names it too.")
    ] = None,
) -> None:
    """Watch the cluster and judge every rollout until SIGTERM."""
    settings = load_settings(config, os.environ)
    configure_logs(settings.log.level, settings.log.format)
    asyncio.run(serve(settings))


async def serve(settings: Settings) -> None:
    """Build, start, wait for SIGTERM or SIGINT, drain, stop. Raises SentinelError."""
    sys.setswitchinterval(SWITCH_SECONDS)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    clock = SystemClock()
    rng = random.Random()  # noqa: S311  # nosec B311  # jitter, not secrets
    application = await build(settings, clock=clock, rng=rng, elapsed=clock.since_boot)
    tidying = asyncio.create_task(keep_tidy(clock))
    starting = asyncio.create_task(application.start())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if starting.done():
        starting.result()
        settle()
        await stopping
        await application.stop()
    else:
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
    tidying.cancel()


@app.command()
def demo(
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the cluster running afterwards, for kubectl.")
    ] = False,
    port: Annotated[int, typer.Option(help="Port of the simulated API server; 0 chooses a free one.")] = 0,
    metrics_port: Annotated[int, typer.Option(help="Port of the simulated pods' metrics.")] = 0,
    http_host: Annotated[str, typer.Option(help="Address that the daemon listens on.")] = "127.0.0.1",
    http_port: Annotated[int, typer.Option(help="Port of the daemon's webhook, health and metrics.")] = 0,
    prometheus: Annotated[
        str, typer.Option(help="URL of a real Prometheus to use instead of the simulated one.")
    ] = "",
    story: Annotated[str, typer.Option(help="A strategy to show: statefulset, daemonset.")] = "",
) -> None:
    """Play six rollouts on a simulated cluster, or a few of one strategy. Exit code 1 if one ends unexpectedly."""
    if find_spec("clustersim") is None:
        raise ConfigurationError(
            "the demo needs the simulated cluster, which is not installed: pip install 'rollback-sentinel[demo]'"
        )
    from sentinel.app.demo.play import play  # not at the top: the daemon runs without the simulation
    from sentinel.app.demo.stage import Front
    from sentinel.app.demo.stories import PLAYS

    if story not in PLAYS:
        raise UsageError(f"--story {story}: unknown ({did_you_mean(story, filter(None, PLAYS))})")
    console = Console()
    configure_logs("error", "auto")
    try:
        front = Front(port, metrics_port, http_host, http_port, prometheus, story)
        well = asyncio.run(play(console, front, keep=keep))
    except KeyboardInterrupt:
        return
    raise typer.Exit(0 if well else 1)


@app.command()
def crd() -> None:
    """Print the custom resource definition: `sentinel crd | kubectl apply -f -`."""
    typer.echo(definition_text())


if __name__ == "__main__":
    main()

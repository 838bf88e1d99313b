"""`sentinel run`."""

from pathlib import Path
from typing import Annotated

import typer

from sentinel.app.serving import run


def run_command(
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="Settings file; SENTINEL_CONFIG names it too.")
    ] = None,
) -> None:
    """Watch the cluster and judge every rollout until SIGTERM."""
    run(config)

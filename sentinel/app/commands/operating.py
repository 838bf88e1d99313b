"""The commands of `sentinel` (and `kubectl sentinel`) that look at a cluster and act on it."""

from collections.abc import Callable, Mapping

import typer

from sentinel.app.commands.explaining import explain_command
from sentinel.app.commands.status import history_command, status_command
from sentinel.app.commands.waiting import wait_command

_COMMANDS: Mapping[str, Callable[..., None]] = {
    "status": status_command,
    "history": history_command,
    "explain": explain_command,
    "wait": wait_command,
}


def add_operating_commands(app: typer.Typer) -> None:
    """Put them into the command line."""
    for name, command in _COMMANDS.items():
        app.command(name)(command)

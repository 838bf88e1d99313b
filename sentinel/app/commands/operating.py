"""The commands of `sentinel` (and `kubectl sentinel`) that look at a cluster and act on it."""

from collections.abc import Callable, Mapping

import typer

from sentinel.app.commands.rollouts.asking import (
    approve_command,
    forgive_command,
    hold_command,
    promote_command,
    resume_command,
)
from sentinel.app.commands.rollouts.explaining import explain_command
from sentinel.app.commands.rollouts.freezing import freeze_command, unfreeze_command
from sentinel.app.commands.rollouts.reporting import report_command
from sentinel.app.commands.rollouts.status import history_command, status_command
from sentinel.app.commands.rollouts.undoing import release_command, undo_command
from sentinel.app.commands.rollouts.waiting import wait_command
from sentinel.app.commands.setup.diagnosing import doctor_command
from sentinel.app.commands.setup.preflighting import preflight_command

_COMMANDS: Mapping[str, Callable[..., None]] = {
    "status": status_command,
    "history": history_command,
    "explain": explain_command,
    "wait": wait_command,
    "approve": approve_command,
    "hold": hold_command,
    "resume": resume_command,
    "promote": promote_command,
    "undo": undo_command,
    "release": release_command,
    "forgive": forgive_command,
    "freeze": freeze_command,
    "unfreeze": unfreeze_command,
    "preflight": preflight_command,
    "doctor": doctor_command,
    "report": report_command,
}


def add_operating_commands(app: typer.Typer) -> None:
    """Put them into the command line."""
    for name, command in _COMMANDS.items():
        app.command(name)(command)

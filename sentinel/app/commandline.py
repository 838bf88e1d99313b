"""The command line: `sentinel run`, `sentinel demo`, `sentinel rules …`, `sentinel crd`."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from sentinel.app.commands.table import HELP, MARKUP, ROOT, RULES, add_commands
from sentinel.app.exitcodes import ExitCode


class RootGroup(TyperGroup):
    """The root of the command line. Its own codes replace Typer's, whose 1 and 2 are answers here."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the program. A mistake has a frame at a terminal only; in a log it is one line."""
        if not sys.stderr.isatty():
            self.rich_markup_mode = None
        return super().main(*args, **kwargs)

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Parse the options before the command's name."""
        with _own_codes():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        """Parse the rest, and run the command."""
        with _own_codes():
            return super().invoke(ctx)


@contextmanager
def _own_codes() -> Iterator[None]:
    try:
        yield
    except typer.Exit:
        raise
    except KeyboardInterrupt:
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    except BrokenPipeError:
        # The reader of our output has closed it: the rest goes nowhere, without a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(ExitCode.BROKEN_PIPE) from None
    except Exception as error:
        if hasattr(error, "exit_code"):  # Typer's errors, of which some versions show no common class
            error.exit_code = ExitCode.USAGE
        raise


app = typer.Typer(
    cls=RootGroup,
    help="Judges Kubernetes rollouts by YAML rules, and promotes or undoes them automatically.",
    epilog="Exit codes: 0 yes, 1 no, 3 not confirmed, 64 wrong usage, 66 not found, 69 a server did not answer, "
    "70 a defect, 77 not allowed, 78 wrong settings or files, 130 interrupted; `sentinel wait` answers with 0 to 5.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings=HELP,
    rich_markup_mode=MARKUP,
)
add_commands(app, ROOT)
rules = typer.Typer(
    help="Check, explain and test rule files.",
    no_args_is_help=True,
    context_settings=HELP,
    rich_markup_mode=MARKUP,
)
add_commands(rules, RULES)
app.add_typer(rules, name="rules")


def _show_version(wanted: bool) -> None:
    if wanted:
        from sentinel.version import installed_version  # not at the top: it reads the metadata of packages

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

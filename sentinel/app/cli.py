"""The command line: `sentinel run`, `sentinel demo`, `sentinel rules …`, `sentinel crd`."""

import gc
import shutil
import sys
import textwrap
import traceback
from pathlib import PurePath
from typing import Annotated

import typer

from sentinel.app.commands.table import HELP, MARKUP, ROOT, RULES, add_commands
from sentinel.app.exitcodes import ExitCode, RootGroup, code_of
from sentinel.domain.errors import SentinelError

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
YOUNG = 10_000
"""So many new objects are searched for garbage at once; Python takes 700, most of which are in use a moment longer."""
rules = typer.Typer(
    help="Check, explain and test rule files.",
    no_args_is_help=True,
    context_settings=HELP,
    rich_markup_mode=MARKUP,
)
add_commands(rules, RULES)
app.add_typer(rules, name="rules")


def main() -> None:
    """Run the command line; a user's mistake is one sentence on stderr with an exit code, never a traceback."""
    gc.set_threshold(YOUNG)
    try:
        app(prog_name=_called())
    except SentinelError as error:
        typer.echo(fitted(f"sentinel: {error}"), err=True)
        sys.exit(code_of(error))
    except Exception:
        traceback.print_exc()
        typer.echo("sentinel: this is a defect. Please report it with the lines above", err=True)
        sys.exit(ExitCode.DEFECT)


def fitted(text: str) -> str:
    """A sentence for a terminal, which would break it within words; elsewhere it stays on its line, for programs."""
    if not sys.stderr.isatty():
        return text
    width = shutil.get_terminal_size().columns
    lines = (
        textwrap.wrap(line, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
        for line in text.splitlines()
    )
    return "\n".join("\n".join(each) for each in lines)


def _called() -> str:
    """What people type: as a plugin of kubectl two words."""
    return "kubectl sentinel" if PurePath(sys.argv[0]).name.startswith("kubectl-") else "sentinel"


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


if __name__ == "__main__":
    main()

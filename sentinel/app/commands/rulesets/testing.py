"""`sentinel rules test`: rule files as tested code."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from sentinel.app.commands.output import Output, OutputOption, show_data
from sentinel.app.ruletest.coverage import total
from sentinel.app.ruletest.report import as_data, coverage_lines, lines, write_junit
from sentinel.app.ruletest.session import run_tests


def rule_tests_command(
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
    output: OutputOption = Output.TABLE,
) -> None:
    """Run the unit tests of rule files on the daemon's own engine, in virtual time.

    Exit code 1 if a test fails, a file has errors, or the coverage is below --min-coverage.
    """
    session = asyncio.run(run_tests(paths, named=named))
    for error in session.errors:
        typer.echo(str(error), err=True)
    if session.errors:
        raise typer.Exit(1)
    said = [
        *lines(session.results, verbose=verbose),
        *(coverage_lines(session.coverage) if coverage or minimum else ()),
    ]
    if output.for_people:
        typer.echo("\n".join(said))
    else:
        show_data(as_data(session.results), output)
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

"""`sentinel rules import`: rule files from Argo Rollouts, Flagger and Prometheus."""

from pathlib import Path
from typing import Annotated

import typer

from sentinel.app.exitcodes import UsageError
from sentinel.domain.errors import ConfigurationError
from sentinel.domain.figures import amount
from sentinel.policies.importing.importer import Choices, Imported, import_files
from sentinel.policies.yaml.document import MAX_BYTES


def import_command(
    files: Annotated[list[Path], typer.Argument(help="Files from Argo Rollouts, Flagger or Prometheus.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write the rule file here instead of to stdout.")
    ] = None,
    arg: Annotated[
        list[str] | None,
        typer.Option("--arg", help="Value of an argument of Argo's templates, as NAME=VALUE."),
    ] = None,
    provider: Annotated[
        str | None,
        typer.Option(help="Flagger's mesh provider for Canaries that do not name it: istio, linkerd, ..."),
    ] = None,
    namespace: Annotated[
        list[str] | None,
        typer.Option(
            "--namespace",
            "-n",
            help="Guard all Deployments of this namespace by alerting rules, instead of those with a label.",
        ),
    ] = None,
) -> None:
    """Turn Argo Rollouts, Flagger or Prometheus alerting rules into a rule file, with comments where it differs.

    Pass files that refer to each other together. Exit code 1 if a check of the originals is lost.
    """
    choices = Choices(_arguments(arg or []), provider, tuple(namespace or ()))
    result = import_files(_contents(files), choices)
    if out is not None and result.text:
        _write(out, result.text)
    elif result.text:
        typer.echo(result.text, nl=False)
    for refused in result.refused:
        typer.echo(f"NOT IMPORTED: {refused}", err=True)
    typer.echo(_summary(result, out), err=True)
    raise typer.Exit(1 if result.refused else 0)


def _summary(result: Imported, out: Path | None) -> str:
    if not result.text:
        return "nothing was imported"
    where = f" in {out}" if out is not None else ""
    policies = amount(result.policies, "policy", "policies")
    rules = amount(result.rules, "rule or alert", "rules and alerts")
    notes = amount(len(result.notes), "comment")
    return f"{policies} with {rules}{where}; {notes} on differences; {len(result.refused)} not imported"


def _arguments(given: list[str]) -> dict[str, str]:
    found = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals or not name:
            raise UsageError(f"--arg {one}: write it as NAME=VALUE")
        found[name] = value
    return found


def _contents(files: list[Path]) -> dict[str, bytes]:
    contents = {}
    for file in files:
        try:
            with file.open("rb") as stream:
                contents[str(file)] = stream.read(MAX_BYTES + 1)
        except OSError as error:
            raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from error
    return contents


def _write(out: Path, text: str) -> None:
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{out} cannot be written: {error.strerror}") from error

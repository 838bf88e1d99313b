"""`sentinel rules import`: rule files from Argo Rollouts, Flagger and Prometheus."""

from pathlib import Path
from typing import Annotated

import typer

from sentinel.app.exitcodes import UsageError
from sentinel.domain.errors import ConfigurationError
from sentinel.policies.importing.importer import Choices, Imported, import_files
from sentinel.policies.yaml.document import MAX_BYTES


def import_command(
    files: Annotated[list[Path], typer.Argument(help="Files of Argo Rollouts, Flagger or Prometheus.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write the rule file here, not to stdout.")
    ] = None,
    arg: Annotated[
        list[str] | None, typer.Option("--arg", help="NAME=VALUE of an argument of Argo's templates.")
    ] = None,
    provider: Annotated[
        str | None,
        typer.Option(help="Flagger's mesh provider, where a Canary names none: istio, linkerd, ..."),
    ] = None,
    namespace: Annotated[
        list[str] | None,
        typer.Option(
            "--namespace",
            "-n",
            help="Alerting rules guard all Deployments of this namespace, instead of those with a label.",
        ),
    ] = None,
) -> None:
    """Turn rules of Argo Rollouts, Flagger or Prometheus' alerts into a rule file with comments on what differs.

    Files that refer to each other are given together. Exit code 1 when a check of the originals is lost.
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
    return (
        f"{result.policies} policies with {result.rules} rules and alerts{where}; {len(result.notes)} notes on what "
        f"differs stand beside them, {len(result.refused)} things could not be imported"
    )


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

"""How `sentinel rules check` reports what it found: for people, for programs, or for a pull request."""

import json
from collections.abc import Sequence
from enum import StrEnum

import typer

from sentinel.app.commands.setup.checks import Check, Level
from sentinel.domain.figures import amount
from sentinel.policies.checking import Checked
from sentinel.policies.mistakes import PolicyError


class MistakeFormat(StrEnum):
    """How errors are shown: for people, for programs, or as annotations of a GitHub pull request."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"


def report(checked: Checked, cluster: Sequence[Check] | None, form: MistakeFormat) -> None:
    """Print everything that was found. `cluster` are the checks against the cluster, None if it was not asked."""
    if form is MistakeFormat.JSON:
        typer.echo(json.dumps(_as_json(checked, cluster or ()), indent=2, ensure_ascii=False))
        return
    annotated = form is MistakeFormat.GITHUB
    for error in checked.errors:
        typer.echo(_annotation(error, "error") if annotated else str(error), err=not annotated)
    for remark in checked.remarks:
        typer.echo(_annotation(remark, "warning") if annotated else f"warning: {remark}")
    if not checked.errors:
        typer.echo(f"ok: {_counted(checked)}")
    if cluster is not None:
        _report_cluster(cluster, annotated=annotated)


def _report_cluster(found: Sequence[Check], *, annotated: bool) -> None:
    """A line for each problem, and how many workloads were checked."""
    for one in found:
        if one.level is Level.OK:
            continue
        failed = one.level is Level.FAIL
        text = f"{one.name}: {one.found}" + (f" ({one.remedy})" if one.remedy else "")
        if annotated:
            level = "error" if failed else "warning"
            typer.echo(f"::{level} title=sentinel rules check --cluster::{_escaped(text)}")
        else:
            typer.echo(text if failed else f"warning: {text}", err=failed)
    checked = sum(one.name.endswith(" policy") for one in found)
    typer.echo(f"checked {amount(checked, 'guarded workload')}")


def _counted(checked: Checked) -> str:
    return f"{amount(len(checked.policies), 'policy', 'policies')} in {amount(len(checked.files), 'file')}"


def _as_json(checked: Checked, cluster: Sequence[Check]) -> dict[str, object]:
    return {
        "errors": [_error_as_json(error) for error in checked.errors],
        "warnings": [_error_as_json(remark) for remark in checked.remarks],
        "policies": list(checked.policies),
        "files": list(checked.files),
        "cluster": [
            {"check": one.name, "level": one.level.value, "found": one.found, "remedy": one.remedy}
            for one in cluster
        ],
    }


def _error_as_json(error: PolicyError) -> dict[str, object]:
    return {
        "file": error.file,
        "line": error.line,
        "column": error.column,
        "path": error.path,
        "message": error.message,
        "hint": error.hint,
    }


def _annotation(error: PolicyError, level: str) -> str:
    """A workflow command that GitHub shows at the line of the pull request."""
    place = {"file": error.file} | ({"line": error.line, "col": error.column} if error.line else {})
    properties = ",".join(f"{name}={_escaped(str(value), ':,')}" for name, value in place.items())
    where = f"{error.path}: " if error.path else ""
    hint = f" ({error.hint})" if error.hint else ""
    return f"::{level} {properties},title=sentinel rules check::{_escaped(f'{where}{error.message}{hint}')}"


def _escaped(text: str, more: str = "") -> str:
    """The text with what workflow commands take as syntax percent-encoded."""
    return "".join(f"%{ord(char):02X}" if char in "%\r\n" + more else char for char in text)
